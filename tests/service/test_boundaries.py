"""What is asked from outside a turn: every exception is answered, and nothing acknowledged is lost by it."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq
from conftest import Turned
from structlog.testing import capture_logs
from test_control import ask, fed, raw
from test_producer_sessions import Dealer, opened

from streamrnn.errors import StreamrnnError
from streamrnn.service.storage import backup
from streamrnn.service.storage.store import Store

Make = Callable[..., Turned]
COMMANDS = ("status", "forget", "reset", "freeze", "unfreeze", "backup", "reload", "feedback", "generate")
ARGUMENTS = ("", "a", "\0", "a\0b", "x" * 300, "/", "..", "\U0010ffff", "-1")
KEYS = ("stream", "path", "event_id", "verdict", "until", "n", "seed", "temperature", "top_p", "prime", "dry_run")


class Faulty:
    """A connection whose statement number `at` meets an error of the disk."""

    def __init__(self, connection: sqlite3.Connection, at: int, code: int) -> None:
        self.connection, self.at, self.code = connection, at, code

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def _next(self, sql: str) -> None:
        if sql != "ROLLBACK":
            self.at -= 1
            if self.at == -1:
                error = sqlite3.OperationalError("injected")
                error.sqlite_errorcode = self.code
                raise error

    def execute(self, sql: str, *more: Any) -> Any:
        self._next(sql)
        return self.connection.execute(sql, *more)

    def executemany(self, sql: str, *more: Any) -> Any:
        self._next(sql)
        return self.connection.executemany(sql, *more)

    def close(self) -> None:
        self.connection.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_argument_of_a_command_ends_the_daemon(
    turned: Make, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = turned("checkpoint = 3600.0\n")
    monkeypatch.chdir(tmp_path)  # where a backup of a relative path is written
    fed(one, "a")
    for argument in ARGUMENTS:
        said = ask(one, command=command, **dict.fromkeys(KEYS, argument))
        assert said["ok"] or said["error"]
        fed(one, "a")


def test_an_error_that_is_none_of_ours_is_answered_and_the_daemon_goes_on(
    turned: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = turned()
    fed(one, "a")

    def fails(*_: Any) -> None:
        raise ZeroDivisionError("of a bug")

    monkeypatch.setattr(one.daemon.parts.streams, "reset", fails)
    with capture_logs() as logged:
        said = ask(one, command="reset", stream="a")
    assert not said["ok"]
    assert "ZeroDivisionError" in said["error"]
    fed(one, "a")
    (line,) = [line for line in logged if line["event"] == "a command failed"]
    assert line["command"] == "reset"
    assert line["who"].startswith("uid ")


def test_what_an_operator_changes_leaves_a_line_in_the_log(turned: Make) -> None:
    one = turned()
    fed(one, "a")
    with capture_logs() as logged:
        ask(one, command="forget", stream="a")
        ask(one, command="status")
    (line,) = [line for line in logged if line["event"] == "operator"]
    assert (line["asked"], line["ok"]) == ({"command": "forget", "stream": "a"}, True)


def test_a_backup_to_a_path_that_cannot_be_is_refused_with_a_hint(turned: Make) -> None:
    one = turned()
    for path in ("a\0b", "x" * 300, "/", "/does/not/exist/b"):
        said = ask(one, command="backup", path=path)
        assert (said["ok"], said["exit_code"]) == (False, 1)
        assert said["hint"]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR])
@pytest.mark.parametrize("durability", ["commit", "interval"])
@pytest.mark.parametrize("command", ["forget", "reset", "freeze", "backup", "reload"])
def test_nothing_acknowledged_is_lost_by_a_command_that_meets_the_disk(
    turned: Make, command: str, durability: str, code: int
) -> None:
    one = opened(turned, f'durability = "{durability}"\ninterval = 3600.0\ncheckpoint = 3600.0\n')
    for at in range(8):
        producer = Dealer(one, source=b"s%d" % at)
        one.send(1.0)
        before = one.value("streamrnn_observations_applied_total")
        producer.data(1, 1.0, 2.0)
        one.until(lambda before=before: one.value("streamrnn_observations_applied_total") >= before + 2)
        store = one.daemon.parts.store
        store.connection = Faulty(store.connection, at, code)
        ended = asked(one, command)
        heard = 0
        while producer.socket.poll(0):
            frame = producer.socket.recv()
            heard = max(heard, int.from_bytes(frame[16:24], "little") if frame[:1] == b"A" else 0)
        copied = one.path / f"copy{at}"
        shutil.copytree(store.path, copied, ignore=shutil.ignore_patterns("control"))
        assert kept(copied, b"s%d" % at) >= heard
        if ended:
            one.daemon.started.opened.close()
            one.peers.close()
            one.start()
        else:
            store.connection = store.connection.connection


def asked(one: Turned, command: str) -> bool:
    """Ask for a command, and turn some more; whether the daemon ended."""
    socket = one.peers.context.socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(f"ipc://{one.path}/state/control")
    socket.send_json({"command": command, "stream": "a", "path": str(one.path / "backup")})
    try:
        one.until(lambda: socket.poll(0))
        (one.path / "backup").unlink(missing_ok=True)
        if one.daemon._reload:
            one.daemon.reload()
        for _ in range(3):
            one.daemon.turn(0.01)
    except StreamrnnError:
        return True
    return False


def kept(path: Any, source: bytes) -> int:
    """How far a source is in the files as a kill leaves them."""
    store = Store(path, "commit", 1.0)
    try:
        return max(
            (seq for (seq,) in store.read("SELECT seq FROM producer WHERE source = ?", source.decode())), default=0
        )
    finally:
        store.close()


def test_a_reload_that_raises_what_is_none_of_ours_is_refused(turned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = turned()
    monkeypatch.setattr("streamrnn.service.reload.load", lambda _: 1 / 0)
    one.daemon.reload()
    assert one.value("streamrnn_config_last_reload_successful") == 0.0
    fed(one, "a")


def test_a_reload_on_a_full_disk_changes_nothing(turned: Make) -> None:
    one = turned()
    fed(one, "a")
    before, endpoints = one.daemon.parts.core, one.daemon.endpoints
    text = one.file.read_text()
    other = f'[[input]]\nendpoint = "ipc://{one.path}/first"\nstream = "other"\n'
    one.file.write_text(text.replace("[[input]]", f"{other}[[input]]", 1))
    store = one.daemon.parts.store
    for at in range(40):
        store.connection = Faulty(store.connection, at, sqlite3.SQLITE_FULL)
        one.daemon.reload()
        fired, store.connection = store.connection.at < 0, store.connection.connection
        if one.value("streamrnn_config_last_reload_successful") == 1.0:
            break
        assert one.daemon.parts.core is before
        assert one.daemon.endpoints == endpoints
        fed(one, "a")
    assert at > 2
    assert not fired
    assert len(one.daemon.endpoints) == 3


def test_a_reload_of_an_unchanged_file_writes_nothing(turned: Make) -> None:
    one = turned()
    fed(one, "a")
    store = one.daemon.parts.store
    store.connection = Faulty(store.connection, 0, sqlite3.SQLITE_FULL)
    one.daemon.reload()
    assert one.value("streamrnn_config_last_reload_successful") == 1.0
    store.connection = store.connection.connection


def test_a_request_that_is_answered_with_an_error_says_so(turned: Make) -> None:
    assert not raw(turned(), b'{"command": "backup"}')["ok"]


def test_a_backup_gives_signs_of_life(turned: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "STEPS", 10)
    one = turned()
    fed(one, *(f"s{k}" for k in range(50)))
    signs: list[int] = []
    backup.back_up(one.daemon.parts.store, tmp_path / "copy", lambda: signs.append(1))
    assert signs
