"""The sockets alone: options, what arrives, what is refused, who is told what, how connections end."""

import socket as plain
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from streamrnn.config.schema import Input, Limits, Output
from streamrnn.errors import ConfigError, StreamrnnError
from streamrnn.service.ingest import ports
from streamrnn.service.ingest import sockets as module
from streamrnn.service.ingest.sockets import TURN_BYTES, Sockets
from streamrnn.service.ingest.subscriptions import Message
from streamrnn.service.operations import control
from streamrnn.service.publish import catchup
from streamrnn.wire import Frame

PATIENCE = 10.0
TCP = "tcp://127.0.0.1:*"


def answer(topic: bytes) -> Message:
    return (topic, b"last") if topic.endswith(b"/") else (b"status/", b"again")


class Room:
    """Sockets under test and their peers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.context = zmq.Context()
        self.sockets: Sockets | None = None
        self.peers: list[zmq.Socket[bytes]] = []
        self.arrived: list[Frame] = []

    def open(self, *inputs: Input, output: Output | None = None, **limits: int) -> Sockets:
        output = output or Output(endpoint=f"ipc://{self.path}/out")
        self.sockets = Sockets(answer)
        self.sockets.open(inputs, output, Limits(**limits))
        return self.sockets

    def peer(self, kind: int, endpoint: str, *topics: bytes) -> zmq.Socket[bytes]:
        peer = self.context.socket(kind)
        peer.setsockopt(zmq.LINGER, 0)
        peer.connect(endpoint)
        for topic in topics:
            peer.subscribe(topic)
        self.peers.append(peer)  # a socket that nobody holds is closed
        return peer

    def until(self, true: Callable[[], Any]) -> None:
        """Poll until `true()` is; what arrives on the way is kept for `frames`."""
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, "it never came true"
            self.arrived += self.sockets.poll(0.01)

    def frames(self, count: int) -> list[Frame]:
        """Everything that has arrived, at least `count`."""
        self.until(lambda: len(self.arrived) >= count)
        frames, self.arrived = self.arrived, []
        return frames

    def subscribe(self, *topics: bytes) -> zmq.Socket[bytes]:
        before = self.sockets.subscribed
        peer = self.peer(zmq.SUB, self.sockets.endpoints[-1], *topics)
        self.until(lambda: self.sockets.subscribed == before + len(topics))
        return peer

    def greeted(self) -> zmq.Socket[bytes]:
        """A PUSH whose connection we have seen."""
        push = self.peer(zmq.PUSH, self.sockets.endpoints[0])
        push.send(b"hello")
        assert [frame.body for frame in self.frames(1)] == [b"hello"]
        self.sockets.poll(0.01)
        return push

    def sent(self, push: zmq.Socket[bytes], body: bytes) -> None:
        """Send until it arrives: what a PUSH hands to a connection that is being cut is lost."""
        self.until(lambda: push.send(body) or self.arrived)
        assert {frame.body for frame in self.arrived} == {body}

    def close(self) -> None:
        self.context.destroy(linger=0)
        if self.sockets:
            self.sockets.close()


def received(peer: zmq.Socket[bytes]) -> list[bytes]:
    assert peer.poll(PATIENCE * 1000)
    return peer.recv_multipart()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.close()


def test_every_limit_is_set(room: Room) -> None:
    sockets = room.open(
        Input(endpoint=TCP), Input(kind="sub"), output=Output(endpoint=TCP, high_water=7), max_frame_bytes=2048
    )
    common = {zmq.HANDSHAKE_IVL: 5000, zmq.BACKLOG: 256, zmq.RECONNECT_IVL: 100, zmq.RECONNECT_IVL_MAX: 5000}
    common |= {zmq.HEARTBEAT_IVL: 5000, zmq.HEARTBEAT_TIMEOUT: 15000, zmq.HEARTBEAT_TTL: 20000}
    common |= {zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 30, zmq.TCP_KEEPALIVE_INTVL: 10, zmq.TCP_KEEPALIVE_CNT: 3}
    into = common | {zmq.MAXMSGSIZE: 2048, zmq.RCVHWM: 1000, zmq.LINGER: 0}
    out = common | {zmq.MAXMSGSIZE: 512, zmq.SNDHWM: 7, zmq.LINGER: 1000}
    for port, wanted in zip(sockets.ports, (into, into, out), strict=True):
        assert {option: port.socket.getsockopt(option) for option in wanted} == wanted


def test_every_limit_of_a_router_is_set(room: Room) -> None:
    sockets = room.open(Input(kind="router", endpoint=TCP), max_frame_bytes=2048)
    wanted = {zmq.MAXMSGSIZE: 2048, zmq.RCVHWM: 64, zmq.SNDHWM: 1000, zmq.LINGER: 0, zmq.HANDSHAKE_IVL: 5000}
    wanted |= {zmq.BACKLOG: 256, zmq.HEARTBEAT_IVL: 5000, zmq.HEARTBEAT_TIMEOUT: 15000, zmq.HEARTBEAT_TTL: 20000}
    wanted |= {zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 30, zmq.TCP_KEEPALIVE_INTVL: 10, zmq.TCP_KEEPALIVE_CNT: 3}
    (port, _) = sockets.ports
    assert {option: port.socket.getsockopt(option) for option in wanted} == wanted
    write_only = {zmq.ROUTER_MANDATORY: 1, zmq.ROUTER_HANDOVER: 1}
    assert {key: ports.options(*port.wanted)[key] for key in write_only} == write_only
    sockets.reply(0, b"nobody", b"is there")  # an error inside, for ROUTER_MANDATORY is on, and none outside


def test_every_limit_of_a_socket_beside_them_is_set(room: Room) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"))
    sockets.open_auxiliary(TCP, catchup.OPTIONS, lambda _: None)
    sockets.open_auxiliary(f"ipc://{room.path}/beside", control.OPTIONS, lambda _: None, always=True)
    remote, local = (each.socket for each in sockets.auxiliary)
    wanted = {zmq.MAXMSGSIZE: 2048, zmq.RCVHWM: 10, zmq.SNDHWM: 10, zmq.LINGER: 0, zmq.HANDSHAKE_IVL: 5000}
    wanted |= {zmq.BACKLOG: 256, zmq.HEARTBEAT_IVL: 5000, zmq.HEARTBEAT_TIMEOUT: 15000, zmq.HEARTBEAT_TTL: 20000}
    wanted |= {zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 30, zmq.TCP_KEEPALIVE_INTVL: 10, zmq.TCP_KEEPALIVE_CNT: 3}
    assert {option: remote.getsockopt(option) for option in wanted} == wanted
    assert local.getsockopt(zmq.MAXMSGSIZE) == control.REQUEST_BYTES
    assert local.getsockopt(zmq.HANDSHAKE_IVL) == 5000


def test_what_waits_for_us_is_bounded_in_bytes(room: Room) -> None:
    sockets = room.open(Input(endpoint=TCP), max_frame_bytes=32 * 1024 * 1024)
    assert sockets.ports[0].socket.getsockopt(zmq.RCVHWM) == 2


def test_pull_and_sub_tell_their_origin_and_topic(room: Room) -> None:
    publisher = room.context.socket(zmq.XPUB)
    publisher.bind(f"ipc://{room.path}/pub")
    sockets = room.open(
        Input(endpoint=f"ipc://{room.path}/in"), Input(kind="sub", endpoint=f"ipc://{room.path}/pub", topics=("t",))
    )
    room.until(lambda: publisher.poll(0))
    publisher.send_multipart([b"t1", b"with topic"])
    publisher.send(b"t and body in one")
    room.peer(zmq.PUSH, sockets.endpoints[0]).send(b"pulled")
    before = time.time()
    frames = sorted(room.frames(3), key=lambda frame: (frame.origin, frame.topic))
    assert [(f.origin, f.topic, f.body) for f in frames] == [
        (0, b"", b"pulled"),
        (1, b"", b"t and body in one"),
        (1, b"t1", b"with topic"),
    ]
    assert all(abs(frame.received - before) < PATIENCE for frame in frames)


def test_a_message_of_too_many_parts_is_refused_alone(room: Room) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"))
    push = room.peer(zmq.PUSH, sockets.endpoints[0])
    push.send_multipart([b"first", b"second"])
    push.send_multipart([b"1", b"2", b"3", b"4"])
    push.send(b"good")
    assert [frame.body for frame in room.frames(1)] == [b"good"]
    assert [(origin, refusal.reason, refusal.offender) for origin, refusal in sockets.malformed] == [
        (0, "malformed", b"first"),
        (0, "malformed", b"1"),
    ]
    assert "4 parts" in sockets.malformed[1][1].detail


def test_a_busy_input_leaves_room_for_the_others(room: Room) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/1"), Input(endpoint=f"ipc://{room.path}/2"), max_batch=10)
    busy, calm = (room.peer(zmq.PUSH, endpoint) for endpoint in sockets.endpoints[:2])
    calm.send(b"calm")
    for _ in range(100):
        busy.send(b"busy")
    while not all(port.socket.poll(PATIENCE * 1000) for port in sockets.ports[:2]):
        pass
    first = sockets.poll(0)
    assert [frame.body for frame in first].count(b"busy") <= 5
    assert b"calm" in [frame.body for frame in first]
    assert len(first + room.frames(101 - len(first))) == 101


@pytest.mark.parametrize("kind", ["pull", "router"])
@pytest.mark.parametrize(("size", "most"), [(30_000, 5), (TURN_BYTES // 2, 1), (TURN_BYTES, 1)])
def test_an_input_with_large_frames_leaves_time_for_the_others(room: Room, kind: str, size: int, most: int) -> None:
    """It is given one frame, and more while all that it has been given is not too much."""
    large = Input(kind=kind, endpoint=f"ipc://{room.path}/1")
    sockets = room.open(large, Input(endpoint=f"ipc://{room.path}/2"), max_batch=100)
    busy = room.peer(zmq.PUSH if kind == "pull" else zmq.DEALER, sockets.endpoints[0])
    calm = room.peer(zmq.PUSH, sockets.endpoints[1])
    calm.send(b"calm")
    for _ in range(20):
        busy.send(b"x" * size)
    while not all(port.socket.poll(PATIENCE * 1000) for port in sockets.ports[:2]):
        pass
    came = 0
    while came < 21:
        frames = sockets.poll(PATIENCE)
        taken = sum(frame.origin == 0 for frame in frames)
        assert taken <= most
        assert sockets.laden is (taken == most)
        came += len(frames)
    assert not sockets.poll(0)
    assert not sockets.laden


@pytest.mark.parametrize("endpoint", [TCP, "ipc://{path}/in"])
def test_an_over_size_frame_cuts_its_sender_off_and_the_next_message_is_served(room: Room, endpoint: str) -> None:
    sockets = room.open(Input(endpoint=endpoint.format(path=room.path)), max_frame_bytes=1024)
    push = room.greeted()
    push.send(b"x" * 1025)
    room.until(sockets.ended.total)
    assert room.arrived == []
    assert dict(sockets.ended) == {"cut": 1}
    room.sent(push, b"x" * 1024)


def test_300_megabytes_are_not_taken(room: Room) -> None:
    sockets = room.open(Input(endpoint=TCP))
    push = room.greeted()
    push.send(bytes(300_000_000), copy=False)
    room.until(lambda: sockets.ended["cut"])
    assert room.arrived == []
    room.sent(push, b"good")


def test_a_peer_that_leaves_is_not_one_that_was_cut_off(room: Room) -> None:
    sockets = room.open(Input(endpoint=TCP))
    room.greeted().close()
    room.until(sockets.ended.total)
    assert dict(sockets.ended) == {"closed": 1}


def test_a_peer_that_never_greets_is_told_apart(room: Room) -> None:
    sockets = room.open(Input(endpoint=TCP))
    host, port = sockets.endpoints[0].removeprefix("tcp://").split(":")
    plain.create_connection((host, int(port))).close()
    room.until(sockets.ended.total)
    assert dict(sockets.ended) == {"handshake": 1}


def test_the_last_value_reaches_the_new_subscriber_alone(room: Room) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"))
    early = room.subscribe(b"prediction/a/")
    assert received(early) == [b"prediction/a/", b"last"]
    late = room.subscribe(b"prediction/a/")
    assert received(late) == [b"prediction/a/", b"last"]
    sockets.send([(b"prediction/a/", b"new")])
    assert received(early) == [b"prediction/a/", b"new"]
    assert received(late) == [b"prediction/a/", b"new"]


@pytest.mark.parametrize("topic", [b"prediction/", b"anomaly", b""])
def test_a_prefix_subscriber_takes_nothing_away_from_others(room: Room, topic: bytes) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"))
    early = room.subscribe(b"prediction/a/")
    received(early)
    prefix = room.subscribe(topic)
    sockets.send([(b"prediction/a/", b"new")])
    assert received(early) == [b"prediction/a/", b"new"]
    prefix.close()
    room.until(lambda: sockets.ended["closed"] == 1)  # one that leaves while another joins is a case of its own
    again = room.subscribe(b"prediction/a/")
    received(again)
    sockets.send([(b"prediction/a/", b"newer")])
    assert received(early) == [b"prediction/a/", b"newer"]


def test_an_unsubscription_is_honoured_and_costs_others_nothing(room: Room) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"))
    stays, goes = room.subscribe(b"prediction/a/"), room.subscribe(b"prediction/a/", b"status/")
    goes.unsubscribe(b"prediction/a/")
    goes.subscribe(b"deadletter/")  # behind it on the same connection: when this has come, that has
    room.until(lambda: sockets.subscribed == 4)
    sockets.send([(b"prediction/a/", b"new"), (b"status/", b"end")])
    assert [received(stays)[1] for _ in range(2)] == [b"last", b"new"]
    told = [(b"status/", b"last"), (b"deadletter/", b"last"), (b"status/", b"end")]
    assert [tuple(received(goes)) for _ in told] == told


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("topic", [b"status/", b""])
def test_who_leaves_or_unsubscribes_sends_others_nothing_and_takes_nothing_from_them(
    room: Room, topic: bytes, leaves: bool
) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"))
    goes, stays = room.subscribe(topic), room.subscribe(topic)
    for peer in (goes, stays):
        assert received(peer)[1] in (b"last", b"again")
    if leaves:
        goes.close()
        room.until(sockets.ended.total)
    else:
        goes.unsubscribe(topic)
        goes.subscribe(b"other")  # behind it on the same connection
        room.until(lambda: sockets.subscribed == 3)
    while sockets.ports[-1].socket.poll(50):
        sockets.poll(0)
    sockets.send([(b"status/", b"first"), (b"status/", b"second")])
    assert [received(stays)[1] for _ in range(2)] == [b"first", b"second"]
    assert not stays.poll(0)


def test_an_overlong_subscription_ends_the_connection(room: Room) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"))
    room.subscribe(b"short").subscribe(b"x" * 600)
    room.until(lambda: sockets.ended["cut"])
    assert sockets.subscribed == 1


def test_a_changed_input_gives_up_what_it_held_and_the_rest_stays_connected(room: Room) -> None:
    kept, old, new = (Input(endpoint=f"ipc://{room.path}/{name}") for name in ("kept", "old", "new"))
    output = Output(endpoint=f"ipc://{room.path}/out")
    sockets = room.open(kept, old, output=output)
    subscriber = room.subscribe(b"prediction/a/")
    received(subscriber)
    push = room.peer(zmq.PUSH, old.endpoint)
    push.send(b"waiting")
    assert sockets.ports[1].socket.poll(PATIENCE * 1000)
    sockets.change([new, kept], output, Limits())
    assert [(f.origin, f.body) for f in sockets.left] == [(1, b"waiting")]
    room.peer(zmq.PUSH, new.endpoint).send(b"to the new one")
    room.peer(zmq.PUSH, kept.endpoint).send(b"to the kept one")
    assert sorted((f.origin, f.body) for f in room.frames(2)) == [(0, b"to the new one"), (1, b"to the kept one")]
    sockets.send([(b"prediction/a/", b"still here")])
    assert received(subscriber) == [b"prediction/a/", b"still here"]


def test_a_change_that_fails_leaves_all_as_it_was(room: Room) -> None:
    old = Input(endpoint=f"ipc://{room.path}/old")
    output = Output(endpoint=f"ipc://{room.path}/out")
    sockets = room.open(old, output=output)
    with pytest.raises(ConfigError, match="ipc:///no/such/directory/in"):
        sockets.change([Input(endpoint="ipc:///no/such/directory/in")], output, Limits())
    room.peer(zmq.PUSH, old.endpoint).send(b"served")
    assert [frame.body for frame in room.frames(1)] == [b"served"]


def test_a_change_that_fails_does_not_touch_what_waits_in_the_input_it_was_to_close(room: Room) -> None:
    old, output = Input(endpoint=f"ipc://{room.path}/old"), Output(endpoint=f"ipc://{room.path}/out")
    sockets = room.open(old, output=output)
    push = room.greeted()
    for body in (b"1", b"2"):
        push.send(body)
    assert sockets.ports[0].socket.poll(PATIENCE * 1000)
    with pytest.raises(ConfigError):
        sockets.change([Input(endpoint="ipc:///no/such/directory/in")], output, Limits())
    push.send(b"3")  # over the same connection
    assert [frame.body for frame in [*sockets.left, *room.frames(3)]] == [b"1", b"2", b"3"]
    assert not sockets.ended


def test_what_was_taken_from_an_endpoint_that_could_not_be_changed_is_left_and_the_endpoint_is_back(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, output = Input(endpoint=f"ipc://{room.path}/old"), Output(endpoint=f"ipc://{room.path}/out")
    sockets = room.open(old, output=output)
    push = room.greeted()
    push.send(b"waiting")
    assert sockets.ports[0].socket.poll(PATIENCE * 1000)
    before = module.open_port

    def fails(context: Any, wanted: Any, *more: Any) -> Any:
        if wanted[1] == 2048:
            raise ConfigError("cannot be")
        return before(context, wanted, *more)

    monkeypatch.setattr(module, "open_port", fails)
    with pytest.raises(ConfigError):
        sockets.change([old], output, Limits(max_frame_bytes=2048))
    assert [(frame.origin, frame.body) for frame in sockets.left] == [(0, b"waiting")]
    room.sent(push, b"served")  # it has come back by itself


def test_an_endpoint_is_opened_anew_with_another_limit(room: Room) -> None:
    old, output = Input(endpoint=f"ipc://{room.path}/old"), Output(endpoint=f"ipc://{room.path}/out")
    sockets = room.open(old, output=output)
    push = room.greeted()
    sockets.change([old], output, Limits(max_frame_bytes=2048))
    assert sockets.ports[0].socket.getsockopt(zmq.MAXMSGSIZE) == 2048
    room.sent(push, b"served")


def test_an_input_that_is_only_read_otherwise_stays_connected_and_gives_up_what_it_held(room: Room) -> None:
    old, output = Input(endpoint=f"ipc://{room.path}/old"), Output(endpoint=f"ipc://{room.path}/out")
    sockets = room.open(old, output=output)
    push = room.greeted()
    push.send(b"waiting")
    assert sockets.ports[0].socket.poll(PATIENCE * 1000)
    sockets.change(
        [Input(endpoint=old.endpoint, stream="b")], Output(endpoint=output.endpoint, format="msgpack"), Limits()
    )
    assert [frame.body for frame in sockets.left] == [b"waiting"]
    push.send(b"next")
    assert [frame.body for frame in room.frames(1)] == [b"next"]
    assert not sockets.ended


def test_one_of_two_equal_inputs_goes(room: Room) -> None:
    same, output = Input(kind="sub", endpoint=f"ipc://{room.path}/pub"), Output(endpoint=f"ipc://{room.path}/out")
    sockets = room.open(same, same, output=output)
    sockets.change([same], output, Limits())
    assert len(sockets.ports) == 2


def test_two_equal_inputs_are_two(room: Room) -> None:
    same = Input(kind="sub", endpoint=f"ipc://{room.path}/pub")
    sockets = room.open(same, same)
    assert len(sockets.ports) == 3


def test_an_endpoint_that_is_taken_is_not_the_fault_of_the_file(room: Room) -> None:
    with plain.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(StreamrnnError, match="in use") as caught:
            room.open(Input(endpoint=f"tcp://127.0.0.1:{taken.getsockname()[1]}"))
        assert not isinstance(caught.value, ConfigError)


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://", "ipc:///no/such/directory/in"])
def test_an_endpoint_that_cannot_be_is(room: Room, endpoint: str) -> None:
    with pytest.raises(ConfigError, match="cannot open"):
        room.open(Input(endpoint=endpoint))


@contextmanager
def crowd(path: Path, count: int = 40) -> Iterator[None]:
    """So many that connect and say nothing."""
    with ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(plain.socket(plain.AF_UNIX)).connect(str(path))
        yield


def test_there_are_only_so_many_connections_greeted_or_not(room: Room) -> None:
    """libzmq ends the process when a local peer connects and no descriptor is left."""
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"), max_connections=5)
    push = room.greeted()
    with crowd(room.path / "in"):
        room.until(lambda: sockets.ended["full"] == 31)
        assert sum(len(port.peers) for port in sockets.ports) == 10
        room.sent(push, b"known")
    room.until(lambda: sum(len(port.peers) for port in sockets.ports) == 1)
    new = room.peer(zmq.PUSH, sockets.endpoints[0])
    room.until(lambda: new.send(b"new") or b"new" in {frame.body for frame in room.arrived})  # some are still "known"


def test_connections_beside_the_inputs_count_too(room: Room) -> None:
    """But who is to give orders is let in however many there are."""
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"), max_connections=5)
    sockets.open_auxiliary(f"ipc://{room.path}/beside", catchup.OPTIONS, lambda _: None)
    sockets.open_auxiliary(f"ipc://{room.path}/orders", control.OPTIONS, lambda _: None, always=True)
    with crowd(room.path / "beside"):
        room.until(lambda: sockets.ended["full"] == 30)
        assert sockets.connections == 10
        with crowd(room.path / "orders", 1):
            room.until(lambda: sockets.connections == 11)
    room.until(lambda: sockets.connections == 0)
    assert sockets.ended["full"] == 30


def test_a_peer_that_is_half_open_is_dropped(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has greeted and then says nothing, not even that it lives: as one whose machine is gone."""
    monkeypatch.setitem(ports.TCP, zmq.HEARTBEAT_IVL, 50)
    monkeypatch.setitem(ports.TCP, zmq.HEARTBEAT_TIMEOUT, 150)
    sockets = room.open(Input(endpoint=TCP))
    host, _, port = sockets.endpoints[0].removeprefix("tcp://").rpartition(":")
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
    with plain.create_connection((host, int(port))) as raw:
        raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
        room.until(lambda: sockets.ports[0].peers.greeted)
        room.until(lambda: sockets.ended["cut"] == 1)
    assert len(sockets.ports[0].peers) == 0


