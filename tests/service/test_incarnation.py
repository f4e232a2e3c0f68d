"""Which state it is: the same over restarts, another one when it is new or was put back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Turned
from test_catchup import Listener, listener  # noqa: F401  a fixture
from test_control import ask, fed

from streamrnn.service.storage.store import FILE

Make = Callable[..., Turned]


def identity(one: Turned) -> tuple[str, str]:
    told = ask(one, command="status")
    return told["incarnation"], told["session"]


def put_back(one: Turned, backup: Path, empty: bool) -> None:
    """Stop, exchange the database, start."""
    one.stop()
    if empty:
        shutil.rmtree(one.path / "state")
        (one.path / "state").mkdir()
    for file in (one.path / "state").glob(f"{FILE}*"):
        file.unlink()
    shutil.copy(backup, one.path / "state" / FILE)
    one.start()


def test_a_restart_is_the_same_incarnation_and_another_session(turned: Make) -> None:
    one = turned()
    first = identity(one)
    one.stop()
    one.start()
    second = identity(one)
    assert first[0] == second[0] != ""
    assert first[1] != second[1]


@pytest.mark.parametrize("empty", [True, False])
def test_a_backup_that_is_put_back_is_another_incarnation(turned: Make, empty: bool) -> None:
    one = turned()
    fed(one, "a", "b")
    before, backup = identity(one)[0], one.path / "backup"
    assert ask(one, command="backup", path=str(backup))["ok"]
    put_back(one, backup, empty)
    assert identity(one)[0] not in ("", before)
    assert one.daemon.parts.incarnation.began == 2


def test_a_copy_of_the_database_that_is_older_is_another_incarnation(turned: Make) -> None:
    one = turned()
    one.stop()
    shutil.copy(one.path / "state" / FILE, one.path / "copy")
    for _ in range(2):
        one.start()
        before = identity(one)[0]
        one.stop()
    one.start()
    put_back(one, one.path / "copy", empty=False)
    assert identity(one)[0] != before


def test_a_start_that_was_cut_off_before_its_commit_is_no_other_incarnation(turned: Make) -> None:
    one = turned()
    before, file = identity(one)[0], one.path / "state" / "incarnation"
    one.stop()
    name, starts = json.loads(file.read_text())
    file.write_text(json.dumps([name, starts + 1]))
    one.start()
    assert identity(one)[0] == before


def test_a_subscriber_hears_all_of_another_incarnation_and_is_told(listener: Listener) -> None:  # noqa: F811
    served = listener.open()
    one = listener.join("prediction/")
    listener.send(5)
    assert len(listener.receive(one, 5)) == 5
    backup = served.path / "backup"
    assert ask(served, command="backup", path=str(backup))["ok"]
    listener.send(5)
    assert len(listener.receive(one, 5)) == 5
    put_back(served, backup, empty=True)
    listener.send(3)
    heard = [message for message in listener.receive(one, 3) if message.topic != "status/"]
    assert [message.fields["topic_seq"] for message in heard] == [6, 7, 8]
    assert [message.anew for message in heard] == [True, False, False]
    assert (one.counts["incarnations"], one.counts["repeated"], one.counts["lost"]) == (1, 0, 0)
