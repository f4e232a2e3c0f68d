"""The producer against a daemon that a test turns, stops and starts; and against peers that misbehave."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from streamrnn.client import Producer, ProducerError
from streamrnn.client import producer as client
from streamrnn.wire.envelope import ACK, DATA, HELLO, NACK, WELCOME, Envelope, pack, unpack

PATIENCE = 20.0


class Peer:
    """A daemon's side of the protocol in a thread, which does to the n-th DATA what `odd` says: drop, busy."""

    def __init__(self, endpoint: str, odd: dict[int, str] | None = None, mark: tuple[int, int] = (0, 0)) -> None:
        self.endpoint, self.odd = endpoint, odd or {}
        self.epoch, self.seq = mark
        self.taken: list[bytes] = []
        self.seen, self.limit = 0, 1000
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(self.endpoint)
            while not self._end.is_set():
                if socket.poll(10):
                    route, frame = socket.recv_multipart()
                    for answer in self._answers(unpack(frame)):
                        socket.send_multipart([route, answer])

    def _answers(self, letter: Envelope) -> Iterator[bytes]:
        def answer(kind: int, seq: int, **told: Any) -> bytes:
            return pack(kind, letter.source, letter.epoch, seq, 1, json.dumps(told).encode() if told else b"")

        if letter.kind == HELLO:
            limits = {"window": 8, "max_bytes": self.limit, "max_observations": 10, "ack_seconds": 0.0}
            seq = self.seq if letter.epoch == self.epoch else 0
            yield pack(WELCOME, letter.source, max(letter.epoch, self.epoch), seq, 0, json.dumps(limits).encode())
            return
        self.seen += 1
        what = self.odd.get(self.seen)
        if letter.epoch != self.epoch:
            self.epoch, self.seq = letter.epoch, 0
        if what == "drop":
            return
        if what == "busy":
            yield answer(NACK, letter.seq, code="busy", detail="", final=False, expected=letter.seq)
        elif letter.seq == self.seq + 1:
            self.seq += letter.numbers
            self.taken.append(letter.body)
            if what == "refuse":
                yield answer(NACK, letter.seq, code="schema", detail="no values", final=True)
            if what != "mute":
                yield answer(ACK, self.seq)
        elif letter.seq <= self.seq:
            yield answer(ACK, self.seq)
        else:
            yield answer(NACK, letter.seq, code="gap", detail="", final=False, expected=self.seq + 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST", 0.02)
    monkeypatch.setattr(client, "LONGEST", 0.1)


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/in"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {1: "drop"},
        {3: "drop", 4: "drop", 9: "drop"},
        dict.fromkeys(range(5, 25), "busy"),
        {2: "mute", 30: "mute"},
        {k: ("drop", "busy", "mute")[k % 3] for k in range(1, 60, 2)},
    ],
)
def test_everything_arrives_once_and_in_order(endpoint: str, odd: dict[int, str]) -> None:
    peer = Peer(endpoint, odd)
    try:
        with Producer(endpoint, "gate", patience=PATIENCE) as producer:
            assert producer.window == 8
            numbers = [producer.send({"n": n}) for n in range(1, 101)]
        assert numbers == list(range(1, 101))
        assert [json.loads(body)["n"] for body in peer.taken] == numbers
        assert producer.accepted == 100
        assert producer.pending == 0
    finally:
        peer.close()


def test_several_and_columns_take_up_their_numbers(endpoint: str) -> None:
    peer = Peer(endpoint)
    try:
        with Producer(endpoint, "gate", patience=PATIENCE) as producer:
            assert producer.send([{"n": 1}, {"n": 2}, {"n": 3}]) == 1
            assert producer.send({"time": [1.0, 2.0], "values": {"x": [1.0, 2.0]}}) == 4
            assert producer.send({"values": {"x": [1.0, 2.0]}}) == 6
            assert producer.send(b"two", count=2) == 8
            assert producer.send({"values": {"x": 1.0}}) == 10
        assert peer.seq == 10
    finally:
        peer.close()


def test_what_is_refused_for_good_is_told_and_the_rest_goes_on(endpoint: str) -> None:
    peer = Peer(endpoint, {2: "refuse"})
    try:
        with Producer(endpoint, "gate", patience=PATIENCE) as producer:
            for n in range(5):
                producer.send({"n": n})
        assert [(r.seq, r.code, r.detail) for r in producer.refused] == [(2, "schema", "no values")]
        assert producer.accepted == 5
    finally:
        peer.close()


def test_the_same_epoch_goes_on_where_it_was(endpoint: str) -> None:
    peer = Peer(endpoint, mark=(3, 40))
    try:
        with Producer(endpoint, "gate", epoch=3, patience=PATIENCE) as producer:
            assert producer.accepted == 40
            assert producer.send({"n": 1}) == 41
        with pytest.raises(ProducerError, match="epoch 3"):
            Producer(endpoint, "gate", epoch=2, patience=PATIENCE)
    finally:
        peer.close()


def test_a_clock_that_was_set_back_begins_a_later_epoch_none_the_less(endpoint: str) -> None:
    ahead = 2**62
    peer = Peer(endpoint, mark=(ahead, 5))
    try:
        with Producer(endpoint, "gate", patience=PATIENCE) as producer:
            assert producer.send({"n": 1}) == 1
        assert (peer.epoch, peer.seq) == (ahead + 1, 1)
    finally:
        peer.close()


