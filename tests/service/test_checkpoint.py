"""The checkpoint: what a round writes, when the floor moves, and what becomes of damaged rows."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ledger import STREAMS, Daemon, Engine, running, start

from streamrnn.errors import StorageError
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.store import FILE, Store


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
        for name, _, layout, blob, *_ in checkpoint.load():
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


def test_a_stream_that_changed_before_its_row_was_written_is_not_written_again(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        daemon.feed([[(name, 1)] for name in "abc"])
        assert daemon.write(limit=1)
        daemon.feed([[("c", 2)]])
        assert daemon.checkpoint.progress == pytest.approx(1 / 3)
        assert transactions(daemon) == [["b", "c"]]
        assert transactions(daemon) == [[]]  # the floor alone
        assert daemon.checkpoint.floor == 4
        assert daemon.checkpoint.progress == 1.0
        state = daemon.engine.state()
    with running(tmp_path) as daemon:
        assert daemon.engine.state() == state


def test_a_stop_that_has_no_time_leaves_the_rest_to_the_replay(tmp_path: Path) -> None:
    with running(tmp_path, engine=Engine(blob_bytes=600_000)) as daemon:
        daemon.feed([[(name, 1)] for name in "abc"])
        assert not daemon.checkpoint.finish(daemon.engine, daemon.at, 0.0)
        assert daemon.checkpoint.floor == 0
        state = daemon.engine.state()
    with running(tmp_path, engine=Engine(blob_bytes=600_000)) as daemon:
        assert daemon.engine.state() == state
        assert daemon.checkpoint.finish(daemon.engine, daemon.at, 60.0)
        assert daemon.checkpoint.floor == 3


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
        loaded = {name: layout for name, _, layout, *_ in daemon.checkpoint.load()}
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
