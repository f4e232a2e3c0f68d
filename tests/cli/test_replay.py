"""`replay` is the engine, and nothing but the engine, over a file."""

import csv
import json
import math

import numpy as np
import pytest

from streamrnn.cli.replay import columns_of, replay, rows_of
from streamrnn.config import schema
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.score import Score
from streamrnn.recordings.rows import Rows
from tests.cli.console import call

CONFIG = """\
[model]
features = ["flow", "level"]
targets = ["flow"]
horizons = [1, 3]
preset = "light"
layers = [{ kind = "elman", size = 4 }]
[limits]
max_streams = 3
[columns]
stream = "pump"
"""
ROWS = 400


@pytest.fixture
def files(tmp_path):
    """A configuration and a recorded file of two pumps."""
    rng = np.random.default_rng(3)
    path, file = tmp_path / "config.toml", tmp_path / "rows.csv"
    path.write_text(CONFIG)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["time", "pump", "flow", "level"])
        for i in range(ROWS):
            flow = math.sin(i / 8) + 0.1 * rng.normal()
            writer.writerow(
                [1_700_000_000 + 60 * i, f"p{i % 2}", f"{flow:.4f}", "" if i % 17 == 0 else f"{rng.normal():.4f}"]
            )
    return path, file


def outcomes_of(path, file, size):
    """All rows of the outcomes, the engine fed in batches of `size`."""
    read = schema.load(path)
    engine, found = Engine(read.model, 3), []
    rows, score = Rows(file, read.columns, read.model.features), Score(engine.targets, engine.horizons)
    totals = replay(
        engine, rows, score, lambda _, outcomes, names: found.extend(rows_of(outcomes, names)), lambda _: None, size
    )
    return totals, found, score, columns_of(engine)


def test_one_row_an_observation_whatever_the_batches(files):
    totals, whole, score, header = outcomes_of(*files, 4096)
    _, parts, other, _ = outcomes_of(*files, 7)
    assert whole == parts
    for one, same in zip(score.steps(), other.steps(), strict=True):  # sums in another order
        assert [x for x in vars(one).values() if x != "flow"] == pytest.approx(
            [x for x in vars(same).values() if x != "flow"]
        )
    assert len(whole) == totals.observations == ROWS
    assert {len(row) for row in whole} == {len(header)}
    assert header[:6] == ["stream", "seq", "time", "flow_h1_yhat", "flow_h1_lower", "flow_h1_upper"]
    assert header[-4:] == ["anomaly_score", "is_anomaly", "flow_expected", "flow_actual"]
    assert [row[:3] for row in whole[:3]] == [["p0", 1, 1.7e9], ["p1", 1, 1.7e9 + 60], ["p0", 2, 1.7e9 + 120]]


def test_the_score_is_that_of_the_rows_written(files):
    """MAE at step 1, from the outcomes file alone: what was expected against what came."""
    _, rows, score, header = outcomes_of(*files, 4096)
    expected, actual = header.index("flow_expected"), header.index("flow_actual")
    errors = [abs(row[expected] - row[actual]) for row in rows if row[expected] is not None]
    assert len(errors) == score.steps()[0].scored == ROWS - 2
    assert np.mean(errors) == pytest.approx(score.steps()[0].mae)


def test_files_and_summary(files, tmp_path, monkeypatch, capsys):
    outcomes, summary = tmp_path / "outcomes.csv", tmp_path / "summary.json"
    code, out, err = call(monkeypatch, capsys, "replay", *files, "--output", outcomes, "--json", summary)
    assert code == 0, err
    assert "400 observations of 2 streams" in out
    found = json.loads(summary.read_text())
    assert found["observations"] == ROWS
    assert found["observations_per_s"] > 0
    assert [(step["target"], step["step"]) for step in found["horizons"]] == [("flow", 1), ("flow", 3)]
    for step in found["horizons"]:
        assert step["mae"] > 0
        assert step["mae_persistence"] > 0
        assert 0 < step["coverage"] <= 1
        assert step["mean_width"] > 0
    _, rows, _, header = outcomes_of(*files, 4096)
    with outcomes.open(newline="") as file:
        written = list(csv.reader(file))
    assert written[0] == header
    assert len(written) == 1 + ROWS
    for line, row in zip(written[1:], rows, strict=True):
        assert line[0] == row[0]
        cells = [None if cell == "" else float(cell) for cell in line[1:]]
        assert cells == [None if x is None else float(x) for x in row[1:]]


def test_ndjson_outcomes_and_a_summary_on_standard_output(files, tmp_path, monkeypatch, capsys):
    outcomes = tmp_path / "outcomes.ndjson"
    code, out, _ = call(monkeypatch, capsys, "replay", *files, "--output", outcomes, "--json", "-")
    assert code == 0
    assert json.loads(out)["observations"] == ROWS
    lines = [json.loads(line) for line in outcomes.read_text().splitlines()]
    assert len(lines) == ROWS
    assert lines[0]["flow_expected"] is None
    assert lines[-1]["is_anomaly"] in (True, False)


def test_streams_beyond_the_limit_are_left_out_and_told(tmp_path, monkeypatch, capsys):
    path, file = tmp_path / "config.toml", tmp_path / "rows.csv"
    path.write_text(CONFIG)
    file.write_text("time,pump,flow,level\n" + "".join(f"{i},p{i % 5},1,2\n" for i in range(50)))
    code, out, err = call(monkeypatch, capsys, "replay", path, file)
    assert code == 0
    assert "30 observations of 3 streams" in out
    assert "20 rows of streams beyond limits.max_streams" in err


def test_refused_rows_are_told(tmp_path, monkeypatch, capsys):
    path, file = tmp_path / "config.toml", tmp_path / "rows.csv"
    path.write_text(CONFIG)
    file.write_text("time,pump,flow,level\n0,a,1,2\n1,a,inf,2\n2,a,1,2\n3,a,-inf,2\nsoon,a,1,2\n")
    code, out, err = call(monkeypatch, capsys, "replay", path, file)
    assert code == 0
    assert "4 observations" in out
    assert "left out 1 rows (time 1); the first: line 6: time: time is 'soon'" in err
    assert "flow: 2 cells are no numbers and count as missing (flow is inf)" in err


@pytest.mark.parametrize("target", ["flow", "temperature", "a_rather_long_name_of_a_sensor"])
def test_the_table_fits_a_terminal_of_80_columns_with_its_names(target, tmp_path, monkeypatch, capsys):
    path, file = tmp_path / "config.toml", tmp_path / "rows.csv"
    path.write_text(CONFIG.replace('"flow"', f'"{target}"'))
    file.write_text(f"time,pump,{target},level\n" + "".join(f"{1800 * i},a,{1e3 + i % 7},2\n" for i in range(200)))
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = call(monkeypatch, capsys, "replay", path, file)
    assert code == 0, err
    assert target[:11] in out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_an_output_of_no_known_form_is_refused(files, tmp_path, monkeypatch, capsys):
    code, _, err = call(monkeypatch, capsys, "replay", *files, "--output", tmp_path / "outcomes.parquet")
    assert code == 65
    assert "outcomes.parquet" in err
