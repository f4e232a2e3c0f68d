"""Subscribers that come late, lose messages or are cut off: what they get in the end, what they know of the rest."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zmq
from conftest import Turned

from streamrnn.client import Message, Subscriber, SubscriberError, subscriber
from streamrnn.service.publish import catchup

DOOR = 'catchup = "ipc://{path}/catchup"\n'


class Listener:
    """A daemon turned in this thread while a subscriber works in another."""

    def __init__(self, path: Path, turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch) -> None:
        import conftest

        self.path = path
        text = conftest.CONFIG.replace("[metrics]", DOOR + "[metrics]")
        monkeypatch.setattr(conftest, "CONFIG", text)
        self.turned = turned
        self.thread = ThreadPoolExecutor(1)
        self.subscribers: list[Subscriber] = []

    def open(self, more: str = "") -> Turned:
        self.served = self.turned(more)
        return self.served

    def join(self, *topics: str, door: bool = True, format: str = "") -> Subscriber:
        made = Subscriber(f"ipc://{self.path}/out", *topics, catchup=f"ipc://{self.path}/catchup" if door else "")
        self.subscribers.append(made)
        self.receive(made, 0, 0.3)  # the status has come, and the snapshot
        return made

    def receive(self, one: Subscriber, count: int, seconds: float = 10.0) -> list[Message]:
        """`count` messages, or what comes within some seconds."""

        def take() -> list[Message]:
            taken: list[Message] = []
            if count == 0:
                if (message := one.receive(seconds)) is not None:
                    one._ready.appendleft(message)
                return taken
            while len(taken) < count and (message := one.receive(seconds)) is not None:
                taken.append(message)
            return taken

        future = self.thread.submit(take)
        self.served.until(future.done)
        return future.result()

    def send(self, count: int, stream: str = "a", heard: bool = True) -> None:
        """Observations that are answered; the answers are lost on the way unless they are `heard`."""
        daemon = self.served.daemon
        before = self.served.value("streamrnn_observations_applied_total")
        send = daemon.parts.sockets.send
        if not heard:
            daemon.parts.sockets.send = lambda _: None
        for k in range(count):
            self.served.peers.push.send_json({"stream": stream, "values": {"flow": float(k)}})
        self.served.until(lambda: self.served.value("streamrnn_observations_applied_total") == before + count)
        daemon.parts.sockets.send = send


@pytest.fixture
def listener(tmp_path: Path, turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    made = Listener(tmp_path, turned, monkeypatch)
    yield made
    for each in made.subscribers:
        each.close()
    made.thread.shutdown()


def numbers(messages: list[Message]) -> list[tuple[str, int, int]]:
    return [(message.topic.split("/")[1], message.fields["topic_seq"], message.lost) for message in messages]


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_who_comes_late_gets_the_last_values_and_then_everything(listener: Listener, format: str) -> None:
    import conftest

    conftest.CONFIG = conftest.CONFIG.replace(DOOR, f'{DOOR}format = "{format}"\n')
    listener.open()
    for stream, count in (("a", 3), ("b", 5), ("c", 1)):
        listener.send(count, stream)
    late = listener.join("prediction/a/", "prediction/b")
    listener.send(2, "a")
    listener.send(1, "new")
    listener.send(1, "bb")
    got = numbers(listener.receive(late, 5))
    assert sorted(got) == [("a", 3, 0), ("a", 4, 0), ("a", 5, 0), ("b", 5, 0), ("bb", 1, 0)]
    assert late.counts["lost"] == 0


def test_streams_at_rest_are_known_to_a_snapshot(listener: Listener) -> None:
    """Their numbers at least: when they are heard again, nothing seems lost."""
    listener.open("[limits]\nresident_streams = 2\nmax_observations = 2\n")
    for k, stream in enumerate("abcd"):
        listener.send(k + 1, stream)
    assert listener.served.daemon.parts.streams.evicted >= 2
    late = listener.join("prediction/")
    there = len(late._ready)
    listener.receive(late, there)
    for k, stream in enumerate("abcd"):
        listener.send(1, stream)
        assert numbers(listener.receive(late, 1)) == [(stream, k + 2, 0)]
    assert late.counts["lost"] == 0


def test_a_snapshot_of_many_streams_comes_in_pages(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "PAGE", 3)
    monkeypatch.setattr(catchup, "STREAMS", 7)
    listener.open()
    for k in range(40):
        listener.send(1, f"s{k}")
    late = listener.join("prediction/")
    assert [name for name, _, _ in numbers(listener.receive(late, 40))] == [f"s{k}" for k in range(40)]


@pytest.mark.parametrize("page", [2, 128])
def test_a_gap_is_closed(listener: Listener, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "PAGE", page)
    listener.open()
    one = listener.join("prediction/")
    listener.send(2)
    listener.send(7, heard=False)
    listener.send(1)
    assert numbers(listener.receive(one, 10)) == [("a", k, 0) for k in range(1, 11)]
    assert (one.counts["recovered"], one.counts["lost"]) == (7, 0)


@pytest.mark.parametrize("door", [True, False])
def test_what_is_gone_for_good_is_counted(listener: Listener, door: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "MOST", 3)
    listener.open()
    one = listener.join("prediction/", door=door)
    listener.send(2)
    listener.receive(one, 2)
    listener.send(7, heard=False)
    listener.send(1)
    wanted = [("a", 8, 5), ("a", 9, 0), ("a", 10, 0)] if door else [("a", 10, 7)]
    assert numbers(listener.receive(one, len(wanted))) == wanted
    assert one.counts["lost"] == (5 if door else 7)


def test_what_is_kept_is_bounded_in_bytes(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    served = listener.open()
    monkeypatch.setattr(catchup, "BYTES", 2000)
    listener.send(50)
    ring = served.daemon.parts.catchup._rings[b"prediction"]
    kept = list(ring.behind(b"prediction/a/", 0, 0))
    assert 0 < sum(len(body) for body in kept) <= 2000
    assert (ring.bytes, len(ring)) == (sum(len(body) for body in kept), len(kept))


def test_a_stream_that_comes_anew_is_numbered_anew(listener: Listener) -> None:
    served = listener.open()
    one = listener.join("prediction/")
    listener.send(5)
    listener.receive(one, 5)
    served.daemon.parts.commands.order("forget", "a")
    listener.send(2, heard=False)
    listener.send(1)
    assert numbers(listener.receive(one, 3)) == [("a", 1, 0), ("a", 2, 0), ("a", 3, 0)]
    assert (one.counts["renumbered"], one.counts["recovered"], one.counts["lost"]) == (1, 2, 0)


def test_a_topic_that_fell_silent_is_made_up_for_by_a_comparison(listener: Listener) -> None:
    listener.open()
    one = listener.join("prediction/")
    listener.send(2)
    listener.receive(one, 2)
    listener.send(2, heard=False)
    listener.send(3, "never-heard", heard=False)
    future = listener.thread.submit(one.compare)
    listener.served.until(future.done)
    got = numbers(listener.receive(one, 5))
    assert sorted(got) == [("a", 3, 0), ("a", 4, 0), *[("never-heard", k, 0) for k in (1, 2, 3)]]


def test_a_restart_hides_nothing_and_repeats_nothing(listener: Listener) -> None:
    served = listener.open()
    one = listener.join("prediction/", "status/")
    listener.send(3)
    listener.receive(one, 4)
    served.kill()
    served.start()
    listener.send(1)
    got = listener.receive(one, 6, 1.0)
    told = [message.fields["state"] for message in got if message.topic == "status/"]
    assert told[-1] == "started"
    got = [message for message in got if message.topic != "status/"]
    if not got:  # it was not yet connected again when the message was sent
        listener.send(1)
        got = [m for m in listener.receive(one, 9, 1.0) if m.topic != "status/"]
    seen = [message.fields["topic_seq"] for message in got]
    assert seen == list(range(4, 4 + len(seen)))
    assert one.counts["lost"] == 0


def test_a_slow_subscriber_loses_messages_knows_it_and_gets_them(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    import conftest

    monkeypatch.setattr(subscriber, "HIGH_WATER", 1)
    conftest.CONFIG = conftest.CONFIG.replace(DOOR, f"{DOOR}high_water = 1\n")
    listener.open()
    one = listener.join("prediction/")
    listener.send(9000)  # more than the socket's buffers hold
    got: list[Message] = []
    while len(got) < 9000:
        got += listener.receive(one, 9000, 0.2)
        listener.send(1)  # its number tells of the gap
    seen = [message.fields["topic_seq"] for message in got]
    assert one.counts["recovered"] > 0
    assert one.counts["lost"] == 0
    assert seen == list(range(1, len(seen) + 1))


def test_a_client_in_another_language(listener: Listener, tmp_path: Path) -> None:
    """Nothing but the page: frames by hand over bare sockets."""
    served = listener.open()
    listener.send(4)
    door = served.peers.context.socket(zmq.DEALER)
    door.setsockopt(zmq.LINGER, 0)
    door.connect(f"ipc://{tmp_path}/catchup")

    def ask(request: Any) -> tuple[dict[str, Any], list[bytes]]:
        door.send(request if isinstance(request, bytes) else json.dumps(request).encode())
        served.until(lambda: door.poll(0))
        head, *parts = door.recv_multipart()
        return json.loads(head), parts

    head, parts = ask({"snapshot": "prediction/", "id": 7})
    told = {key: head.pop(key) for key in ("incarnation", "session")}
    assert head == {"id": 7, "lsn": 4, "at": {"prediction/a/": 4}}
    assert told == {key: value for key, value in served.daemon.parts.incarnation.told().items() if key in told}
    assert parts[0] == b"prediction/a/"
    assert json.loads(parts[1])["retained"] is True
    head, parts = ask({"replay": "prediction/a/", "after": 2})
    assert (head["id"], head["lsn"]) == (0, 4)
    assert [json.loads(body)["topic_seq"] for body in parts[1::2]] == [3, 4]
    for wrong in (b"\xff", b"[]", {"id": 1}, {"snapshot": 3}, {"other": ""}, {"replay": "x", "after": "y"}):
        assert ask(wrong)[0]["error"]


def test_what_cannot_be_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SubscriberError, match="511"):
        Subscriber(f"ipc://{tmp_path}/out", "x" * 512)
    with pytest.raises(SubscriberError, match="cannot connect"):
        Subscriber("nonsense")
