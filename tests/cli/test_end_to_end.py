"""The demo and the bench with the real daemon, as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn.bench.child import daemon, fetch, samples
from streamrnn.cli.demo import MODEL, stream, water_flow
from streamrnn.errors import StreamrnnError

ROOT = Path(__file__).parents[2]
SETTINGS = '[state]\npath = "{}"'


def streamrnn(*arguments):
    command = [sys.executable, "-m", "streamrnn", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300)


def test_demo(tmp_path):
    figures, plot = tmp_path / "figures.json", tmp_path / "run.png"
    found = streamrnn("demo", "--json", figures, "--plot", plot)
    assert found.returncode == 0, found.stderr
    for text in (
        "Mean absolute error",
        "river SNARIMAX",
        "river HoltWinters",
        "coverage",
        "Anomaly events",
        "/metrics",
    ):
        assert text in found.stdout
    assert "streamrnn_observations_applied_total" in found.stdout
    report = json.loads(figures.read_text())
    rows = {row["name"]: row for row in report["rows"]}
    assert report["machine"]["cores"] >= 1
    for step in (1, 3, 6, 24):
        assert 0 < rows[f"demo.h{step}.mae"]["value"] < rows[f"demo.h{step}.mae_snarimax"]["value"]
        assert rows[f"demo.h{step}.skill_holtwinters"]["value"] > 0
        assert rows[f"demo.h{step}.mae"]["unit"] == "l/s"
    assert 0.86 <= rows["demo.coverage"]["value"] <= 0.94
    assert rows["demo.known_found"]["value"] >= 3
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_nothing_is_lost_on_the_way_and_answers_come_once(tmp_path):
    times, values = water_flow()
    times, values = times[:200], values[:200]
    with daemon(MODEL, tmp_path, SETTINGS.format(tmp_path / "state")) as child:
        heard = stream(child, times, values)
        metrics = samples(fetch(f"{child.metrics}/metrics"))
    assert list(heard.predictions) == times.tolist()
    assert metrics["streamrnn_observations_learned_total", ()] == 200
    assert child.process.returncode == 0


def test_a_daemon_that_cannot_start_is_told_with_its_last_words(tmp_path):
    with pytest.raises(StreamrnnError, match=r"did not start.*horizon"), daemon(MODEL + "horizon = 1\n", tmp_path):
        pass


def test_bench_service(tmp_path):
    figures = tmp_path / "figures.json"
    found = streamrnn("bench", "service", "--seconds", "0.2", "--json", figures)
    assert found.returncode == 0, found.stderr
    rows = {row["name"]: row["value"] for row in json.loads(figures.read_text())["rows"]}
    for name in (
        "service.json.obs_per_s",
        "service.json.bare_obs_per_s",
        "service.json.bare_fraction",
        "service.frame64.obs_per_s",
        "service.latency.p50_ms",
        "service.latency.p99_ms",
    ):
        assert rows[name] > 0, name
        assert name in found.stdout
    assert rows["service.json.bare_fraction"] == pytest.approx(
        rows["service.json.obs_per_s"] / rows["service.json.bare_obs_per_s"]
    )


def test_warm_fills_the_cache_that_it_names(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(MODEL)
    found = streamrnn("warm", path)
    assert found.returncode == 0, found.stderr
    cache = Path(found.stdout.strip().rpartition("kept in ")[2])
    assert list(cache.rglob("*.nbi"))
