"""The benchmarks can be called as their package says; what they reach is not asserted."""

import pkgutil
import subprocess
import sys
from importlib import import_module

import msgspec
import pytest

from streamrnn.evaluation.figures import Report, figure
from tests import benchmarks
from tests.benchmarks import command, results

NAMES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
COMMANDS = [name for name in NAMES if hasattr(import_module(f"tests.benchmarks.{name}"), "main")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_benchmark_tells_its_protocol_and_options(name):
    told = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", "--help"], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    assert "--json" in told.stdout
    assert "--data" in told.stdout


def test_figures_are_printed_beside_their_goals_and_written(tmp_path, capsys):
    rows = [figure("task.a.nats", 0.5, "nats"), figure("task.b.nats", float("nan"), "nats")]
    command.finish("task", rows, tmp_path / "out.json", {"task.a.nats": "<= .46"})
    assert "<= .46" in capsys.readouterr().out
    assert msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=Report).rows == tuple(rows)


def test_data_that_are_not_there_end_with_one_sentence(tmp_path):
    with pytest.raises(SystemExit, match="--data"):
        command.recorded(tmp_path, "absent.csv")


def test_results_are_drawn_from_what_the_benchmarks_wrote():
    page = (
        "a\n<!-- results: all -->\n\n| | x |\n| --- | --- |\n| one | 1 |\n| two | 3 |\n\n<!-- end of results -->\nb\n"
    )
    rows = [("one", "{a.b:3}, {a.c:%1}"), ("two", "{not.there:1}"), ("three", "{a.b:0}")]
    told = results.rewritten(page, "all", rows, {"a.b": 0.25, "a.c": 0.9012})
    assert told == page.replace("| 1 |", "| .250, 90.1 % |").replace("| two | 3 |\n", "| two | 3 |\n| three | 0 |\n")
    assert results.rewritten(told, "all", rows, {}) == told


def test_the_pages_have_a_place_for_every_table():
    for page, name, rows in results.TABLES:
        text = (results.ROOT / page).read_text(encoding="utf-8")
        again = results.rewritten(text, name, rows, {})
        assert again == text
