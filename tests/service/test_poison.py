"""Frames that end the process, and runs there was no room for: what a replay makes of them."""

import faulthandler
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import conftest
import fake
import pytest
from conftest import Turned

from streamrnn.errors import StorageError
from streamrnn.service.recovery import poison
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.journal import COMMAND, POISON, REFUSED
from streamrnn.wire import Frame

Make = Callable[..., Turned]


def crash() -> None:
    faulthandler.disable()  # pytest's own would print all of its stack
    os.kill(os.getpid(), signal.SIGSEGV)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raised() -> None:
    raise ValueError


def starved() -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("work", "well"), [(lambda: None, True), (crash, False), (raised, False), (killed, True), (starved, True)]
)
def test_only_an_end_of_its_own_making_speaks_against_a_frame(work: Callable[[], None], well: bool) -> None:
    assert poison.survives(work) is well


@pytest.mark.parametrize("bad", [[], [0], [15], [3, 4], [0, 7, 15], list(range(16))])
def test_halving_finds_exactly_the_bad_ones(bad: list[int]) -> None:
    def attempt(pairs: Sequence[poison.Pair]) -> None:
        if any(lsn in bad for lsn, _ in pairs):
            crash()

    pairs = [(lsn, Frame(0, 0.0, b"", b"")) for lsn in range(16)]
    assert sorted(poison.sift(pairs, attempt)) == bad


@pytest.mark.parametrize("flow", [-999.0, -998.0])
def test_a_frame_that_ends_the_process_is_passed_over_and_told(turned: Make, flow: float) -> None:
    one = turned()
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    journal = one.daemon.parts.journal
    body = json.dumps({"stream": "a", "values": {"flow": flow}}).encode()
    journal.append([Frame(0, 5.0, b"", body)], journal.last)  # as a run that then ended leaves it
    good = json.dumps({"stream": "a", "values": {"flow": 2.0}}).encode()
    journal.append([Frame(0, 6.0, b"", good)], journal.last)
    with one.daemon.parts.store.writing() as connection:  # and a start after it
        connection.execute("INSERT INTO meta VALUES (?, 'yes')", (poison._KEY,))
    one.kill()
    one.start()
    assert one.daemon.parts.engine.outlook("a").seq[0] == 2
    assert one.value("streamrnn_observations_refused_total", "poison") == 1
    assert one.value("streamrnn_messages_published_total", "deadletter") == 1
    kept = {lsn: frame.origin for part in one.daemon.parts.journal.replay(0) for lsn, frame in part}
    assert kept == {1: 0, 2: POISON, 3: 0}
    assert poison._KEY not in one.daemon.parts.store.about()
    one.kill()
    one.start()  # an ordinary replay passes over it too
    assert one.daemon.parts.engine.outlook("a").seq[0] == 2
    assert one.value("streamrnn_observations_refused_total", "poison") == 0


