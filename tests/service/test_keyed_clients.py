"""Our own clients at guarded authenticator: a producer at a `router`, a subscriber that catches up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zmq
from conftest import Turned

from streamrnn.client import Keys, Producer, ProducerError, Subscriber
from streamrnn.config.keys import Grant, Pair, write_grant, write_pair
from streamrnn.errors import ConfigError

SECURITY = '[security]\nkeys = "{path}/keys"\nsecret = "{path}/curve.secret"\n'


def pair() -> Pair:
    return Pair(*(half.decode() for half in zmq.curve_keypair()))


@pytest.fixture
def served(tmp_path: Path, turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch) -> Turned:
    """A daemon with one key for pumps (`pump.secret`), one that nobody knows (`stranger.secret`), all over TCP."""
    import conftest

    text = conftest.CONFIG.replace('endpoint = "ipc://{path}/in"', 'kind = "router"\nendpoint = "tcp://127.0.0.1:0"')
    text = text.replace('"ipc://{path}/out"', '"tcp://*:0"\ncatchup = "tcp://127.0.0.1:0"')
    monkeypatch.setattr(conftest, "CONFIG", text)
    ours, pump = pair(), pair()
    (tmp_path / "keys").mkdir()
    write_pair(tmp_path / "curve.secret", ours)
    write_pair(tmp_path / "pump.secret", pump)
    write_pair(tmp_path / "stranger.secret", pair())
    grant = Grant(pump.public, ("pump-",), ("prediction/pump-", "status/"))
    write_grant(tmp_path / "keys" / "pump.toml", grant)
    (tmp_path / "server").write_text(ours.public)
    return turned(SECURITY.format(path=tmp_path))


def beside(served: Turned, work: Callable[[], Any]) -> Any:
    """What `work` returns, done in another thread while the daemon turns."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(work)
        served.until(future.done)
        return future.result()


def test_a_producer_with_a_key_sends_its_own_streams(served: Turned, tmp_path: Path) -> None:
    keys = Keys((tmp_path / "server").read_text(), tmp_path / "pump.secret")

    def send() -> tuple[int, list[tuple[int, str]]]:
        with Producer(served.daemon.endpoints[0], "gateway", keys=keys, patience=9.0) as producer:
            producer.send({"stream": "pump-1", "values": {"flow": 1.0}})
            producer.send({"stream": "other", "values": {"flow": 1.0}})
            producer.send({"stream": "pump-1", "values": {"flow": 2.0}})
        return producer.accepted, [(each.seq, each.code) for each in producer.refused]

    assert beside(served, send) == (3, [(2, "denied")])
    assert served.daemon.parts.engine.names == ["pump-1"]
    assert served.daemon.parts.producers.marks()[0][1:] == ("gateway", served.daemon.parts.producers.marks()[0][2], 3)


@pytest.mark.parametrize("who", ["stranger", "nobody"])
def test_who_has_no_key_that_is_known_is_not_answered(served: Turned, tmp_path: Path, who: str) -> None:
    keys = Keys((tmp_path / "server").read_text(), tmp_path / f"{who}.secret") if who == "stranger" else None

    def send() -> None:
        with pytest.raises(ProducerError, match="no daemon answers"):
            Producer(served.daemon.endpoints[0], "gateway", keys=keys, patience=0.3)

    beside(served, send)
    assert not served.daemon.parts.producers.marks()


def test_a_subscriber_catches_up_with_what_its_key_may_hear(served: Turned, tmp_path: Path) -> None:
    keys = Keys((tmp_path / "server").read_text(), tmp_path / "pump.secret")
    endpoints = served.daemon.endpoints[1].replace("0.0.0.0", "127.0.0.1"), served.daemon.started.catchup
    with Subscriber(endpoints[0], "prediction/pump-", catchup=endpoints[1], keys=keys) as one:
        send = lambda: [producer.send({"stream": "pump-1", "values": {"flow": float(k)}}) for k in range(3)]  # noqa: E731
        with ThreadPoolExecutor(1) as thread:
            future = thread.submit(Producer, served.daemon.endpoints[0], "gateway", keys=keys)
            served.until(future.done)
            producer = future.result()
        assert beside(served, lambda: one.receive(0.3)) is None
        beside(served, lambda: (send(), producer.close()))
        got = beside(served, lambda: [one.receive(9.0) for _ in range(3)])
        assert [message.fields["topic_seq"] for message in got] == [1, 2, 3]
        assert beside(served, lambda: one._ask(snapshot="prediction/pump-"))[0]["at"] == {"prediction/pump-1/": 3}
        assert beside(served, lambda: one._ask(snapshot="prediction/")) is None
        assert beside(served, lambda: one._ask(replay="anomaly/pump-1/")) is None
        assert one.counts["refused"] == 2


def test_a_key_file_that_is_none_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the key"):
        Producer("tcp://127.0.0.1:1", "gateway", keys=Keys("x" * 40, tmp_path / "missing"))
