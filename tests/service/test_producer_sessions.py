"""What producers are told, frame by frame, as the protocol page says; written without streamrnn's own client."""

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import zmq
from conftest import Turned

from streamrnn.errors import FullError, SnapshotError
from streamrnn.service import turn

Make = Callable[..., Turned]
ROUTER = '[[input]]\nkind = "router"\nendpoint = "ipc://{path}/acked"\n'


def pack(kind: bytes, source: bytes, epoch: int, seq: int, count: int = 0, body: bytes = b"") -> bytes:
    covered = struct.pack("<QQI", epoch, seq, count) + source + body
    return struct.pack("<BBHI", kind[0], 1, len(source), zlib.crc32(covered)) + covered


def observation(flow: float, **more: Any) -> bytes:
    return json.dumps({"stream": "a", "values": {"flow": flow}, **more}).encode()


class Dealer:
    """Somebody with pyzmq and the page."""

    def __init__(self, one: Turned, source: bytes = b"gate", epoch: int = 7, routing_id: bytes = b"") -> None:
        self.one, self.source, self.epoch = one, source, epoch
        self.socket = one.peers.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        if routing_id:
            self.socket.setsockopt(zmq.ROUTING_ID, routing_id)
        self.socket.connect(one.daemon.endpoints[1])

    def send(self, kind: bytes, seq: int = 0, count: int = 0, body: bytes = b"") -> None:
        self.socket.send(pack(kind, self.source, self.epoch, seq, count, body))

    def data(self, seq: int, *flows: float) -> None:
        body = b"[" + b",".join(observation(flow) for flow in flows) + b"]"
        self.send(b"D", seq, len(flows), body)

    def heard(self) -> tuple[str, int, int, int, Any]:
        """Kind, epoch, seq, count and body of the next answer."""
        self.one.until(lambda: self.socket.poll(0))
        frame = self.socket.recv()
        kind, version, length, crc, epoch, seq, count = struct.unpack_from("<BBHIQQI", frame)
        assert version == 1
        assert crc == zlib.crc32(frame[8:])
        body = frame[28 + length :]
        return chr(kind), epoch, seq, count, json.loads(body) if body else None

    def refused(self) -> dict[str, Any]:
        kind, _, _, _, body = self.heard()
        assert kind == "N"
        return body

    def acked(self) -> int:
        kind, _, seq, _, _ = self.heard()
        assert kind == "A"
        return seq


def opened(turned: Make, text: str = "") -> Turned:
    made = turned(text)
    made.file.write_text(made.file.read_text().replace("[output]", ROUTER.format(path=made.path) + "[output]"))
    made.kill()
    made.start()
    return made


def applied(one: Turned) -> float:
    return one.value("streamrnn_observations_applied_total")


def answers(one: Turned) -> dict[str, float]:
    one.daemon._chores.do(0.0)
    counts = one.daemon.parts.telemetry._values["streamrnn_producer_messages_total"]
    return {labels[0]: count for labels, count in counts.items() if count}


def test_a_conversation(turned: Make) -> None:
    one = opened(turned, "[limits]\nwindow = 9\n")
    producer = Dealer(one)
    producer.send(b"H")
    kind, epoch, seq, _, limits = producer.heard()
    assert (kind, epoch, seq) == ("W", 7, 0)
    assert limits.pop("incarnation") == one.daemon.parts.incarnation.id != ""
    assert limits == {"window": 9, "max_bytes": 1_048_576, "max_observations": 4096, "ack_seconds": 0.0}
    producer.data(1, 1.0, 2.0)
    assert producer.acked() == 2
    producer.data(3, 3.0)
    assert producer.acked() == 3
    assert applied(one) == 3
    assert answers(one) == {"taken": 2}


