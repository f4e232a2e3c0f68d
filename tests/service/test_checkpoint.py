"""The checkpoint: wherever the daemon is stopped, stored rows and replay give the state of one that never was.

The engine here is a list of what each stream was given, so that anything lost, applied twice or out of order shows.
Run as a program it is the child of the kill test: it journals, applies and checkpoints until it is killed.
"""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamrnn.errors import SnapshotError, StorageError
from streamrnn.service import journal as journal_module
from streamrnn.service.checkpoint import Checkpoint
from streamrnn.service.journal import Journal
from streamrnn.service.store import FILE, Store
from streamrnn.spec import Model
from streamrnn.wire import Frame

STREAMS = ["a", "b", "c", "pump/1", "\x00é"]
Values = list[tuple[str, int]]


class Engine:
    """A stream's state is the list of the values it was given; pooled, also how long the pool was each time."""

    kernel_digest = "digest"
    capacity = 100

    def __init__(self, weights: str = "per_stream", blob_bytes: int = 0) -> None:
        self.model = Model(features=("x",), weights=weights)
        self.layout = {"all": [0, 1]}
        self.pool: list[int] = []
        self.rows: dict[str, list[object]] = {}
        self.blob_bytes = blob_bytes
        self.dirty: dict[str, None] = {}

    def apply(self, values: Values, skip: set[str]) -> None:
        for name, value in values:
            if name in skip:
                continue
            row = self.rows.setdefault(name, [])
            row.append(value)
            if self.model.weights == "pooled":
                self.pool.append(value)
                row.append(len(self.pool))
            self.dirty[name] = None

    def take_dirty(self, limit: int) -> list[str]:
        taken = list(self.dirty)[:limit]
        for name in taken:
            del self.dirty[name]
        return taken

    def export(self, name: str) -> bytes:
        return json.dumps(self.rows[name] if name else self.pool).encode().ljust(self.blob_bytes)

    def restore(self, name: str, blob: bytes, layout: dict[str, list[int]]) -> list[str]:
        assert layout == self.layout
        if name:
            self.rows[name] = json.loads(blob)
        else:
            self.pool = json.loads(blob)
        return []

    def state(self) -> tuple[dict[str, list[object]], list[int]]:
        return self.rows, self.pool


def frame(values: Values) -> Frame:
    return Frame(0, 0.0, b"", json.dumps(values).encode())


def uninterrupted(frames: Sequence[Values], weights: str = "per_stream") -> Engine:
    engine = Engine(weights)
    for values in frames:
        engine.apply(values, set())
    return engine


@dataclass
class Daemon:
    """The order of the real one: journal, apply, publish, and a piece of a checkpoint between batches."""

    store: Store
    engine: Engine
    journal: Journal
    checkpoint: Checkpoint
    at: int  # everything up to this lsn is applied

    def feed(self, frames: Sequence[Values]) -> list[int]:
        lsns = self.journal.append([frame(values) for values in frames], self.at)
        for values in frames:
            self.engine.apply(values, set())
        self.at = self.journal.last
        return lsns

    def write(self, limit: int = 512 * 1024) -> bool:
        return self.checkpoint.write(self.engine, self.at, limit)


def start(path: Path, durability: str = "commit", engine: Engine | None = None, write_after: int = 0) -> Daemon:
    """Restore and replay; `write_after`: a piece of a checkpoint after each so many frames of the replay."""
    store = Store(path, durability, 1.0)
    daemon = Daemon(store, engine or Engine(), Journal(store), Checkpoint(store), 0)
    try:
        recover(daemon, write_after)
    except BaseException:
        store.close()
        raise
    return daemon


def recover(daemon: Daemon, write_after: int) -> None:
    applied: dict[str, int] = {}
    for name, lsn, layout, blob in daemon.checkpoint.load():
        daemon.engine.restore(name, blob, layout)
        applied[name] = lsn
    daemon.at = daemon.checkpoint.floor
    for batch in daemon.journal.replay(daemon.at):
        for lsn, received in batch:
            values = [tuple(pair) for pair in json.loads(received.body)]
            daemon.engine.apply(values, {name for name in applied if lsn <= applied[name]})
            daemon.at = lsn
            if write_after and lsn % write_after == 0:
                daemon.write(1)


@contextmanager
def running(path: Path, durability: str = "commit", engine: Engine | None = None) -> Iterator[Daemon]:
    daemon = start(path, durability, engine)
    with closing(daemon.store):
        yield daemon


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


@pytest.mark.parametrize("weights", ["per_stream", "pooled"])
@pytest.mark.parametrize("durability", ["commit", "interval"])
def test_killed_at_any_step_nothing_is_lost_or_applied_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, weights: str
) -> None:
    monkeypatch.setattr(journal_module, "TRIM_ROWS", 2)
    monkeypatch.setattr(journal_module, "BLOCK", 5)
    empty = tmp_path / "empty"
    Store(empty, durability, 1.0).close()

    @given(lives=lives)
    @settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
    def history(lives: list[tuple[list[tuple[str, object]], int, int]]) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as root:
            shutil.copytree(empty, Path(root) / "0")
            story = History(Path(root), durability, weights)
            for done, after, write_after in lives:
                story.run(done, after, write_after)
            story.run([], 0, 0)

    history()


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