def test_a_damaged_row_is_at_fault_and_no_frame_that_met_it(turned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = turned("checkpoint = 3600.0\n")
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    parts = one.daemon.parts
    parts.engine._state["a"]["seq"] = 1e6  # what ends the process, and stands under a good checksum
    parts.checkpoint.finish(parts.engine, parts.journal.last)
    for k in range(20):
        body = json.dumps({"stream": "a", "values": {"flow": float(k)}}).encode()
        parts.journal.append([Frame(0, 5.0 + k, b"", body)], parts.journal.last)
    with parts.store.writing() as connection:
        connection.execute("INSERT INTO meta VALUES (?, 'yes')", (poison._KEY,))
    one.kill()
    step = fake.Engine.step

    def steps(self: fake.Engine, batch: Any, rows: Any) -> Any:
        if any(self._state[name]["seq"] >= 1e6 for name in batch.names):
            crash()
        return step(self, batch, rows)

    monkeypatch.setattr(fake.Engine, "step", steps)
    one.start()
    kept = [frame.origin for part in one.daemon.parts.journal.replay(0) for _, frame in part]
    assert POISON not in kept
    assert one.daemon.parts.engine.outlook("a").seq[0] == 20


def test_who_is_held_and_ends_the_process_is_found_and_not_who_lets_go(
    turned: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "CONFIG", conftest.CONFIG.replace("[[input]]", "lateness = 10.0\n[[input]]", 1))
    one = turned()
    one.send(0.5, time=99.0)
    one.until(lambda: one.daemon.parts.reorder.held)
    journal = one.daemon.parts.journal
    one.daemon.parts.checkpoint.finish(one.daemon.parts.engine, journal.last)  # stored as held: a trial begins with it
    for at, flow in ((100.0, 1.0), (101.0, -999.0), (105.0, 2.0), (130.0, 3.0)):
        body = json.dumps({"stream": "a", "time": at, "values": {"flow": flow}}).encode()
        journal.append([Frame(0, at, b"", body)], journal.last)
    with one.daemon.parts.store.writing() as connection:
        connection.execute("INSERT INTO meta VALUES (?, 'yes')", (poison._KEY,))
    one.kill()
    one.start()
    kept = {lsn: frame.origin for part in one.daemon.parts.journal.replay(0) for lsn, frame in part}
    assert kept == {2: 0, 3: POISON, 4: 0, 5: 0}
    assert one.daemon.parts.engine.outlook("a").seq[0] == 3
    assert one.daemon.parts.reorder.held == 1


RESTING = "[limits]\nmax_streams = 6\nresident_streams = 2\nmax_observations = 2\n"


def left_behind(one: Turned, frames: Sequence[Sequence[tuple[str, float]]]) -> int:
    """Journal frames as a run that then ended leaves them, and a start after it; the lsn of the first. Then start."""
    journal = one.daemon.parts.journal
    bodies = [json.dumps([{"stream": name, "values": {"flow": flow}} for name, flow in frame]) for frame in frames]
    lsns = journal.append([Frame(0, 5.0, b"", body.encode()) for body in bodies], journal.last)
    with one.daemon.parts.store.writing() as connection:
        connection.execute("INSERT INTO meta VALUES (?, 'yes')", (poison._KEY,))
    one.kill()
    one.start()
    return lsns[0]


def known(one: Turned) -> dict[str, tuple[float, float]]:
    """The number and the value of the last observation of each stream, wherever it is."""
    found = {}
    for name in one.daemon.parts.streams.names():
        resting = one.daemon.parts.checkpoint.fetch(name) if name else None
        if one.daemon.parts.engine.known(name):
            found[name] = one.daemon.parts.engine._state[name]
        elif resting:
            found[name] = json.loads(resting.blob)
    return {name: (state["seq"], state["flow"]) for name, state in found.items()}


@pytest.mark.parametrize("portion", [1, 100, 1_000_000])
@pytest.mark.parametrize("flow", [-999.0, -998.0])
def test_it_is_found_while_streams_rest(
    turned: Make, monkeypatch: pytest.MonkeyPatch, flow: float, portion: int
) -> None:
    """The streams before and behind it come and go in the trial too, each with what it had learned."""
    monkeypatch.setattr(poison, "TRIED_BYTES", portion)
    one = turned(RESTING)
    one.peers.push.send_json([{"stream": "a", "values": {"flow": 1.0}}, {"stream": "b", "values": {"flow": 1.0}}])
    one.peers.push.send_json([{"stream": "c", "values": {"flow": 1.0}}, {"stream": "d", "values": {"flow": 1.0}}])
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 4)
    good = [[("a", 2.0), ("c", 2.0)], [("b", 2.0)], [("e", 2.0), ("a", 3.0)], [("d", 2.0)], [("c", 3.0), ("b", 3.0)]]
    first = left_behind(one, [*good[:3], [("a", 4.0), ("d", flow)], *good[3:], [("e", flow)], [("a", 5.0)]])
    kept = {lsn: frame.origin for part in one.daemon.parts.journal.replay(0) for lsn, frame in part}
    assert [lsn for lsn in kept if kept[lsn] == POISON] == [first + 3, first + 6]
    expected = {"a": (4, 5.0), "b": (3, 3.0), "c": (3, 3.0), "d": (2, 2.0), "e": (1, 2.0)}
    assert known(one) == expected
    assert one.value("streamrnn_observations_refused_total", "poison") == 3
    one.kill()
    one.start()
    assert known(one) == expected


def test_a_store_that_cannot_be_read_is_no_fault_of_a_frame(turned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> None:
        raise StorageError("the disk is broken")

    one = turned(RESTING)
    for name in "abcd":
        one.peers.push.send_json({"stream": name, "values": {"flow": 1.0}})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 4)
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(Checkpoint, "fetch", unreadable)
        left_behind(one, [[(name, 2.0)] for name in "abcd"])
    one.start()
    assert known(one) == dict.fromkeys("abcd", (2, 2.0))
    assert one.value("streamrnn_observations_refused_total", "poison") == 0