def test_acks_are_cumulative_one_a_turn(turned: Make) -> None:
    one = opened(turned)
    producer = Dealer(one)
    producer.send(b"H")
    producer.heard()
    for k in range(1, 101):
        producer.data(k, float(k))
    heard = [producer.acked()]
    while heard[-1] < 100:
        heard.append(producer.acked())
    assert heard == sorted(set(heard))
    assert applied(one) == 100


def test_duplicates_are_acknowledged_and_passed_over_and_gaps_told(turned: Make) -> None:
    one = opened(turned)
    producer = Dealer(one)
    producer.data(1, 1.0)
    assert producer.acked() == 1
    producer.data(1, 1.0)
    assert producer.acked() == 1
    producer.data(3, 3.0)
    gap = producer.refused()
    assert (gap["code"], gap["final"], gap["expected"]) == ("gap", False, 2)
    producer.data(1, 1.0, 2.0)  # half of it is known
    assert producer.acked() == 2
    producer.data(2, 2.0)
    assert producer.acked() == 2
    assert applied(one) == 2
    assert answers(one) == {"taken": 2, "duplicate": 2, "gap": 1}


def test_marks_are_exact_after_a_kill(turned: Make) -> None:
    one = opened(turned)
    producer = Dealer(one)
    producer.data(1, 1.0, 2.0)
    assert producer.acked() == 2
    one.kill()
    one.start()
    producer = Dealer(one)
    producer.send(b"H")
    assert producer.heard()[:3] == ("W", 7, 2)
    producer.data(1, 1.0, 2.0)
    assert producer.acked() == 2
    producer.data(3, 3.0)
    assert producer.acked() == 3
    assert one.daemon.parts.producers.marks() == [("", "gate", 7, 3)]
    assert one.daemon.parts.engine._state["a"]["seq"] == 3


def test_a_later_epoch_ends_the_earlier_one(turned: Make) -> None:
    one = opened(turned)
    old, new = Dealer(one, epoch=7), Dealer(one, epoch=8)
    old.data(1, 1.0)
    assert old.acked() == 1
    new.send(b"H")
    assert new.heard()[:3] == ("W", 8, 0)
    new.data(1, 2.0)
    assert new.acked() == 1
    old.data(2, 3.0)
    refused = old.refused()
    assert (refused["code"], refused["epoch"]) == ("epoch", 8)
    asking = Dealer(one, epoch=0)
    asking.send(b"H")
    assert asking.heard()[:3] == ("W", 8, 1)
    assert applied(one) == 2


def test_sources_do_not_share_numbers_even_over_one_routing_id(turned: Make) -> None:
    one = opened(turned)
    first = Dealer(one, b"first", routing_id=b"same")
    first.data(1, 1.0)
    assert first.acked() == 1
    second = Dealer(one, b"second", routing_id=b"same")  # takes over the routing id
    second.data(1, 2.0)
    assert second.acked() == 1
    assert one.daemon.parts.producers.marks() == [("", "first", 7, 1), ("", "second", 7, 1)]
    again = Dealer(one, b"first")
    again.data(1, 1.0)
    assert again.acked() == 1
    assert applied(one) == 2


def test_a_message_that_is_known_in_part_is_taken_from_the_mark_on(turned: Make) -> None:
    """A program that was killed comes back and cuts its observations otherwise."""
    one = opened(turned)
    gate = Dealer(one)
    gate.data(1, 1.0, 2.0, 3.0)
    assert gate.acked() == 3
    gate.data(2, 2.0, 3.0, 4.0, 5.0)
    assert gate.acked() == 5
    assert applied(one) == 5
    gate.send(b"D", 4, 4, observation(4.0))  # says four and holds one: it cannot be divided
    assert gate.refused()["expected"] == 6