def test_a_daemon_that_lost_what_it_had_is_served_anew(endpoint: str) -> None:
    peer = Peer(endpoint)
    with Producer(endpoint, "gate", patience=PATIENCE) as producer:
        for n in range(5):
            producer.send({"n": n})
        producer.flush()
        first = producer._epoch
        peer.close()
        peer = Peer(endpoint, mark=(first, 2))
        try:
            for n in range(5, 8):
                producer.send({"n": n})
            producer.flush()
        finally:
            peer.close()
    assert producer.counts["renumbered"] == 1
    assert [json.loads(body)["n"] for body in peer.taken] == [5, 6, 7]
    assert (peer.epoch > first, peer.seq) == (True, 3)


def test_a_producer_waits_for_a_daemon_that_is_gone(endpoint: str) -> None:
    peer = Peer(endpoint)
    with Producer(endpoint, "gate", patience=PATIENCE) as producer:
        producer.send({"n": 0})
        producer.flush()
        mark = peer.epoch, peer.seq
        peer.close()
        for n in range(1, 6):
            producer.send({"n": n})
        producer.serve(0.1)
        assert producer.pending == 5
        peer = Peer(endpoint, mark=mark)
        try:
            producer.flush()
        finally:
            peer.close()
    assert [json.loads(body)["n"] for body in peer.taken] == [1, 2, 3, 4, 5]


def test_nobody_there_is_an_error_that_says_so(endpoint: str) -> None:
    with pytest.raises(ProducerError, match="no daemon answers"):
        Producer(endpoint, "gate", patience=0.05)
    with pytest.raises(ProducerError, match="cannot connect"):
        Producer("nonsense", "gate")


def test_no_progress_is_an_error_that_says_how_far_it_came(endpoint: str) -> None:
    peer = Peer(endpoint, dict.fromkeys(range(4, 10_000), "busy"))
    try:
        producer = Producer(endpoint, "gate", patience=0.3)
        for n in range(5):
            producer.send({"n": n})
        with pytest.raises(ProducerError, match="no progress") as caught:
            producer.close()
        assert "2 messages" in caught.value.hint
        assert "go on at 4" in caught.value.hint
    finally:
        peer.close()


class Stubborn(Peer):
    """A daemon that has taken the beginning of a message from an earlier life, and cannot divide what it gets."""

    def _answers(self, letter: Envelope) -> Iterator[bytes]:
        if letter.kind == DATA and letter.seq <= self.seq < letter.seq + letter.numbers - 1:
            yield pack(ACK, letter.source, letter.epoch, self.seq)
            told = {"code": "gap", "detail": "", "final": False, "expected": self.seq + 1}
            yield pack(NACK, letter.source, letter.epoch, letter.seq, 1, json.dumps(told).encode())
        else:
            yield from super()._answers(letter)


def test_a_message_that_is_known_in_part_is_settled_by_its_last_number(endpoint: str) -> None:
    """Run one sent 1 to 13 and was told of 10; run two goes on at 11 in larger messages."""
    peer = Stubborn(endpoint, mark=(5, 10))
    try:
        with Producer(endpoint, "file", epoch=5) as producer:
            assert producer.accepted == 10
            peer.seq = 13
            producer.send([{"flow": k} for k in range(11, 31)])
            producer.flush()
        assert producer.accepted == 30
        assert [json.loads(body) for body in peer.taken] == [[{"flow": k} for k in range(14, 31)]]
    finally:
        peer.close()


def test_a_message_that_nobody_can_divide_is_told(endpoint: str) -> None:
    peer = Stubborn(endpoint, mark=(5, 10))
    try:
        producer = Producer(endpoint, "file", epoch=5)
        peer.seq = 13
        producer.send(b"a,b,c", count=20)
        with pytest.raises(ProducerError, match="14 is expected"):
            producer.flush()
        producer.leave()
    finally:
        peer.close()


def test_what_is_too_large_is_told_and_does_not_stop_the_rest(endpoint: str) -> None:
    peer = Peer(endpoint)
    try:
        with Producer(endpoint, "gate") as producer:
            with pytest.raises(ProducerError, match="the daemon takes 968"):
                producer.send(b"x" * 969)
            assert producer.send(b"x" * 968) == 1
        assert peer.taken == [b"x" * 968]
    finally:
        peer.close()


def test_a_daemon_that_takes_less_than_before_is_told_of(endpoint: str) -> None:
    peer = Peer(endpoint, {1: "drop"})
    try:
        producer = Producer(endpoint, "gate")
        producer._delay = producer._least = 0.01
        peer.limit = 100
        producer.send(b"x" * 200)
        with pytest.raises(ProducerError, match="the daemon takes 68"):
            producer.flush()
        producer.leave()
    finally:
        peer.close()


@pytest.mark.parametrize("left", [0, 3])
def test_what_was_acknowledged_and_is_gone_is_told(endpoint: str, left: int) -> None:
    """A backup was put back while the producer went on."""
    peer = Peer(endpoint)
    try:
        with Producer(endpoint, "gate") as producer:
            for k in range(5):
                producer.send({"flow": k})
            producer.flush()
            peer.seq = left
            assert producer.send({"flow": 5}) == 6
            producer.flush()
            assert [(each.first, each.last) for each in producer.lost] == [(left + 1, 5)]
            assert producer.counts["lost"] == 5 - left
            assert producer.accepted == 6
        assert peer.taken[-1] == b'{"flow":5}'
    finally:
        peer.close()


def test_who_can_send_again_is_asked_to(endpoint: str) -> None:
    peer = Peer(endpoint)
    try:
        producer = Producer(endpoint, "file", epoch=5)
        for k in range(5):
            producer.send({"flow": k})
        producer.flush()
        peer.seq = 3
        producer.send({"flow": 5})
        with pytest.raises(ProducerError, match="2 acknowledged observations are gone"):
            producer.flush()
        producer.leave()
        with Producer(endpoint, "file", epoch=5) as again:
            assert again.accepted == 3
    finally:
        peer.close()
