"""Who comes in: keys at the handshake, again at every message, and what a key may do."""

import os
import random
import socket as plain
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from conftest import PATIENCE, Turned

from streamrnn.config import schema
from streamrnn.config.keys import Grant, Pair, read_grants, read_pair, write_grant, write_pair
from streamrnn.errors import ConfigError
from streamrnn.service.ingest import authentication, ports
from tests.broken import greeting

CONFIG = """
[security]
keys = "{path}/keys"
secret = "{path}/curve.secret"
"""


def pair() -> Pair:
    return Pair(*(half.decode() for half in zmq.curve_keypair()))


class House:
    """A daemon behind a door, and peers with keys of their own."""

    def __init__(self, path: Path, turned: Callable[..., Turned]) -> None:
        self.path = path
        self.ours = pair()
        (path / "keys").mkdir()
        write_pair(path / "curve.secret", self.ours)
        self.turned = turned
        self.context = zmq.Context()
        self.peers: list[zmq.Socket[bytes]] = []

    def open(self, more: str = "") -> Turned:
        self.served = self.turned(CONFIG.format(path=self.path) + more)
        return self.served

    def let_in(self, name: str, sources: tuple[str, ...] = ("",), topics: tuple[str, ...] = ("",)) -> Pair:
        made = pair()
        write_grant(self.path / "keys" / f"{name}.toml", Grant(made.public, sources, topics))
        return made

    def peer(self, kind: int, key: Pair | None, server: str = "") -> zmq.Socket[bytes]:
        """A socket of `kind` that shows a key, or none; a SUB when it is to listen."""
        socket = self.context.socket(kind)
        self.peers.append(socket)  # a socket that nobody holds is closed
        socket.setsockopt(zmq.LINGER, 0)
        if key:
            socket.setsockopt(zmq.CURVE_SERVERKEY, (server or self.ours.public).encode())
            socket.setsockopt(zmq.CURVE_PUBLICKEY, key.public.encode())
            socket.setsockopt(zmq.CURVE_SECRETKEY, key.secret.encode())
        socket.connect(self.served.daemon.endpoints[-1 if kind == zmq.SUB else 0])
        return socket

    def received(self) -> float:
        return sum(self.served.daemon.parts.telemetry._values["streamrnn_frames_received_total"].values())

    def count(self, *labels: str) -> float:
        self.served.daemon._chores.do(0.0)
        name = "streamrnn_denied_total" if labels[0] in authentication.DENIALS else "streamrnn_handshakes_total"
        return self.served.value(name, *labels)


@pytest.fixture
def house(tmp_path: Path, turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    import conftest

    text = conftest.CONFIG.replace("ipc://{path}/in", "tcp://127.0.0.1:0").replace("ipc://{path}/out", "tcp://*:0")
    monkeypatch.setattr(conftest, "CONFIG", text)
    made = House(tmp_path, turned)
    yield made
    made.context.destroy(linger=0)


def observation(stream: str, flow: float = 1.0) -> dict[str, Any]:
    return {"stream": stream, "values": {"flow": flow}}


def test_who_has_a_key_comes_in_and_is_answered(house: House) -> None:
    key = house.let_in("all")
    served = house.open()
    listener = house.peer(zmq.SUB, key)
    listener.subscribe(b"prediction/a/")
    served.until(lambda: served.daemon.parts.sockets.subscribed)
    house.peer(zmq.PUSH, key).send_json(observation("a"))
    assert served.received(listener)[0] == "prediction/a/"
    assert house.count("accepted") == 2


def rejected(house: House, why: str) -> zmq.Socket[bytes]:
    """A peer that must not get in, and what is wrong with it."""
    stranger = pair()
    if why == "wrong key":
        return house.peer(zmq.PUSH, stranger)
    if why == "no key":
        return house.peer(zmq.PUSH, None)
    if why == "wrong server key":
        return house.peer(zmq.PUSH, house.good, pair().public)
    if why == "PLAIN":
        socket = house.context.socket(zmq.PUSH)
        house.peers.append(socket)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.PLAIN_USERNAME, house.good.public.encode())
        socket.setsockopt(zmq.PLAIN_PASSWORD, b"x")
        socket.connect(house.served.daemon.endpoints[0])
        return socket
    return house.peer(zmq.PUSH, house.good)