def test_subscriptions_of_a_peer_without_a_key_are_bounded_and_given_back(room: Room) -> None:
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"), max_subscriptions=3)
    first = room.peer(zmq.SUB, sockets.endpoints[-1], *(f"{k}/" for k in range(5)))
    room.until(lambda: sockets.authenticator.denied["too_many_subscriptions"] == 2)
    assert sockets.subscribed == 3
    second = room.peer(zmq.SUB, sockets.endpoints[-1], "other/")
    room.until(lambda: sockets.subscribed == 4)
    topics = sockets.ports[-1].peers.topics
    assert topics.bytes == len("0/1/2/other/")
    first.unsubscribe("0/")
    room.until(lambda: topics.bytes == len("1/2/other/"))
    first.close()
    second.close()
    room.until(lambda: topics.bytes == 0)


def test_a_subscriber_that_does_not_read_is_ended_before_it_takes_the_memory(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES", 8_000_000)
    endpoint = f"ipc://{room.path}/out"
    sockets = room.open(Input(endpoint=f"ipc://{room.path}/in"), output=Output(endpoint=endpoint, high_water=100_000))
    idle, reader = plain.socket(plain.AF_UNIX), room.subscribe(b"a")
    idle.connect(f"{room.path}/out")  # ZMTP by hand: it greets and subscribes, and never reads
    idle.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
    room.until(lambda: sockets.connections == 2)
    assert len(idle.recv(64, plain.MSG_WAITALL)) == 64
    idle.sendall(b"\x04\x19\x05READY\x0bSocket-Type" + b"\x00\x00\x00\x03SUB" + b"\x00\x02\x01b")
    room.until(lambda: sockets.subscribed == 2)
    heard = 0
    deadline = time.monotonic() + PATIENCE
    while not sockets.ended["slow"]:
        assert time.monotonic() < deadline
        sockets.send([(topic, bytes(100_000)) for topic in (b"a", b"b")])
        received(reader)
        heard += 1
        sockets.end_slow()
        room.arrived += sockets.poll(0)
    assert sockets.ended == {"slow": 1}
    assert heard > 2
    idle.close()