def test_as_many_sources_as_there_may_be_can_move_in_one_turn(turned: Make) -> None:
    one = opened(turned, "[limits]\nmax_producers = 2\n")
    several = [Dealer(one, name) for name in (b"a", b"b", b"c", b"d")]
    frames = one.daemon.parts.sockets.poll
    for dealer in several:
        dealer.data(1, 1.0)
    taken: list[Any] = []
    while len(taken) < 4:
        taken += frames(1.0)
    turn.serve(one.daemon.parts, taken)
    answers = [dealer.heard() for dealer in several]
    assert sorted(kind for kind, *_ in answers) == ["A", "A", "N", "N"]
    assert all(body["code"] == "sources" for kind, *_, body in answers if kind == "N")


def test_what_was_never_taken_of_a_source_takes_no_place(turned: Make) -> None:
    one = opened(turned, "[limits]\nmax_producers = 2\n")
    for name in (b"a", b"b", b"c"):
        dealer = Dealer(one, name)
        dealer.data(7, 1.0)
        assert dealer.refused()["code"] == "gap"
    assert len(one.daemon.parts.producers) == 0


def test_what_is_refused_for_good_is_told_settled_and_counted(turned: Make) -> None:
    one = opened(turned, "[limits]\nmax_streams = 1\n")
    producer = Dealer(one)
    producer.data(1, 1.0)
    assert producer.acked() == 1
    producer.send(b"D", 2, 1, b"nonsense")
    kind, _, seq, count, body = producer.heard()
    assert (kind, seq, count, body["code"], body["final"]) == ("N", 2, 1, "malformed", True)
    assert producer.acked() == 2
    two = b"[" + observation(3.0) + b"," + observation(4.0, stream="b") + b"]"
    producer.send(b"D", 3, 2, two)
    kind, _, seq, count, body = producer.heard()
    assert (kind, seq, count, body["code"]) == ("N", 3, 1, "capacity")
    assert producer.acked() == 4
    assert applied(one) == 2
    one.kill()
    one.start()
    assert one.daemon.parts.producers.marks() == [("", "gate", 7, 4)]  # refused messages stay settled
    assert one.value("streamrnn_replayed_observations_total") == 2


CORRUPT = [
    b"",
    b"D",
    b"x" * 28,
    pack(b"D", b"gate", 7, 1, 1, observation(1.0))[:-1],
    pack(b"D", b"gate", 7, 1, 1, observation(1.0))[:8] + b"\xff" * 40,
    pack(b"A", b"gate", 7, 1),
    pack(b"D", b"", 7, 1, 1, observation(1.0)),
    pack(b"D", b"\xff", 7, 1, 1, observation(1.0)),
    pack(b"D", b"gate", 2**63, 1, 1, observation(1.0)),
    pack(b"D", b"gate", 7, 2**63 - 1, 1, observation(1.0)),
]


@pytest.mark.parametrize("frame", CORRUPT)
def test_what_is_no_frame_is_told_and_the_next_one_served(turned: Make, frame: bytes) -> None:
    one = opened(turned)
    producer = Dealer(one)
    producer.socket.send(frame)
    assert producer.refused()["code"] == "corrupt"
    producer.data(1, 1.0)
    assert producer.acked() == 1
    assert applied(one) == 1
    assert answers(one) == {"corrupt": 1, "taken": 1}


