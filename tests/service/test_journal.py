"""The journal: what is appended comes back, numbers never repeat, and each durability keeps what it says."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from streamrnn.errors import SnapshotError, StorageError
from streamrnn.service.storage import journal as module
from streamrnn.service.storage.journal import Journal, trim
from streamrnn.service.storage.store import FILE, Store
from streamrnn.wire import Frame

DURABILITIES = ["commit", "interval", "off"]


def frame(number: int) -> Frame:
    return Frame(origin=number % 3, received=1.6e9 + number / 7, topic=b"topic/%d" % number, body=b"body %d" % number)


@contextmanager
def opened(path: Path, durability: str = "commit", interval: float = 1.0) -> Iterator[Journal]:
    with closing(Store(path, durability, interval)) as store:
        yield Journal(store)


def crash(path: Path, copy: Path) -> Path:
    """What a killed process leaves behind."""
    return Path(shutil.copytree(path, copy))


def everything(journal: Journal, after: int = 0) -> list[tuple[int, Frame]]:
    return [pair for batch in journal.replay(after) for pair in batch]


def test_what_is_appended_comes_back(tmp_path: Path) -> None:
    odd = [
        Frame(0, 0.0, b"", b""),
        Frame(2**40, -1.5, b"\x00\xff", bytes(range(256)) * 300),
        Frame(0, 1e300, b"t", b"\x00"),
        Frame(-1, 1647774000.123456789, b"plain", b'{"values": {}}'),
    ]
    with opened(tmp_path) as journal:
        assert journal.append(odd, 0) == [1, 2, 3, 4]
        assert journal.append([], 4) == []
        assert journal.append([frame(5)], 4) == [5]
    with opened(tmp_path) as journal:
        assert everything(journal) == list(zip(range(1, 6), [*odd, frame(5)], strict=True))
        assert everything(journal, after=3) == [(4, odd[3]), (5, frame(5))]
        assert everything(journal, after=5) == []


def test_replay_comes_in_bounded_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as journal:
        journal.append([frame(n) for n in range(1, 601)], 0)
        assert [len(batch) for batch in journal.replay(0)] == [256, 256, 88]
        monkeypatch.setattr(module, "REPLAY_BYTES", 100)
        batches = list(journal.replay(0))
        assert max(len(batch) for batch in batches) < 20
        assert [lsn for batch in batches for lsn, _ in batch] == list(range(1, 601))


def test_a_replay_bears_writing_in_between(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([frame(n) for n in range(1, 513)], 0)
        store, seen = journal._store, []
        for batch in journal.replay(0):
            seen += [lsn for lsn, _ in batch]
            with store.writing():
                store.note(floor=seen[-1])
                trim(store)
        assert seen == list(range(1, 513))


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("end", ["clean", "killed"])
def test_numbers_go_on_after_a_restart_and_never_repeat(tmp_path: Path, durability: str, end: str) -> None:
    path, seen = tmp_path / "0", []
    for life in range(1, 4):
        with opened(path, durability) as journal:
            seen += journal.append([frame(n) for n in range(4)], 0)
            with journal._store.writing():  # as a checkpoint does when everything is stored
                journal._store.note(floor=journal.last)
                assert not trim(journal._store)
            assert journal.stats.rows == 0
            if end == "killed":
                seen += journal.append([frame(5), frame(6)], 0)
            if end == "clean":
                journal.mark(journal.last)
            path = crash(path, tmp_path / str(life))
    assert seen == sorted(set(seen))
    if end == "clean" or durability == "commit":
        assert seen == list(range(1, len(seen) + 1))


def test_numbers_are_reserved_before_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 10)
    with opened(tmp_path / "live", "off") as journal:
        for n in range(40):
            journal.append([frame(n)], 0)
            with opened(crash(tmp_path / "live", tmp_path / f"copy{n}"), "off") as after:
                assert journal.last <= after.last <= journal.last + 10


def test_commit_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    with opened(tmp_path / "live") as journal:
        for n in range(1, 4):
            journal.append([frame(n)], published=n - 1)
            with opened(crash(tmp_path / "live", tmp_path / str(n))) as after:
                assert everything(after) == [(k, frame(k)) for k in range(1, n + 1)]
                assert after.published == n - 1


def test_interval_commits_when_its_time_has_come(tmp_path: Path) -> None:
    def kept(name: str) -> int:
        with opened(crash(tmp_path / "live", tmp_path / name)) as after:
            return len(everything(after))

    with opened(tmp_path / "live", "interval", interval=2.0) as journal:
        journal.append([frame(1)], 0)  # reserves numbers, so it commits
        journal.tick(100.0)
        journal.append([frame(2)], 0)
        journal.tick(101.9)
        assert kept("early") == 1
        journal.tick(102.0)
        assert kept("due") == 2
        journal.append([frame(3)], 2)
        journal.tick(103.9)
        assert kept("early again") == 2
        journal.mark(3)
        assert kept("marked") == 3
        journal.append([frame(4)], 3)
        journal.append([frame(5)], 3)
    with opened(tmp_path / "live") as journal:
        assert len(everything(journal)) == 5
        assert journal.published == 3


def test_off_writes_no_rows(tmp_path: Path) -> None:
    with opened(tmp_path, "off") as journal:
        assert journal.append([frame(1), frame(2)], 0) == [1, 2]
        journal.tick(1e9)
        assert everything(journal) == []
        assert journal.stats.rows == 0
        journal.mark(2)
    with opened(tmp_path) as journal:
        assert journal.published == 2
        assert journal.append([frame(3)], 2) == [3]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE journal SET frame = x'00' WHERE lsn = 2",
        "UPDATE journal SET topic = x'00' WHERE lsn = 2",
        "UPDATE journal SET received = received + 1 WHERE lsn = 2",
        "UPDATE journal SET origin = origin + 1 WHERE lsn = 2",
        "UPDATE journal SET crc = crc + 1 WHERE lsn = 2",
    ],
)
def test_a_damaged_row_stops_the_replay_with_its_number(tmp_path: Path, sql: str) -> None:
    with opened(tmp_path) as journal:
        journal.append([frame(1), frame(2), frame(3)], 0)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute(sql)
    with opened(tmp_path) as journal, pytest.raises(SnapshotError, match=r"journal row 2 is damaged"):
        everything(journal)


def test_a_full_disk_is_told_and_nothing_of_the_batch_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([frame(1)], 0)
        journal._store.connection.execute("PRAGMA max_page_count = 12")
        with pytest.raises(StorageError, match="free some space"):
            journal.append([frame(2), Frame(0, 0.0, b"", b"x" * 1_000_000)], 1)
        assert (journal.last, journal.published, journal.stats.rows) == (1, 0, 1)
        journal._store.connection.execute("PRAGMA max_page_count = 100000")
        assert journal.append([frame(2)], 1) == [2]
    with opened(tmp_path) as journal:
        assert everything(journal) == [(1, frame(1)), (2, frame(2))]


def test_rows_bytes_and_commits_are_counted(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([frame(1), frame(2)], 0)
        journal.append([frame(3)], 0)
        size = sum(len(frame(n).topic) + len(frame(n).body) for n in (1, 2, 3))
        assert (journal.stats.rows, journal.stats.bytes) == (3, size)
        assert journal.stats.age >= 0.0
        seconds = journal.take_commit_seconds()
        assert len(seconds) == 2
        assert min(seconds) > 0.0
        assert journal.take_commit_seconds() == []
    with opened(tmp_path) as journal:
        assert (journal.stats.rows, journal.stats.bytes) == (3, size)


@pytest.mark.parametrize(("rows", "size", "slices"), [(5000, 10, 5), (20, 1_000_000, 3)])
def test_trimming_takes_bounded_slices(tmp_path: Path, rows: int, size: int, slices: int) -> None:
    with opened(tmp_path, "off") as journal:
        store = journal._store
        store.durability = "commit"  # journals, without a sync
        journal.append([Frame(0, 0.0, b"t", b"x" * size)] * rows, 0)
        journal.append([frame(1)], 0)
        done, more = 0, True
        while more:
            with store.writing():
                store.note(floor=rows)
                more = trim(store)
            done += 1
        assert done == slices
        assert [lsn for lsn, _ in everything(journal)] == [rows + 1]
        assert (journal.stats.rows, journal.stats.bytes) == (1, len(frame(1).topic) + len(frame(1).body))