def test_a_checkpoint_during_the_replay_keeps_rows_that_are_ahead(tmp_path: Path) -> None:
    with running(tmp_path / "0") as daemon:
        daemon.feed([[("a", 1)], [("b", 2)], [("a", 3)], [("b", 4)]])
        daemon.engine.take_dirty(1)
        daemon.engine.dirty = {"b": None, "a": None}
        assert daemon.write(limit=1)  # b is stored at lsn 4, a not at all, the floor is 0
        shutil.copytree(tmp_path / "0", tmp_path / "1")
    daemon = start(tmp_path / "1")
    daemon.store.close()
    assert daemon.engine.rows == {"a": [1, 3], "b": [2, 4]}
    with closing(Store(tmp_path / "1", "commit", 1.0)) as store:
        checkpoint, engine = Checkpoint(store), Engine()
        for name, _, layout, blob in checkpoint.load():
            engine.restore(name, blob, layout)
        engine.dirty["b"] = None  # whatever the reason
        assert not checkpoint.write(engine, 1)
    with running(tmp_path / "1") as daemon:
        assert daemon.engine.rows["b"] == [2, 4]


def test_off_goes_back_to_the_last_checkpoint(tmp_path: Path) -> None:
    with running(tmp_path / "0", "off") as daemon:
        daemon.feed([[("a", 1)], [("b", 2)]])
        assert not daemon.write()
        daemon.feed([[("a", 3)]])
        shutil.copytree(tmp_path / "0", tmp_path / "1")
        last = daemon.journal.last
        daemon.checkpoint.finish(daemon.engine, daemon.at)
    with running(tmp_path / "1", "off") as daemon:
        assert daemon.engine.rows == {"a": [1], "b": [2]}
        assert daemon.feed([[("a", 4)]])[0] > last
    with running(tmp_path / "0") as daemon:
        assert daemon.engine.rows == {"a": [1, 3], "b": [2]}


