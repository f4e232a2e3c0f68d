"""An upgrade: the database of every released version is read, replayed and learned on, and nothing of it is lost.

What a row holds is data and comes back bit for bit, so what is read of the files is compared exactly. What is computed
from it, in the replay and after, is the same bits on one machine and build alone: it is compared with a tolerance, in
which the rounding of another machine fits, and a slice that was not read does not.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from released import CASES, GOLDEN, cases, read, turned, unpack
from structlog.testing import capture_logs
from test_store import digests
from typer.testing import CliRunner

from streamrnn import __version__, cli
from streamrnn.service import startup

TOLERANCE = 1e-3  # of a number, of 1 for smaller ones and of 1000 for times; without SIMD it takes 1e-6
every = pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.parent.name}-{case.name}")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "SUBSCRIBERS", 0.0)


def differences(found: Any, wanted: Any, where: str = "") -> Iterator[str]:
    """Where two answers are not the same, or not near each other where they are real numbers; what a newer version adds
    to an answer is no difference."""
    if isinstance(wanted, dict) and isinstance(found, dict) and found.keys() >= wanted.keys():
        for key in wanted:
            yield from differences(found[key], wanted[key], f"{where}/{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        for place, each in enumerate(wanted):
            yield from differences(found[place], each, f"{where}/{place}")
    elif isinstance(wanted, float) and isinstance(found, float):
        if abs(found - wanted) > TOLERANCE * min(max(1.0, abs(wanted)), 1000.0):
            yield f"{where}: {found}, not {wanted}"
    elif found != wanted:
        yield f"{where}: {found}, not {wanted}"


@every
def test_a_released_state_is_read_replayed_and_learned_on(case: Path, tmp_path: Path) -> None:
    with capture_logs() as logged:
        found = read(case, tmp_path)
    wanted = json.loads(case.with_suffix(".json").read_text(encoding="utf-8"))
    assert list(differences(json.loads(json.dumps(found)), wanted)) == []
    lost = [line for line in logged if line["event"] in ("state dropped", "state damaged")]
    assert lost == [], "a slice has another name or length than it had, or a row is not readable"


@every
def test_looking_into_a_released_state_changes_nothing(case: Path, tmp_path: Path) -> None:
    state, runner = unpack(case, tmp_path), CliRunner()
    before = digests(state)
    checked = runner.invoke(cli.app, ["state", "check", str(state)])
    assert (checked.exit_code, json.loads(checked.stdout)["damaged"]) == (0, [])
    dumped = runner.invoke(cli.app, ["state", "dump", str(state)])
    wanted = json.loads(case.with_suffix(".json").read_text(encoding="utf-8"))["lies"]["dump"]
    assert [json.loads(line) for line in dumped.stdout.splitlines()] == wanted
    assert digests(state) == before


@every
def test_a_row_that_is_not_replayed_is_the_same_bits(case: Path, tmp_path: Path) -> None:
    """Stopped and started: what the first start has written, in the layout of this version, the second one reads."""
    unpack(case, tmp_path)
    with turned(case, tmp_path) as one:
        engine = one.daemon.parts.engine
        names = [name for name in engine.names if name] + [""] * (engine.model.weights == "pooled")
        before = {name: engine.export(name) for name in names}
        one.stop()
        one.start()
        assert {name: one.daemon.parts.engine.export(name) for name in names} == before


def test_this_version_has_left_its_states() -> None:
    """Before a release: `released.py make`."""
    assert {case.name for case in cases() if case.parent == GOLDEN / __version__} == set(CASES)
