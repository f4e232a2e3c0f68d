"""What an operator asks of a running daemon, and that a recovery repeats it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq
from conftest import Turned

from streamrnn.service import inspect
from streamrnn.service.storage.store import FILE
from streamrnn.service.streams import idle

Make = Callable[..., Turned]
SLOW = "checkpoint = 3600.0\n"  # in [state]


def ask(one: Turned, **request: str) -> dict[str, Any]:
    return raw(one, json.dumps(request).encode())


def raw(one: Turned, request: bytes) -> dict[str, Any]:
    socket = one.peers.context.socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(f"ipc://{one.path}/state/control")
    socket.send(request)
    one.until(lambda: socket.poll(0))
    return json.loads(socket.recv())


def fed(one: Turned, *names: str) -> None:
    before = one.value("streamrnn_observations_applied_total")
    for name in names:
        one.peers.push.send_json({"stream": name, "values": {"flow": 1.0}})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == before + len(names))


def seqs(one: Turned) -> dict[str, float]:
    return {name: state["seq"] for name, state in one.daemon.parts.engine._state.items()}


def test_status(turned: Make) -> None:
    one = turned(SLOW)
    fed(one, "a", "b")
    said = ask(one, command="status")
    assert said["ok"]
    assert (said["streams"], said["lsn"], said["ready"], said["durability"]) == (2, 2, True, "commit")
    assert said["endpoints"] == one.daemon.endpoints


@pytest.mark.parametrize("request_", [b"", b"{}", b"[1]", b'{"command": "dance"}', b'{"command": "forget"}', b"\xff"])
def test_what_is_no_request_is_told(turned: Make, request_: bytes) -> None:
    one = turned()
    said = raw(one, request_)
    assert (said["ok"], said["exit_code"]) == (False, 1)
    assert "forget" in said["hint"]
    assert ask(one, command="status")["ok"]


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("kind", ["forget", "reset"])
def test_an_order_is_repeated_by_a_recovery(turned: Make, kind: str, checkpoint: bool) -> None:
    one = turned(SLOW)
    fed(one, "a", "a", "b")
    if checkpoint:
        one.daemon.parts.checkpoint.finish(one.daemon.parts.engine, one.daemon.parts.journal.last)
    assert ask(one, command=kind, stream="a")["lsn"] == 4
    assert seqs(one) == ({"b": 1} if kind == "forget" else {"a": 0, "b": 1})
    fed(one, "c", "b")
    before = seqs(one)
    one.kill()
    one.start()
    assert seqs(one) == before
    fed(one, "a")
    before = seqs(one)
    assert before["a"] == 1
    one.kill()
    one.start()
    assert seqs(one) == before
    one.stop()
    one.start()
    assert seqs(one) == before
    names = {line["stream"] for line in dumped(one) if "stream" in line}
    assert names == {"a", "b", "c"}


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("durability", ["commit", "interval", "off"])
def test_a_recovery_learns_what_came_before_and_after_it_was_frozen(
    turned: Make, durability: str, checkpoint: bool
) -> None:
    one = turned(SLOW + f'durability = "{durability}"\n')
    fed(one, "a", "a")
    assert ask(one, command="freeze")["frozen"]
    fed(one, "a", "b", "a")
    assert seqs(one) == {"a": 2, "b": 0}
    assert ask(one, command="status")["frozen"]
    assert one.value("streamrnn_observations_frozen_total") == 3
    if checkpoint or durability == "off":
        one.daemon.parts.checkpoint.finish(one.daemon.parts.engine, one.daemon.parts.journal.last)
    if durability != "off":
        assert not ask(one, command="unfreeze")["frozen"]
        fed(one, "a")
        ask(one, command="freeze")
        fed(one, "b")
    one.daemon.parts.journal.mark(one.daemon.parts.publisher.lsn)
    before = seqs(one)
    one.kill()
    one.start()
    assert seqs(one) == before == {"a": 2 if durability == "off" else 3, "b": 0}
    assert ask(one, command="status")["frozen"]
    fed(one, "a", "b")
    assert seqs(one) == before
    ask(one, command="unfreeze")
    fed(one, "b")
    one.stop()
    one.start()
    assert seqs(one) == before | {"b": 1}
    assert not ask(one, command="status")["frozen"]


def dumped(one: Turned) -> list[dict[str, Any]]:
    one.stop()
    with inspect.opened(one.path / "state") as store:
        return list(inspect.dump(store))


def test_forgetting_makes_room_and_topics_begin_anew(turned: Make) -> None:
    one = turned("[limits]\nmax_streams = 2\n")
    subscriber = one.subscribed(b"prediction/")
    fed(one, "a", "a", "b")
    ask(one, command="forget", stream="a")
    fed(one, "c", "c", "c")
    heard = [one.received(subscriber) for _ in range(6)]
    assert [(topic, body["topic_seq"]) for topic, body in heard[3:]] == [("prediction/c/", n) for n in (1, 2, 3)]
    said = ask(one, command="forget", stream="a")
    assert (said["ok"], said["error"]) == (False, "no stream 'a' is known")
    assert one.value("streamrnn_streams_forgotten_total", "ordered") == 1


@pytest.mark.parametrize("end", ["stop", "kill", "kill with a checkpoint"])
def test_topics_are_numbered_on_over_a_restart(turned: Make, end: str) -> None:
    one = turned(SLOW)
    fed(one, "a", "b", "a")
    if end == "kill with a checkpoint":
        one.daemon.parts.checkpoint.write(one.daemon.parts.engine, one.daemon.parts.journal.last, limit_bytes=1)
    fed(one, "a")
    (one.stop if end == "stop" else one.kill)()
    one.start()
    subscriber = one.subscribed(b"prediction/a/")
    assert one.received(subscriber)[1]["topic_seq"] == 3  # the retained one
    fed(one, "a")
    assert one.received(subscriber)[1]["topic_seq"] == 4


def test_silent_streams_are_forgotten_and_stay_so(turned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = turned(f"{SLOW}retention = 1000.0\n")
    fed(one, "a", "b")
    one.daemon.parts.streams._idle._heard[0] -= 2000.0
    one.until(lambda: seqs(one) == {"b": 1})
    assert one.value("streamrnn_streams_forgotten_total", "idle") == 1
    one.kill()
    one.start()
    assert seqs(one) == {"b": 1}


@pytest.mark.parametrize("step", [86_400.0, -3600.0])
def test_a_clock_that_is_set_makes_nobody_silent_or_old(
    turned: Make, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    one = turned(f"{SLOW}retention = 1000.0\n")
    fed(one, "a", "b")
    before = time.time
    monkeypatch.setattr(time, "time", lambda: before() + step)
    fed(one, "a")
    for _ in range(3):
        one.daemon._chores.do(time.monotonic())
    assert seqs(one) == {"a": 2, "b": 1}
    assert one.value("streamrnn_streams_forgotten_total", "idle") == 0
    assert one.daemon.parts.telemetry._latency.sum >= 0.0
    one.kill()
    one.start()
    assert seqs(one) == {"a": 2, "b": 1}


def test_a_round_forgets_a_bounded_number() -> None:
    names = [f"s{n}" for n in range(300)]
    watch = idle.Idle(300, 0.0)
    assert watch.over(["", *names[1:]], 10.0, 100.0) == names[1 : 1 + idle.MOST]
    watch.hear([5], 95.0)
    assert "s5" not in watch.over(names, 10.0, 100.0)


def test_a_backup_is_where_the_daemon_was(turned: Make, tmp_path: Path) -> None:
    one = turned(SLOW)
    fed(one, "a", "b", "a")
    copy = tmp_path / "copy.sqlite"
    assert ask(one, command="backup", path=str(copy))["bytes"] == copy.stat().st_size
    assert copy.stat().st_mode & 0o777 == 0o600
    assert "exists" in ask(one, command="backup", path=str(copy))["error"]
    assert not ask(one, command="backup", path=str(tmp_path / "no" / "x"))["ok"]
    fed(one, "a")
    one.kill()
    for file in (one.path / "state").iterdir():
        file.unlink()
    copy.rename(one.path / "state" / FILE)
    one.start()
    assert seqs(one) == {"a": 2, "b": 1}
    fed(one, "a")


def test_a_changed_file_is_judged_before_it_is_applied(turned: Make) -> None:
    one = turned(SLOW)
    fed(one, "a")
    text = one.file.read_text()
    one.file.write_text(text.replace("[state]", '[state]\ndurability = "interval"').replace("/in", "/in2"))
    said = ask(one, command="reload", dry_run="yes")
    assert said["at_next_start"] == ["state.durability"]
    assert (said["opens"], said["closes"]) == ([f"ipc://{one.path}/in2"], [f"ipc://{one.path}/in"])
    assert (said["keeps"], said["drops"]) == (4, [])
    assert one.daemon.parts.config.state.durability == "commit"
    one.file.write_text(text.replace('"flow"', "7"))
    assert ask(one, command="reload", dry_run="yes")["exit_code"] == 78
    one.file.write_text(text + "[limits]\nmax_batch = 7\n")
    assert ask(one, command="reload")["ok"]
    assert one.daemon._reload


def test_all_that_fall_silent_together_are_forgotten_in_one_transaction(turned: Make) -> None:
    one = turned("retention = 1000.0\n" + SLOW)
    fed(one, *(f"s{k}" for k in range(20)))
    one.daemon.parts.streams._idle._heard[:] -= 2000.0
    before = one.daemon.parts.store.generation[0]
    one.daemon.parts.commands.forget_idle()
    assert len(one.daemon.parts.streams) == 0
    assert one.daemon.parts.store.generation[0] == before + 1