def test_a_clean_stop_leaves_nothing_to_replay(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        daemon.feed([[(name, 1) for name in STREAMS]] * 3)
        daemon.write(limit=1)  # a round is under way
        daemon.feed([[("a", 2)]])
        daemon.checkpoint.finish(daemon.engine, daemon.at)
        daemon.journal.mark(daemon.at)
        assert daemon.checkpoint.floor == daemon.at == 4
        assert daemon.journal.stats.rows == 0
        state = daemon.engine.state()
    with running(tmp_path) as daemon:
        assert list(daemon.journal.replay(daemon.checkpoint.floor)) == []
        assert daemon.journal.published == 4
        assert daemon.engine.state() == state


def transactions(daemon: Daemon) -> list[list[str]]:
    """Run a round; the streams that each transaction wrote."""
    written: list[list[str]] = []

    def statement(sql: str) -> None:
        if sql == "BEGIN IMMEDIATE":
            written.append([])
        elif "INTO state" in sql:
            written[-1].append(sql.split("'")[1])

    daemon.store.connection.set_trace_callback(statement)
    while daemon.write():
        pass
    daemon.store.connection.set_trace_callback(None)
    return written


def test_a_transaction_stays_under_the_limit(tmp_path: Path) -> None:
    names = "abcdefghijklmnopqrst"
    with running(tmp_path / "small", engine=Engine(blob_bytes=65_536)) as daemon:
        daemon.feed([[(name, 1)] for name in names])
        assert transactions(daemon) == [list(names[:8]), list(names[8:16]), list(names[16:])]
        assert len(daemon.checkpoint.take_seconds()) == 3
        assert daemon.checkpoint.take_seconds() == []
    with running(tmp_path / "large", engine=Engine(blob_bytes=600_000)) as daemon:
        daemon.feed([[(name, 1)] for name in "abc"])
        assert transactions(daemon) == [["a"], ["b"], ["c"]]


def test_a_pool_is_one_transaction(tmp_path: Path) -> None:
    with running(tmp_path, engine=Engine("pooled", blob_bytes=200_000)) as daemon:
        daemon.feed([[(name, 1)] for name in "abcdef"])
        assert transactions(daemon) == [[*"abcdef", ""]]
        names = [stream for (stream,) in daemon.store.read("SELECT stream FROM state")]
        assert sorted(names) == [b"", b"a", b"b", b"c", b"d", b"e", b"f"]
        assert daemon.checkpoint.floor == 6


def test_only_what_changed_is_written_again(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        daemon.feed([[("a", 1), ("b", 1)]])
        assert transactions(daemon) == [["a", "b"]]
        daemon.feed([[("b", 2)]])
        assert transactions(daemon) == [["b"]]
        assert transactions(daemon) == []
        assert daemon.checkpoint.floor == 2
        assert daemon.checkpoint.age < 60.0


def test_a_stream_that_changes_during_a_round_belongs_to_the_next(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        daemon.feed([[(name, 1)] for name in "abc"])
        assert daemon.write(limit=1)
        daemon.feed([[("a", 2)], [("d", 2)]])
        assert transactions(daemon) == [["b", "c"]]
        assert daemon.checkpoint.floor == 3
        assert transactions(daemon) == [["a", "d"]]
        assert daemon.checkpoint.floor == 5


def test_a_full_disk_is_told_and_the_round_can_be_made_up_for(tmp_path: Path) -> None:
    with running(tmp_path / "0", engine=Engine(blob_bytes=100_000)) as daemon:
        daemon.feed([[(name, 1)] for name in "abcdef"])
        daemon.store.connection.execute("PRAGMA max_page_count = 60")
        with pytest.raises(StorageError, match="free some space"):
            while daemon.write():
                pass
        assert daemon.checkpoint.floor == 0
        shutil.copytree(tmp_path / "0", tmp_path / "1")
        daemon.store.connection.execute("PRAGMA max_page_count = 100000")
        daemon.feed([[("g", 2)]])
        while daemon.write():
            pass
        assert daemon.checkpoint.floor == 7
    with running(tmp_path / "0", engine=Engine(blob_bytes=100_000)) as daemon:
        assert daemon.engine.rows == {**{name: [1] for name in "abcdef"}, "g": [2]}
    with running(tmp_path / "1", engine=Engine(blob_bytes=100_000)) as daemon:
        assert daemon.engine.rows == {name: [1] for name in "abcdef"}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE state SET blob = x'00' WHERE stream = 'b'",
        "UPDATE state SET applied = 2 WHERE stream = 'b'",
        "UPDATE state SET format = 2 WHERE stream = 'b'",
        "UPDATE state SET layout = 2 WHERE stream = 'b'",
        "UPDATE state SET crc = crc + 1 WHERE stream = 'b'",
    ],
)
def test_a_damaged_row_is_named_and_the_others_load(tmp_path: Path, sql: str) -> None:
    with running(tmp_path) as daemon:
        daemon.feed([[("a", 1), ("b", 1), ("c", 1)]])
        daemon.write()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute(sql)
    with running(tmp_path) as daemon:
        assert daemon.checkpoint.damaged == ["b"]
        assert daemon.engine.rows == {"a": [1], "c": [1]}
        daemon.feed([[("b", 2)]])
        daemon.checkpoint.finish(daemon.engine, daemon.at)
    with running(tmp_path) as daemon:
        assert daemon.checkpoint.damaged == []
        assert daemon.engine.rows == {"a": [1], "b": [2], "c": [1]}


def test_each_row_knows_the_layout_it_was_written_with(tmp_path: Path) -> None:
    engine = Engine()
    with running(tmp_path, engine=engine) as daemon:
        daemon.feed([[("a", 1), ("b", 1)]])
        daemon.write()
        assert len(list(daemon.store.read("SELECT id FROM layout"))) == 1
        changed = Engine()
        changed.layout, changed.rows, changed.dirty = {"all": [0, 1], "more": [1, 7]}, engine.rows, {"b": None}
        daemon.checkpoint.write(changed, daemon.at + 1)
        assert len(list(daemon.store.read("SELECT id FROM layout"))) == 2
        loaded = {name: layout for name, _, layout, _ in daemon.checkpoint.load()}
    assert loaded == {"a": {"all": [0, 1]}, "b": {"all": [0, 1], "more": [1, 7]}}


def test_a_damaged_layout_takes_its_rows_with_it_and_is_mended(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        daemon.feed([[("a", 1)]])
        daemon.write()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE layout SET slices = replace(slices, '1', '2')")
    with running(tmp_path) as daemon:
        assert daemon.checkpoint.damaged == ["a"]
        daemon.feed([[("a", 2)]])
        daemon.write()
    with running(tmp_path) as daemon:
        assert daemon.engine.rows == {"a": [2]}


def test_who_wrote_the_state_is_known(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        assert "kernel_digest" not in daemon.checkpoint.writer
        daemon.feed([[("a", 1)]])
        daemon.write()
    with running(tmp_path) as daemon:
        writer = daemon.checkpoint.writer
        assert writer["kernel_digest"] == "digest"
        assert json.loads(writer["model"])["features"] == ["x"]
        assert set(json.loads(writer["versions"])) == {"streamrnn", "numba", "numpy", "python", "sqlite"}


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


def work(path: Path) -> None:
    """The child: says what is durable, and goes on for ever."""
    daemon = start(path)
    chance = random.Random(daemon.at)
    while True:
        daemon.feed([[(chance.choice(STREAMS), daemon.at + n)] for n in range(1, chance.randrange(2, 9))])
        sys.stdout.write(f"{daemon.at}\n")
        sys.stdout.flush()
        daemon.write(limit=chance.choice([1, 100, 10_000]))


def test_a_killed_process_loses_nothing_it_had_acknowledged(tmp_path: Path) -> None:
    acked = 0
    for kill_after in (1, 150, 60):
        command = [sys.executable, __file__, str(tmp_path)]
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


if __name__ == "__main__":
    work(Path(sys.argv[1]))