def test_sources_are_bounded_and_the_silent_make_room(turned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = opened(turned, "[limits]\nmax_producers = 2\n")
    for source in (b"a", b"b"):
        producer = Dealer(one, source)
        producer.data(1, 1.0)
        assert producer.acked() == 1
    third = Dealer(one, b"c")
    third.data(1, 1.0)
    assert third.refused()["code"] == "sources"
    monkeypatch.setattr("streamrnn.service.ingest.producers.IDLE", -1.0)
    third.data(1, 1.0)
    assert third.acked() == 1
    assert [mark[1] for mark in one.daemon.parts.producers.marks()] == ["b", "c"]
    one.kill()
    one.start()
    assert [mark[1] for mark in one.daemon.parts.producers.marks()] == ["b", "c"]


def test_a_full_disk_is_busy_unready_and_over_by_itself(turned: Make) -> None:
    one = opened(turned)
    producer, telemetry = Dealer(one), one.daemon.parts.telemetry
    producer.data(1, 1.0)
    assert producer.acked() == 1
    connection = one.daemon.parts.store.connection
    connection.execute("PRAGMA max_page_count = 1")
    big = json.dumps({"stream": "a", "values": {"flow": 2.0}, "note": "x" * 500_000}).encode()
    producer.send(b"D", 2, 1, big)
    busy = producer.refused()
    assert (busy["code"], busy["final"], busy["expected"]) == ("busy", False, 2)
    assert not telemetry.ready
    assert one.value("streamrnn_disk_full") == 1
    one.peers.push.send(b'{"stream": "b", "values": {"flow": 5.0}}')  # waits in the socket
    subscriber = one.subscribed(b"prediction/a/")  # reads are served
    assert one.received(subscriber)[1]["retained"]
    producer.send(b"D", 2, 1, big)
    assert producer.refused()["code"] == "busy"
    assert one.daemon.parts.producers.marks() == [("", "gate", 7, 1)]
    connection.execute("PRAGMA max_page_count = 1000000")
    one.until(lambda: telemetry.ready)
    one.until(lambda: applied(one) == 2)
    producer.send(b"D", 2, 1, big)
    assert producer.acked() == 2
    assert applied(one) == 3
    assert answers(one) == {"taken": 2, "busy": 2}
    one.kill()
    one.start()
    assert one.daemon.parts.producers.marks() == [("", "gate", 7, 2)]
    assert one.value("streamrnn_replayed_observations_total") <= 3  # a checkpoint was forced while it was full


def test_what_was_taken_of_a_pull_before_the_disk_was_full_is_not_lost(turned: Make) -> None:
    one = opened(turned)
    one.send(1.0)
    one.until(lambda: applied(one) == 1)
    one.daemon.parts.store.connection.execute("PRAGMA max_page_count = 1")
    for _ in range(3):
        one.send(2.0, note="x" * 300_000)
    one.until(lambda: one.value("streamrnn_disk_full"))
    one.send(3.0)
    one.daemon.parts.store.connection.execute("PRAGMA max_page_count = 1000000")
    one.until(lambda: applied(one) == 5)
    assert one.daemon.parts.engine._state["a"]["flow"] == 3.0


def test_with_interval_a_full_disk_ends_the_daemon(turned: Make) -> None:
    one = opened(turned, 'durability = "interval"\n')
    one.daemon.parts.store.connection.execute("PRAGMA max_page_count = 1")
    one.send(2.0, note="x" * 300_000)
    one.send(2.0, note="x" * 300_000)
    one.daemon.parts.store.connection.execute("PRAGMA cache_size = 1")
    with pytest.raises(FullError):
        one.until(lambda: (one.daemon.parts.journal.tick(1e12), False)[1])


def test_with_interval_the_ack_comes_with_the_commit(turned: Make) -> None:
    one = opened(turned, 'durability = "interval"\ninterval = 3600.0\n')
    producer = Dealer(one)
    producer.data(1, 1.0)
    assert producer.acked() == 1  # reserves numbers, so it commits
    producer.data(2, 2.0)
    one.until(lambda: applied(one) == 2)
    producer.data(2, 2.0)  # applied, and not kept: no ack
    one.until(lambda: answers(one).get("duplicate"))
    assert not producer.socket.poll(0)
    one.daemon.parts.journal.tick(1e12)
    assert producer.acked() == 2


def test_a_damaged_mark_is_not_believed(turned: Make) -> None:
    one = opened(turned)
    producer = Dealer(one)
    producer.data(1, 1.0)
    assert producer.acked() == 1
    one.daemon.parts.store.connection.execute("UPDATE producer SET seq = 5")
    one.kill()
    with pytest.raises(SnapshotError, match="mark of a producer"):
        one.start()
