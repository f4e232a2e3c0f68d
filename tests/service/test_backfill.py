"""`run --backfill`: history is learned once, wherever a start is interrupted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Turned

from streamrnn.config import schema
from streamrnn.errors import ConfigError
from streamrnn.messages import Batch
from streamrnn.recordings.history import history
from streamrnn.service import daemon as module
from streamrnn.service import inspect, startup
from streamrnn.service.recovery.backfill import History
from tests.engine.feed import batch

Make = Callable[..., Turned]
PARTS = 6


class Stopped(BaseException):
    """What a kill is to a test."""


def parts(fail: int = PARTS) -> Iterator[Batch]:
    """Two streams that take turns, one of them from the third part on; it ends at part `fail`."""
    for i in range(PARTS):
        if i == fail:
            raise Stopped
        names = ["a", "b"] * 5 if i > 1 else ["a"] * 10
        yield batch(names, np.arange(10.0) + 10 * i, time=1000.0 + 100 * i + np.arange(10))


def recorded(fail: int = PARTS, digest: str = "1") -> History:
    return History("past.csv", digest, lambda: parts(fail))


def start(one: Turned, given: History | None) -> None:
    """As `Turned.start`, with history."""
    one.daemon = module.Daemon(startup.start(schema.load(one.file), one.file, history=given))
    one.daemon.announce()
    one.peers = type(one.peers)(one.daemon.endpoints)


def state(one: Turned) -> dict[str, Any]:
    return {name: dict(each) for name, each in one.daemon.parts.engine._state.items()}


@pytest.mark.parametrize("durability", ["commit", "interval", "off"])
@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("fail", [0, 1, 3, 5])
def test_a_crash_in_the_middle_changes_nothing(turned: Make, durability: str, saved: bool, fail: int) -> None:
    one = turned(f'durability = "{durability}"\ncheckpoint = {1e-9 if saved else 3600.0}\n')
    one.stop()
    with pytest.raises(Stopped):
        start(one, recorded(fail))
    with pytest.raises(ConfigError, match="not complete"):
        start(one, None)
    with pytest.raises(ConfigError, match="not complete"):
        start(one, recorded(digest="2"))
    start(one, recorded())
    found = state(one)
    assert {name: each["seq"] for name, each in found.items()} == {"a": 40, "b": 20}
    assert found["a"]["time"] == 1508.0
    for given in (recorded(), None):
        one.kill()
        start(one, given)
        assert state(one) == found


def test_what_was_served_before_stays_and_numbers_go_on(turned: Make) -> None:
    one = turned()
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    one.kill()
    start(one, recorded())
    assert state(one)["a"]["seq"] == 41
    socket = one.subscribed(b"prediction/a/")
    one.send(2.0)
    while (told := one.received(socket)[1]).get("retained"):
        pass
    assert (told["seq"], told["lsn"]) == (42, 1 + PARTS + 1)
    one.kill()
    start(one, recorded())
    assert state(one)["a"]["seq"] == 42


def test_a_second_file_is_learned_after_the_first(turned: Make) -> None:
    one = turned()
    one.stop()
    start(one, recorded())
    one.stop()
    start(one, recorded(digest="2"))
    assert state(one)["a"]["seq"] == 80  # the fake engine takes what is late
    one.stop()
    start(one, recorded())
    assert state(one)["a"]["seq"] == 80


def test_a_file_is_read_as_replay_reads_it_and_known_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "past.csv"
    file.write_text("time,flow\n1,1.5\n2,2.5\n")
    text = '[model]\nfeatures = ["flow"]\n[columns]\nname = "{}"\n'
    one, other = (history(file, schema.parse(text.format(name))) for name in ("pump-1", "pump-2"))
    (read,) = one.parts()
    assert (read.names[0], read.values[:, 0].tolist()) == ("pump-1", [1.5, 2.5])
    assert one.digest != other.digest
    file.write_text("time,flow\n1,1.5\n2,2.6\n")
    assert history(file, schema.parse(text.format("pump-1"))).digest != one.digest


MODEL = """
[model]
features = ["flow"]
layers = [{ kind = "elman", size = 4 }]
experts = [{ kind = "last" }]
rule = { kind = "tbptt", window = 4, stride = 2 }
[[input]]
endpoint = "ipc://PATH/in"
[output]
endpoint = "ipc://PATH/out"
[metrics]
enabled = false
[control]
enabled = false
[state]
path = "PATH/state"
checkpoint = 1e-9
"""


def learned(path: Path, fails: list[int]) -> str:
    """Digest of the state after a backfill by the real engine that is interrupted at these parts."""
    path.mkdir()
    read = schema.parse(MODEL.replace("PATH", str(path)))
    for fail in fails:
        with pytest.raises(Stopped):
            startup.start(read, None, history=recorded(fail))
    daemon = module.Daemon(startup.start(read, None, history=recorded()))
    daemon.stop()
    daemon.run()
    with inspect.opened(path / "state") as store:
        *_, last = inspect.dump(store)
    return str(last["sha256"])


def test_the_state_is_to_the_bit_that_of_a_backfill_without_a_crash(tmp_path: Path) -> None:
    whole = learned(tmp_path / "0", [])
    assert learned(tmp_path / "1", [3]) == whole
    assert learned(tmp_path / "2", [1, 2, 5]) == whole
