"""What the demo says of a run follows from what was published and what came."""

import sys

import numpy as np
import pytest
from rich.console import Console

from streamrnn.cli.demo import draw, water_flow
from streamrnn.evaluation import baselines, picture, verdict
from streamrnn.evaluation.verdict import KNOWN, OURS, STEPS


def prediction(time, yhat):
    forecasts = [
        {"target": "flow", "step": step, "time": None, "yhat": yhat, "yhat_lower": yhat - 1, "yhat_upper": yhat + 1}
        for step in STEPS
    ]
    return {"time": time, "forecasts": forecasts, "level": 0.9, "anomaly_score": None}


def anomaly(number, state, time, started, severity="minor"):
    return {
        "event_id": f"waterflow/{number}",
        "state": state,
        "time": time,
        "started": started,
        "severity": severity,
        "expected": {"flow": 100.0},
        "actual": {"flow": 24.0},
    }


@pytest.fixture(scope="module")
def result():
    """A daemon that always says the last value, plus and minus one."""
    times, values = water_flow()
    said = {time: prediction(time, value) for time, value in zip(times.tolist(), values.tolist(), strict=True)}
    start = KNOWN[0].start
    anomalies = [
        anomaly(1, "open", start, start),
        anomaly(1, "worsen", start + 3600, start, "critical"),
        anomaly(1, "close", start + 7200, start, "minor"),
        anomaly(2, "open", times[600], times[600]),
    ]
    return verdict.judge(times, values, said, anomalies)


def test_the_stream_is_the_one_that_is_known():
    times, values = water_flow()
    assert len(times) == len(values) == 1268
    assert np.isin([stretch.start for stretch in KNOWN], times).all()
    for stretch in KNOWN:
        inside = values[(times >= stretch.start) & (times <= stretch.end)]
        assert inside.min() < 92 if stretch.what == "low flow" else inside.max() > 109
    outside = np.ones(len(times), bool)
    for stretch in KNOWN:
        outside &= (times < stretch.start - 3600) | (times > stretch.end + 4 * 3600)
    assert values[outside].min() > 97
    assert values[outside].max() < 107.5


def test_who_says_the_last_value_has_the_error_of_persistence(result):
    assert result.error[OURS] == pytest.approx(result.error["persistence"])
    rows = {row.name: row.value for row in verdict.rows(result)}
    for step in STEPS:
        assert rows[f"demo.h{step}.skill_persistence"] == pytest.approx(0)
    assert rows["demo.h24.mae_seasonal"] == pytest.approx(rows["demo.h24.mae_persistence"])


def test_errors_are_on_the_rows_that_all_have(result):
    times, values = result.times, result.values
    assert all(1100 < scored < 1268 for scored in result.scored)
    at = dict(zip(times, values, strict=True))
    naive = [abs(at[t + 3600] - at[t]) for t in times if t + 3600 in at and t - 23 * 3600 in at]
    assert 0 <= len(naive) - result.scored[0] < 48  # river's models need a day or two to begin
    assert result.error["persistence"][0] == pytest.approx(np.mean(naive[-result.scored[0] :]))


def test_coverage_counts_what_fell_inside(result):
    times, values = result.times, result.values
    hits = [abs(b - a) <= 1 for a, b, s, t in zip(values, values[1:], times, times[1:], strict=False) if t - s == 3600]
    assert result.coverage[0] == pytest.approx(np.mean(hits))
    assert result.width == pytest.approx([2.0] * len(STEPS))


def test_every_figure_that_was_asked_for_is_there(result):
    names = {row.name for row in verdict.rows(result)}
    for step in STEPS:
        for name in ("mae", "skill_persistence", "skill_seasonal", "skill_snarimax", "skill_holtwinters"):
            assert f"demo.h{step}.{name}" in names
    assert "demo.coverage" in names


def test_events_take_their_worst_severity_and_their_stretch(result):
    first, second = result.events
    assert (first.severity, first.known, first.ended) == ("critical", 0, KNOWN[0].start + 7200)
    assert (second.severity, second.known, second.ended) == ("minor", None, None)
    rows = {row.name: row.value for row in verdict.rows(result)}
    assert (rows["demo.events"], rows["demo.known_found"], rows["demo.events_elsewhere"]) == (2, 1, 1)


def test_baselines_never_see_the_future():
    times, values = water_flow()
    times, values = times[:120], values[:120]
    changed = values.copy()
    changed[80:] = 1e3
    for setting in baselines.settings():
        one = baselines.predict(setting, values.tolist(), STEPS)
        other = baselines.predict(setting, changed.tolist(), STEPS)
        assert np.array_equal(one[:80], other[:80], equal_nan=True), setting.name
        assert np.isfinite(one[79]).all(), setting.name
        assert not np.array_equal(one[81:], other[81:], equal_nan=True)
    for name, one in baselines.naive(times, values, STEPS).items():
        assert np.array_equal(one[:80], baselines.naive(times, changed, STEPS)[name][:80], equal_nan=True)


def test_what_diverges_is_told_as_it_is():
    actual, forecast = np.ones((3, 1)), np.array([[1.0], [np.inf], [np.nan]])
    error, scored = baselines.errors(actual, {"a": forecast, "b": np.zeros((3, 1))})
    assert scored == [2]  # inf is a forecast, NaN is none
    assert error["a"][0] == np.inf
    assert error["b"][0] == 1.0


def test_the_picture_is_a_png(result, tmp_path):
    path = tmp_path / "run.png"
    picture.draw(path, result)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 50_000


def test_without_matplotlib_it_says_how_to_get_it(result, tmp_path, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "streamrnn.evaluation.picture")
    monkeypatch.delattr("streamrnn.evaluation.picture")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    draw(Console(), tmp_path / "run.png", result)
    assert 'pip install "streamrnn[plot]"' in capsys.readouterr().out
    assert not (tmp_path / "run.png").exists()
