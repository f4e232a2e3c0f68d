"""`state check`, `dump` and `export`: what lies on the disk, told without touching it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ledger import running
from typer.testing import CliRunner

from streamrnn import cli
from streamrnn.errors import SnapshotError, StorageError
from streamrnn.service import inspect
from streamrnn.service.storage.store import FILE, Store


def filled(path: Path, order: str = "ab", extra: int = 0) -> Path:
    with running(path) as daemon:
        for name in order:
            daemon.feed([[(name, 1)], [(name, 2)]])
        daemon.feed([[]] * extra)
        daemon.checkpoint.finish(daemon.engine, daemon.at)
    return path


def digest(path: Path) -> str:
    with inspect.opened(path) as store:
        return list(inspect.dump(store))[-1]["sha256"]


def test_equal_states_have_equal_dumps_however_they_came_about(tmp_path: Path) -> None:
    first, second = filled(tmp_path / "1"), filled(tmp_path / "2", "ba", extra=3)
    assert digest(first) == digest(second)
    with running(first) as daemon:
        daemon.feed([[("a", 3)]])
        daemon.checkpoint.finish(daemon.engine, daemon.at)
    assert digest(first) != digest(second)


def test_the_command_line(tmp_path: Path) -> None:
    path, runner = filled(tmp_path / "1"), CliRunner()
    before = (path / FILE).read_bytes()
    said = json.loads(runner.invoke(cli.app, ["state", "check", str(path)]).stdout)
    assert (said["streams"], said["damaged"], said["waiting"], said["lsn"]) == (2, [], 0, 4)
    lines = [json.loads(line) for line in runner.invoke(cli.app, ["state", "dump", str(path)]).stdout.splitlines()]
    assert [line.get("stream") for line in lines] == ["a", "b", None]
    only = runner.invoke(cli.app, ["state", "dump", str(path / FILE), "--digest"]).stdout.strip()
    assert only == lines[-1]["sha256"]
    assert (path / FILE).read_bytes() == before
    assert runner.invoke(cli.app, ["state", "export", str(path), "c"]).exception.args[0].startswith("no stream 'c'")


def test_what_waits_is_said_and_looking_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "1"
    with running(path) as daemon:
        daemon.feed([[("a", 1)], [("b", 2)]])
    with inspect.opened(path) as store:
        assert inspect.check(store)["waiting"] == 2
        assert list(inspect.dump(store))[-1]["waiting"] == 2


def test_damage_is_named_and_absence_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "1")
    with closing(sqlite3.connect(path / FILE)) as connection, connection:
        connection.execute("UPDATE state SET blob = x'00' WHERE stream = 'a'")
    result = CliRunner().invoke(cli.app, ["state", "check", str(path)])
    assert isinstance(result.exception, SnapshotError)
    assert json.loads(result.stdout)["damaged"] == ["a"]
    with pytest.raises(StorageError, match="does not exist"), inspect.opened(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()


def test_a_state_in_use_is_left_alone(tmp_path: Path) -> None:
    with (
        closing(Store(tmp_path, "commit", 1.0)),
        pytest.raises(StorageError, match="in use"),
        inspect.opened(tmp_path),
    ):
        pass
