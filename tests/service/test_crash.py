"""Wherever the daemon is stopped, stored rows and replay give the state of one that never was."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ledger
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger import STREAMS, Daemon, Engine, Values, running, start, uninterrupted

from streamrnn.errors import SnapshotError, StorageError
from streamrnn.service.storage import journal as journal_module
from streamrnn.service.storage.store import FILE, Store


class Killer:
    """Copies the files of a store just before its statement number `after`: what a kill at that point leaves."""

    def __init__(self, store: Store, copy: Path, after: int) -> None:
        self.store, self.copy, self.left = store, copy, after
        store.connection.set_trace_callback(self.statement)

    def statement(self, _: str) -> None:
        if self.left == 0:
            shutil.copytree(self.store.path, self.copy)
        self.left -= 1

    def stop(self) -> None:
        """The kill, if it has not come yet."""
        self.store.connection.set_trace_callback(None)
        if self.left >= 0:
            shutil.copytree(self.store.path, self.copy)


batches = st.lists(st.lists(st.sampled_from(STREAMS), max_size=4), min_size=1, max_size=4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), batches),
        st.tuples(st.just("write"), st.sampled_from([1, 40, 10_000])),
        st.tuples(st.just("tick"), st.integers(0, 5)),
        st.tuples(st.just("mark"), st.none()),
        st.tuples(st.just("finish"), st.none()),
    ),
    max_size=12,
)
# A life: what is done, the statement of the last step before which the kill comes, and the replay that follows.
lives = st.lists(st.tuples(steps, st.integers(0, 14), st.integers(0, 3)), min_size=1, max_size=4)


class History:
    """Lives of one daemon, each ended by a kill, and what must be true after each."""

    def __init__(self, root: Path, durability: str, weights: str) -> None:
        self.root, self.durability, self.weights = root, durability, weights
        self.frames: dict[int, Values] = {}  # lsn -> values, of what can have been journaled
        self.issued = self.acked = self.value = self.life = 0
        self.now = 0.0

    def run(self, done: list[tuple[str, object]], after: int, write_after: int) -> None:
        daemon = start(self.root / str(self.life), self.durability, Engine(self.weights), write_after)
        self.check(daemon)
        for number, (kind, argument) in enumerate(done):
            killer = Killer(daemon.store, self.copy(), after) if number == len(done) - 1 else None
            self.step(daemon, kind, argument, killer is None)
            if killer:
                killer.stop()
        if not done:
            shutil.copytree(daemon.store.path, self.copy())
        daemon.store.close()
        self.life += 1

    def copy(self) -> Path:
        return self.root / str(self.life + 1)

    def step(self, daemon: Daemon, kind: str, argument: object, lives_on: bool) -> None:
        if kind == "feed":
            self.feed(daemon, argument, lives_on)
        elif kind == "write":
            daemon.write(argument)
        elif kind == "tick":
            self.now += argument
            daemon.journal.tick(self.now)
        elif kind == "mark":
            daemon.journal.mark(daemon.at)
        else:
            daemon.checkpoint.finish(daemon.engine, daemon.at)
        if lives_on and (self.durability == "commit" or kind in ("mark", "finish")):
            self.acked = daemon.at

    def feed(self, daemon: Daemon, streams: list[list[str]], lives_on: bool) -> None:
        frames = []
        for names in streams:
            frames.append([(name, self.value + n) for n, name in enumerate(names)])
            self.value += len(names)
        before = daemon.journal.last
        lsns = daemon.feed(frames)
        assert lsns == list(range(before + 1, before + 1 + len(frames)))
        assert before >= self.issued
        if lives_on:
            self.issued = lsns[-1]
        self.frames |= dict(zip(lsns, frames, strict=True))

    def check(self, daemon: Daemon) -> None:
        """Everything promised is there, once and in order, and nothing that was not sent."""
        assert daemon.at >= self.acked
        assert daemon.checkpoint.damaged == []
        assert daemon.journal.published <= daemon.at
        self.frames = {lsn: values for lsn, values in self.frames.items() if lsn <= daemon.at}
        expected = uninterrupted([self.frames[lsn] for lsn in sorted(self.frames)], self.weights)
        assert daemon.engine.state() == expected.state()
        rows = list(daemon.store.read("SELECT count(*), ifnull(sum(length(topic) + length(frame)), 0) FROM journal"))
        assert rows == [(daemon.journal.stats.rows, daemon.journal.stats.bytes)]


def histories(path: Path, durability: str, weights: str, count: int) -> None:
    """So many of them, each from an empty store."""
    empty = path / "empty"
    Store(empty, durability, 1.0).close()

    @given(lives=lives)
    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def history(lives: list[tuple[list[tuple[str, object]], int, int]]) -> None:
        with tempfile.TemporaryDirectory(dir=path) as root:
            shutil.copytree(empty, Path(root) / "0")
            story = History(Path(root), durability, weights)
            for done, after, write_after in lives:
                story.run(done, after, write_after)
            story.run([], 0, 0)

    history()


@pytest.mark.parametrize("weights", ["per_stream", "pooled"])
@pytest.mark.parametrize("durability", ["commit", "interval"])
@pytest.mark.parametrize("count", [40, pytest.param(5000, marks=pytest.mark.long)])
def test_killed_at_any_step_nothing_is_lost_or_applied_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, durability: str, weights: str
) -> None:
    monkeypatch.setattr(journal_module, "TRIM_ROWS", 2)
    monkeypatch.setattr(journal_module, "BLOCK", 5)
    histories(tmp_path, durability, weights, count)


def test_a_kill_at_each_statement_of_a_round(tmp_path: Path) -> None:
    """Every point of one busy stretch, one by one: rounds that overlap with feeding, and slices of trimming."""
    frames = [[(name, 10 * n + k) for k, name in enumerate(STREAMS) if (n + k) % 3] for n in range(5)]
    after, more = 0, True
    while more:
        live, copy = tmp_path / f"live{after}", tmp_path / f"copy{after}"
        with running(live) as daemon:
            killer = Killer(daemon.store, copy, after)
            for values in frames:
                daemon.feed([values])
                daemon.write(limit=30)
            daemon.checkpoint.finish(daemon.engine, daemon.at)
            more = killer.left < 0
            killer.stop()
        with running(copy) as daemon:
            assert daemon.engine.state() == uninterrupted(frames[: daemon.at]).state()
            for values in frames[daemon.at :]:
                daemon.feed([values])
            assert daemon.engine.state() == uninterrupted(frames).state()
        after += 1
    assert after > 60


def test_flipped_bits_are_found_or_harmless(tmp_path: Path) -> None:
    """One bit anywhere in the file: refused, or a row is named, or the state is right. Never wrong, no traceback."""
    good = tmp_path / "good"
    frames = [[(name, n)] for n in range(40) for name in STREAMS]
    with running(good) as daemon:
        daemon.feed(frames[:150])
        daemon.checkpoint.finish(daemon.engine, daemon.at)
        daemon.feed(frames[150:])
    expected, chance = uninterrupted(frames).rows, random.Random(7)
    content, seen = (good / FILE).read_bytes(), set()
    used = [n for n, byte in enumerate(content) if byte]
    (tmp_path / "bad").mkdir()
    for _ in range(300):
        flipped = bytearray(content)
        flipped[chance.choice(used)] ^= 1 << chance.randrange(8)
        (tmp_path / "bad" / FILE).write_bytes(flipped)
        try:
            with running(tmp_path / "bad") as daemon:
                lost = daemon.checkpoint.damaged
                wrong = [name for name in STREAMS if daemon.engine.rows[name] != expected[name]]
                assert len(wrong) <= len(lost)  # a name may be what is damaged
                daemon.feed([[(name, 99)] for name in wrong])
                daemon.checkpoint.finish(daemon.engine, daemon.at)
                after = daemon.engine.rows
            with running(tmp_path / "bad") as daemon:
                assert daemon.engine.rows == after
                seen.add("named" if lost else "harmless")
        except (SnapshotError, StorageError):
            seen.add("refused")
    assert seen == {"named", "harmless", "refused"}


def test_a_killed_process_loses_nothing_it_had_acknowledged(tmp_path: Path) -> None:
    acked = 0
    for kill_after in (1, 80, 30):
        command = [sys.executable, ledger.__file__, str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
            try:
                for _ in range(kill_after):
                    acked = int(child.stdout.readline())
            finally:
                child.kill()
            acked = max([acked, *map(int, child.stdout.read().split(b"\n")[:-1])])
        with running(tmp_path) as daemon:
            assert daemon.at >= acked
            values = sorted(value for row in daemon.engine.rows.values() for value in row)
            assert values == list(range(1, daemon.at + 1))
            assert all(row == sorted(row) for row in daemon.engine.rows.values())