def test_a_mark_without_a_cause_changes_nothing(turned: Make) -> None:
    """As after a start that was killed while it replayed."""
    one = turned()
    for k in range(20):
        one.send(float(k))
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 20)
    with one.daemon.parts.store.writing() as connection:
        connection.execute("INSERT INTO meta VALUES (?, 'yes')", (poison._KEY,))
    one.kill()
    one.start()
    assert one.daemon.parts.engine.outlook("a").seq[0] == 20
    assert one.value("streamrnn_replayed_observations_total") == 20


def test_what_there_was_no_room_for_is_not_let_in_by_a_replay(turned: Make) -> None:
    one = turned("[limits]\nmax_streams = 2\n")
    many = [{"stream": name, "values": {"flow": 1.0}} for name in ("a", "b", "c", "a", "d", "b")]
    one.peers.push.send_json(many)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 4)
    assert one.value("streamrnn_observations_refused_total", "capacity") == 2
    ((_, note), (_, frame)) = [pair for part in one.daemon.parts.journal.replay(0) for pair in part]
    assert (note.origin, note.topic, json.loads(note.body)) == (COMMAND, REFUSED, [2, 4])
    assert json.loads(frame.body) == many
    one.file.write_text(one.file.read_text().replace("max_streams = 2", "max_streams = 9"))
    one.kill()
    one.start()  # now there is room
    assert one.daemon.parts.engine.names == ["a", "b"]
    assert one.daemon.parts.engine.outlook("b").seq[0] == 2


def test_a_frame_of_which_nothing_is_let_in_is_not_journaled(turned: Make) -> None:
    one = turned("[limits]\nmax_streams = 1\n")
    one.send(1.0)
    one.peers.push.send_json([{"stream": "b", "values": {"flow": 1.0}}, {"stream": "c", "values": {"flow": 1.0}}])
    one.until(lambda: one.value("streamrnn_observations_refused_total", "capacity") == 2)
    assert [lsn for part in one.daemon.parts.journal.replay(0) for lsn, _ in part] == [1]


def test_a_forgotten_stream_is_stored_before_the_one_that_has_its_room(turned: Make, tmp_path: Path) -> None:
    """Else a crash between the two leaves more streams on the disk than there is room for."""
    one = turned("[limits]\nmax_streams = 1\n")
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    one.daemon.parts.checkpoint.finish(one.daemon.parts.engine, one.daemon.parts.journal.last)
    one.daemon.parts.commands.order("forget", "a")
    one.peers.push.send_json({"stream": "b", "values": {"flow": 1.0}})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 2)
    assert one.daemon.parts.checkpoint.write(
        one.daemon.parts.engine, one.daemon.parts.journal.last, 1
    )  # the first row alone
    one.kill()
    one.start()
    assert [name for name in one.daemon.parts.engine.names if name] == ["b"]


def test_a_round_of_a_checkpoint_counts_only_what_it_covers(turned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = turned()
    daemon = one.daemon
    rounds = iter([True, True, False])
    monkeypatch.setattr(daemon.parts.checkpoint, "write", lambda *_: next(rounds))
    daemon.parts.schedule.work = 2.0
    for _ in range(3):
        daemon._chores._save(0.0)
        daemon.parts.schedule.work += 1.0
    assert daemon.parts.schedule.work == pytest.approx(3.0)


def test_a_checkpoint_makes_way_for_messages_that_wait(turned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one, written = turned(), []
    daemon = one.daemon
    monkeypatch.setattr(daemon.parts.checkpoint, "write", lambda *_: written.append(1) or time.sleep(0.02) or True)
    daemon.parts.schedule.round = True
    daemon._chores.tend(1)
    assert (len(written), daemon.parts.schedule.next_part > time.monotonic() + 0.04) == (1, True)
    daemon._chores.tend(1)
    assert len(written) == 1
    daemon._chores.tend(0)  # nobody waits
    assert len(written) == 2
    daemon.parts.schedule.next_part = 0.0
    daemon._chores.tend(1)
    assert len(written) == 3
    daemon.parts.schedule.round = False
