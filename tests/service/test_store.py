"""The database: who may open it, what is refused, and that a refusal leaves the files as they were."""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from streamrnn.errors import EXIT_DATA, SnapshotError, StorageError
from streamrnn.service.storage.store import FILE, FOLD_COMMITS, FORMAT, PAGE_BYTES, READ_ONLY, Store


def open_store(path: Path, durability: str = "commit") -> Store:
    return Store(path, durability, 1.0)


def crash(path: Path, copy: Path) -> Path:
    """What a killed process leaves: the files as they are now, the log not folded in."""
    return Path(shutil.copytree(path, copy))


def digests(path: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())}


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """The directory of a killed daemon: a database and a log that is not folded in."""
    with closing(open_store(tmp_path / "live")) as store:
        with store.writing() as connection:
            connection.execute("INSERT INTO state VALUES (1, 'a', 1, 1, 1, 0, 0, 0, x'', ?)", (b"x" * 100_000,))
        path = crash(store.path, tmp_path / "crashed")
    assert (path / f"{FILE}-wal").stat().st_size > 0
    return path


def test_only_the_owner_can_read_what_is_created(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(open_store(tmp_path / "deep" / "state")) as store, store.writing():
            store.note(published=1)
            modes = {file.name: file.stat().st_mode & 0o777 for file in store.path.iterdir()}
            assert store.path.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert modes == {FILE: 0o600, f"{FILE}-wal": 0o600}


@pytest.mark.parametrize(("durability", "synchronous"), [("commit", 2), ("interval", 2), ("off", 1)])
def test_the_settings_are_in_force(tmp_path: Path, durability: str, synchronous: int) -> None:
    def setting(name: str) -> object:
        return store.connection.execute(f"PRAGMA {name}").fetchone()[0]

    with closing(open_store(tmp_path, durability)) as store:
        assert setting("synchronous") == synchronous
        assert setting("page_size") == PAGE_BYTES
        assert setting("journal_mode") == b"wal"
        assert setting("locking_mode") == b"exclusive"


def test_a_second_daemon_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        with pytest.raises(StorageError, match="in use by another daemon") as refusal:
            open_store(tmp_path)
        assert "state.path" in refusal.value.hint
        with store.writing():
            store.note(published=7)
    with closing(open_store(tmp_path)) as store:
        assert store.marks.published == 7


def test_another_program_in_the_database_is_told_of(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE mark SET published = 1")
        with pytest.raises(StorageError, match="another program"):
            open_store(tmp_path)
    with pytest.raises(SnapshotError, match="marks"):  # the other program did not know of the CRC, and had committed
        with closing(sqlite3.connect(tmp_path / FILE)) as other, other:
            other.execute("UPDATE mark SET published = 1")
        open_store(tmp_path)


def test_the_identity_stays(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        first = store.uuid
    with closing(open_store(tmp_path)) as store:
        assert store.uuid == first
        assert len(first) == 36
    with closing(open_store(tmp_path / "other")) as store:
        assert store.uuid != first


def test_a_log_that_is_not_folded_in_is_read(crashed: Path) -> None:
    with closing(open_store(crashed)) as store:
        assert list(store.read("SELECT length(blob) FROM state")) == [(100_000,)]
    assert sorted(file.name for file in crashed.iterdir()) == [FILE]


@pytest.mark.parametrize("left", [f"{FILE}.new", f"{FILE}.new-journal", f"{FILE}.new-wal", FILE])
def test_an_interrupted_creation_is_made_anew(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"" if left == FILE else b"half of something")
    with closing(open_store(tmp_path)) as store, store.writing():
        store.note(published=3)
    with closing(open_store(tmp_path)) as store:
        assert store.marks.published == 3
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def change(sql: str) -> Callable[[Path], object]:
    def apply(path: Path) -> None:
        with closing(sqlite3.connect(path / FILE, isolation_level=None)) as connection:
            connection.execute(sql)

    return apply


def overwrite(offset: int, data: bytes) -> Callable[[Path], object]:
    def apply(path: Path) -> None:
        with (path / FILE).open("r+b") as file:
            file.seek(offset)
            file.write(data)

    return apply


def replace_by_another(path: Path) -> None:
    (path / FILE).unlink()
    change("CREATE TABLE customers(name)")(path)


DAMAGES = {
    "not a database": overwrite(0, b"this is a text file, not a database" * 10),
    "a page of garbage": overwrite(2 * PAGE_BYTES, b"\xa5" * PAGE_BYTES),
    "cut": lambda path: os.truncate(path / FILE, 3 * PAGE_BYTES),
    "older format": change("UPDATE meta SET value = '2' WHERE key = 'format'"),
    "newer format": change("UPDATE meta SET value = '999' WHERE key = 'format'"),
    "no format": change("DELETE FROM meta WHERE key = 'format'"),
    "marks changed": change("UPDATE mark SET floor = 12"),
    "marks missing": change("DELETE FROM mark"),
    "journal rows missing": change("INSERT INTO journal VALUES (1, 0.0, 0, 0, x'', x'')"),
    "another program's": replace_by_another,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_used_is_refused_and_left_alone(tmp_path: Path, damage: str) -> None:
    open_store(tmp_path).close()
    DAMAGES[damage](tmp_path)
    before = digests(tmp_path)
    with pytest.raises(SnapshotError, match=FILE) as refusal:
        open_store(tmp_path)
    assert refusal.value.exit_code == EXIT_DATA
    assert "start anew" in refusal.value.hint
    assert digests(tmp_path) == before


def changed_in_the_log(path: Path, sql: str) -> Path:
    """What is left of a daemon that was killed after such a change."""
    with closing(sqlite3.connect(path / FILE, isolation_level=None)) as connection:
        connection.execute(sql)
        copy = crash(path, path.with_name("copy"))
    (copy / f"{FILE}-shm").unlink()
    return copy


@pytest.mark.parametrize("damage", ["page", "marks in the log"])
def test_a_damaged_database_with_a_log_is_left_alone(crashed: Path, damage: str) -> None:
    if damage == "page":
        overwrite(PAGE_BYTES, b"\xa5" * PAGE_BYTES)(crashed)
    else:
        crashed = changed_in_the_log(crashed, "UPDATE mark SET floor = 12")
    before = digests(crashed)
    with pytest.raises(SnapshotError):
        open_store(crashed)
    assert digests(crashed) == before


def test_a_newer_version_that_was_killed_is_left_to_its_own(crashed: Path) -> None:
    path = changed_in_the_log(crashed, "UPDATE meta SET value = '999' WHERE key = 'format'")
    before = digests(path)
    for durability in ("commit", "off", READ_ONLY):
        with pytest.raises(SnapshotError, match=f"format 999; this version reads format {FORMAT}") as refusal:
            open_store(path, durability)
        assert refusal.value.exit_code == EXIT_DATA
        assert "start the version that wrote it" in refusal.value.hint
    assert digests(path) == before


def test_a_log_without_its_database_is_refused(crashed: Path) -> None:
    (crashed / FILE).unlink()
    before = digests(crashed)
    with pytest.raises(SnapshotError, match="missing"):
        open_store(crashed)
    assert digests(crashed) == before


def test_a_refused_directory_can_be_opened_once_mended(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    good = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(good[: 2 * PAGE_BYTES])
    with pytest.raises(SnapshotError):
        open_store(tmp_path)
    (tmp_path / FILE).write_bytes(good)
    open_store(tmp_path).close()


def test_a_path_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        open_store(tmp_path / "file")


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.connection.execute("PRAGMA max_page_count = 20")
        with pytest.raises(StorageError, match="free some space"), store.writing() as connection:
            store.note(published=5)
            connection.execute("INSERT INTO state VALUES (1, 'a', 1, 1, 1, 0, 0, 0, x'', ?)", (b"x" * 1_000_000,))
        assert store.marks.published == 0
        with pytest.raises(KeyError), store.writing():
            store.note(published=6)
            raise KeyError
        with store.writing():
            store.note(issued=9)
    with closing(open_store(tmp_path)) as store:
        assert (store.marks.published, store.marks.issued) == (0, 9)
        assert list(store.read("SELECT * FROM state")) == []


def test_an_open_transaction_is_committed_by_close(tmp_path: Path) -> None:
    store = open_store(tmp_path, "interval")
    with store.writing(commit=False):
        store.note(published=5)
    store.close()
    with closing(open_store(tmp_path)) as store:
        assert store.marks.published == 5


def test_the_log_is_folded_in_when_it_has_become_long_and_nothing_is_open(tmp_path: Path) -> None:
    def commit(store: Store, times: int) -> None:
        for _ in range(times):
            with store.writing():
                store.note(issued=store.marks.issued + 1)

    def folded() -> int:
        """What stands in the database file alone."""
        with closing(sqlite3.connect(f"{(tmp_path / FILE).as_uri()}?immutable=1", uri=True)) as connection:
            return int(connection.execute("SELECT issued FROM mark").fetchone()[0])

    with closing(open_store(tmp_path)) as store:
        commit(store, FOLD_COMMITS - 1)
        store.fold()
        assert folded() == 0
        commit(store, 1)
        with store.writing(commit=False):
            store.fold()
        store._roll_back()
        assert folded() == 0
        store.fold()
        assert folded() == FOLD_COMMITS