@pytest.mark.parametrize("why", ["wrong key", "no key", "wrong server key", "PLAIN", "handler raises", "handler dead"])
def test_who_may_not_come_in_is_counted_and_nothing_of_it_is_taken(
    house: House, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.good = house.let_in("good")
    monkeypatch.setitem(ports.COMMON, zmq.HANDSHAKE_IVL, 300)
    served = house.open()
    if why == "handler raises":
        monkeypatch.setattr(authentication.Authenticator, "_judge", lambda *_: 1 / 0)
    elif why == "handler dead":
        served.daemon.parts.sockets._poller.unregister(served.daemon.parts.sockets._zap)
        served.daemon.parts.sockets._zap.close()
    rejected(house, why).send_json(observation("a"))
    ends = {"wrong key": "unknown_key", "handler raises": "fault"}
    if why in ends:
        served.until(lambda: house.count(ends[why]))
    served.until(lambda: house.count("accepted") or served.value("streamrnn_peers_disconnected_total", "handshake"))
    assert house.count("accepted") == 0
    assert house.received() == 0
    if why.startswith("handler"):
        return
    house.peer(zmq.PUSH, house.good).send_json(observation("a"))
    served.until(house.received)
    assert house.received() == 1


def test_a_revoked_key_is_cut_off_while_it_talks_and_while_it_listens(house: House) -> None:
    goes, stays = house.let_in("goes"), house.let_in("stays")
    served = house.open()
    talker, listener, other = house.peer(zmq.PUSH, goes), house.peer(zmq.SUB, goes), house.peer(zmq.SUB, stays)
    for each in (listener, other):
        each.subscribe(b"prediction/")
    served.until(lambda: served.daemon.parts.sockets.subscribed == 2)
    talker.send_json(observation("a"))
    assert served.received(listener)[0] == served.received(other)[0] == "prediction/a/"
    (house.path / "keys" / "goes.toml").unlink()
    served.daemon.reload()
    talker.send_json(observation("a"))  # over the open connection, or refused at its next handshake
    served.until(lambda: house.count("unknown_key") >= 2)
    house.peer(zmq.PUSH, stays).send_json(observation("b"))
    assert served.received(other)[0] == "prediction/b/"
    assert house.received() == 2
    assert not listener.poll(0)


def test_keys_that_everybody_may_add_to_are_refused(house: House) -> None:
    house.let_in("key")
    (house.path / "keys").chmod(0o777)
    with pytest.raises(ConfigError, match="everybody may put keys"):
        house.open()


def test_a_connection_of_a_revoked_key_that_never_said_anything_is_ended_too(house: House) -> None:
    goes = house.let_in("goes")
    served = house.open()
    silent = house.peer(zmq.PUSH, goes)
    served.until(lambda: house.count("accepted"))
    served.until(lambda: served.daemon.parts.sockets.ports[0].peers.greeted == 1)
    (house.path / "keys" / "goes.toml").unlink()
    served.daemon.reload()
    served.until(lambda: served.daemon.parts.sockets.ports[0].peers.greeted == 0)
    silent.close()


def test_a_message_of_a_revoked_key_that_is_on_its_way_is_dropped_and_counted(house: House) -> None:
    key = house.let_in("key")
    served = house.open()
    talker = house.peer(zmq.PUSH, key)
    talker.send_json(observation("a"))
    served.until(house.received)
    for _ in range(3):
        talker.send_json(observation("a"))
    assert served.daemon.parts.sockets.ports[0].socket.poll(10_000)
    served.daemon.parts.authenticator.change_grants({})
    served.until(lambda: house.count("message"))
    assert house.count("message") <= 3
    assert house.received() == 1


def test_a_key_sends_its_own_streams_alone(house: House) -> None:
    served_key = house.let_in("pump", sources=("pump-",))
    served = house.open()
    push = house.peer(zmq.PUSH, served_key)
    push.send_json(observation("pump-1"))
    push.send_json([observation("pump-2"), observation("other")])
    push.send_json(observation("other"))
    served.until(lambda: house.received() == 3)
    assert served.daemon.parts.engine.names == ["pump-1"]
    assert served.value("streamrnn_observations_refused_total", "denied") == 3


def test_a_key_hears_its_own_topics_alone_and_not_too_many(house: House) -> None:
    key = house.let_in("pump", topics=("prediction/pump-", "status/"))
    served = house.open("[limits]\nmax_subscriptions = 2\n")
    listener = house.peer(zmq.SUB, key)
    for topic in (b"prediction/", b"prediction/other/", b"", b"\xff", b"prediction/pump-1/", b"status/", b"status/x"):
        listener.subscribe(topic)
    served.until(lambda: house.count("too_many_subscriptions"))
    assert house.count("subscription") == 4
    assert served.daemon.parts.sockets.subscribed == 2
    listener.unsubscribe(b"status/")
    listener.subscribe(b"prediction/pump-2/")
    served.until(lambda: served.daemon.parts.sockets.subscribed == 3)


def test_there_are_only_so_many_connections(house: House) -> None:
    key = house.let_in("key")
    served = house.open("[limits]\nmax_connections = 2\n")
    first, second = house.peer(zmq.PUSH, key), house.peer(zmq.PUSH, key)
    first.send_json(observation("a"))
    served.until(house.received)
    second.send_json(observation("a"))
    served.until(lambda: house.received() == 2)
    served.until(served.daemon.parts.sockets._full)
    third = house.peer(zmq.PUSH, key)
    third.send_json(observation("a"))
    served.until(lambda: house.count("full"))
    assert house.received() == 2
    first.close(0)
    served.until(lambda: house.received() == 3)  # there is room again


def test_new_streams_of_a_key_come_in_at_a_rate(house: House) -> None:
    key = house.let_in("key")
    served = house.open("[limits]\nnew_streams_per_second = 1e-6\n")
    push = house.peer(zmq.PUSH, key)
    served.daemon.parts.rate_limiter._buckets[key.public] = (1.0, 0.0)
    push.send_json([observation("a"), observation("b")])
    push.send_json([observation("a"), observation("c")])
    push.send_json(observation("a"))
    served.until(lambda: house.received() == 3)
    assert served.daemon.parts.engine.names == ["a", "b"]
    assert served.value("streamrnn_observations_refused_total", "new_streams") == 2
    assert served.value("streamrnn_observations_applied_total") == 3


@pytest.mark.parametrize("fault", ["missing", "garbage", "twice"])
def test_keys_that_cannot_be_read_stop_a_start_and_refuse_a_reload(house: House, fault: str) -> None:
    key = house.let_in("key")
    served = house.open()
    keys = house.path / "keys"
    if fault == "missing":
        keys.rename(house.path / "elsewhere")
    elif fault == "garbage":
        (keys / "bad.toml").write_text("public = 7")
    else:
        write_grant(keys / "again.toml", Grant(key.public))
    served.daemon.reload()
    assert served.value("streamrnn_config_reloads_total", "refused") == 1
    house.peer(zmq.PUSH, key).send_json(observation("a"))
    served.until(house.received)
    with pytest.raises(ConfigError, match=str(keys)):
        authentication.authenticator(schema.load(served.file))


def test_security_is_not_switched_by_a_reload(house: House) -> None:
    served = house.open()
    served.file.write_text(served.file.read_text().split("[security]")[0].replace("*:0", "127.0.0.1:0"))
    served.daemon.reload()
    assert served.value("streamrnn_config_reloads_total", "refused") == 1


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "curve.secret"
    write_pair(path, made := pair())
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_pair(path) == made
    path.chmod(mode)
    with pytest.raises(ConfigError, match="can be read by others"):
        read_pair(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_pair(path) == made


def test_grants_are_read_as_they_were_written(tmp_path: Path) -> None:
    grant = Grant(pair().public, ("pump-", 'odd "name"\n'), ("",))
    write_grant(tmp_path / "x.toml", grant)
    (tmp_path / "notes.txt").write_text("not a key")
    assert read_grants(tmp_path) == {grant.public: grant}


def test_a_socket_in_the_file_system_is_for_owner_and_group(turned: Callable[..., Turned], tmp_path: Path) -> None:
    turned()
    assert (tmp_path / "in").stat().st_mode & 0o777 == 0o660
    assert os.umask(0o022) is not None


def test_a_path_that_somebody_listens_on_is_not_taken(turned: Callable[..., Turned], tmp_path: Path) -> None:
    with plain.socket(plain.AF_UNIX) as other:
        other.bind(str(tmp_path / "in"))
        other.listen()
        with pytest.raises(Exception, match="in use"):
            turned()


def test_a_directory_that_everybody_may_write_is_no_place_for_a_socket(
    turned: Callable[..., Turned], tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="can be written by everybody"):
        turned()


def test_an_old_libzmq_is_refused(turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq, "zmq_version_info", lambda: (4, 3, 2))
    with pytest.raises(ConfigError, match="not safe"):
        turned()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_who_has_no_key_cannot_fill_the_memory(house: House) -> None:
    """Raw peers that greet as NULL, or not at all: an endless message, empty frames, a length of 2^40, garbage."""
    house.good = house.let_in("good")
    served = house.open()
    address = served.daemon.endpoints[0].removeprefix("tcp://").split(":")
    chance = random.Random(1)
    floods = [b"\x03" + (60_000).to_bytes(8, "big") + bytes(60_000), b"\x01\x00" * 30_000, b"\x02" + b"\xff" * 9]
    before = resident()
    for flood in [*(greeting("PUSH") + each for each in floods), *(chance.randbytes(60_000) for _ in range(50))]:
        with plain.create_connection((address[0], int(address[1])), timeout=5) as raw:
            deadline = time.monotonic() + PATIENCE
            while True:
                assert time.monotonic() < deadline, "it takes a flood for ever"
                try:
                    raw.sendall(flood)
                except OSError:  # cut off, as it should be
                    break
                served.daemon.turn(0.0)
    assert house.received() == 0
    assert resident() - before < 16 * 1024 * 1024
    house.peer(zmq.PUSH, house.good).send_json(observation("a"))
    served.until(house.received)
    served.until(lambda: served.value("streamrnn_peers_disconnected_total", "handshake") >= 1)


def test_a_thousand_unknown_keys_keep_nobody_else_out(house: House) -> None:
    house.good = house.let_in("good")
    served = house.open()
    steady = house.peer(zmq.PUSH, house.good)
    listener = house.peer(zmq.SUB, house.good)
    listener.subscribe(b"prediction/a/")
    served.until(lambda: served.daemon.parts.sockets.subscribed)
    for k in range(20):
        strangers = [house.peer(zmq.PUSH, pair()) for _ in range(50)]
        steady.send_json(observation("a", float(k)))
        assert served.received(listener)[0] == "prediction/a/"
        served.until(lambda k=k: house.count("unknown_key") >= 50 * (k + 1))
        for each in strangers:
            each.close()
    assert house.count("unknown_key") == 1000
    assert house.count("accepted") == 2
    assert house.received() == 20


def test_a_flood_of_subscriptions_is_capped(house: House) -> None:
    key = house.let_in("key")
    served = house.open("[limits]\nmax_subscriptions = 100\n")
    listener = house.peer(zmq.SUB, key)
    for k in range(900):
        listener.subscribe(f"prediction/{k}/")
    served.until(lambda: house.count("too_many_subscriptions") == 800)
    assert served.daemon.parts.sockets.subscribed == 100


@pytest.mark.parametrize("size", [600, 1_000_000])
def test_a_topic_that_is_too_long_cuts(turned: Callable[..., Turned], tmp_path: Path, size: int) -> None:
    """Raw, as libzmq's own SUB keeps its topics in a tree as deep as they are long: its end overflows the stack."""
    served = turned()
    with plain.socket(plain.AF_UNIX) as raw:
        raw.connect(str(tmp_path / "out"))
        raw.sendall(greeting("SUB"))
        served.until(lambda: served.daemon.parts.sockets.ports[-1].peers.greeted)
        raw.sendall(b"\x02" + (size + 1).to_bytes(8, "big") + b"\x01" + b"x" * 500)
        served.until(lambda: served.value("streamrnn_peers_disconnected_total", "cut"))
    assert served.daemon.parts.sockets.subscribed == 0


@pytest.mark.parametrize("count", [40_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_invented_names_without_end_are_refused_and_known_streams_are_served(house: House, count: int) -> None:
    """At a rate that admits none: memory stays, and the known stream is answered."""
    key, own = house.let_in("flood"), house.let_in("own")
    served = house.open("[limits]\nnew_streams_per_second = 1.0\nmax_streams = 100\ndead_letters_per_second = 0\n")
    house.peer(zmq.PUSH, own).send_json(observation("known"))
    served.until(house.received)
    flood, listener = house.peer(zmq.PUSH, key), house.peer(zmq.SUB, own)
    listener.subscribe(b"prediction/known/")
    served.until(lambda: served.daemon.parts.sockets.subscribed)
    before, push = resident(), house.peers[0]
    for start in range(0, count, 400):
        flood.send_json([observation(f"{start}-{k}") for k in range(400)])
        push.send_json(observation("known"))
        served.received(listener)
    served.until(lambda: house.received() == count / 200 + 1)
    assert len(served.daemon.parts.engine.names) <= 100
    assert served.value("streamrnn_observations_refused_total", "new_streams") > count - 2000
    assert resident() - before < 16 * 1024 * 1024
