"""What `check` says is what the engine takes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from streamrnn.cli.check import describe
from streamrnn.config import schema
from streamrnn.engine.engine import Engine
from streamrnn.service.ingest import ports
from tests.cli.console import call

CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("name", ["waterflow", "machines", "labelled"])
def test_memory_is_the_engines(name):
    read = schema.load(CONFIG / f"{name}.toml")
    found = describe(read)["memory"]
    engine = Engine(read.model, read.limits.max_streams)
    assert found["stream_bytes"] == engine.bytes_per_stream
    assert found["shared_bytes"] == (len(engine.export("")) if read.model.weights == "pooled" else 0)
    assert found["total_bytes"] == found["shared_bytes"] + read.limits.max_streams * engine.bytes_per_stream


def test_json_names_the_parts_with_all_their_settings(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "check", CONFIG / "labelled.toml", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["layers"] == [{"kind": "lstm", "size": 16}]
    assert found["targets"] == ["label"]
    assert found["rule"] == {"kind": "tbptt", "window": 16, "stride": 8, "recompute": False}
    assert [queue["socket"] for queue in found["queues"]] == ["pull", "output"]
    assert found["parameters"] > 0


@pytest.mark.parametrize("kind", ["per_stream", "pooled"])
def test_the_covariances_of_the_filter_are_told(kind):
    """GRU(8) on one input: 8 groups of 31 weights, a readout of 9, each a lower half and a correction that waits."""
    from streamrnn import spec

    model = spec.Model(
        features=("a",), optimiser=spec.Ekf(), inputs=("value",), experts=(spec.Last(),), weights=kind, gate=False
    )
    found = describe(schema.Config(model=model, input=(schema.Input(kind="pull", endpoint="ipc:///tmp/a"),)))["memory"]
    covariances = 8 * (31 * 32 // 2 + 31) + 8 * (9 * 10 // 2 + 9)
    assert covariances <= found["optimiser_bytes"] / 4 <= covariances + 8
    assert found["optimiser_bytes"] < (found["stream_bytes"] if kind == "per_stream" else found["shared_bytes"])


def test_the_table_tells_the_memory(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "check", CONFIG / "machines.toml")
    assert code == 0
    assert "for 1000 streams" in out
    assert "shared by all streams" in out


def test_any_setting_can_be_shown(tmp_path, monkeypatch, capsys):
    path = tmp_path / "config.toml"
    path.write_text('[model]\nfeatures = ["a"]\nlayers = [{ kind = "lru" }]\nhead = { kind = "quantile" }\n')
    code, out, _ = call(monkeypatch, capsys, "check", path)
    assert code == 0
    assert "lru(size 16, r_min 0, r_max 0.99" in out
    assert "quantile(levels" in out


def test_what_the_plan_refuses_is_told_with_the_file(tmp_path, monkeypatch, capsys):
    path, file = tmp_path / "config.toml", tmp_path / "rows.csv"
    path.write_text('[model]\nfeatures = ["a"]\nhorizons = [3, 1]\n')
    file.write_text("time,a\n1,2\n")
    for command in (["check", path], ["warm", path], ["replay", path, file]):
        code, _, err = call(monkeypatch, capsys, *command)
        assert code == 78, command
        assert f"{path}: model.horizons is not in ascending order" in err, command
    ended = subprocess.run([sys.executable, "-m", "streamrnn", "run", path], capture_output=True, timeout=60)
    assert ended.returncode == 78
    assert f"{path}: model.horizons is not in ascending order" in json.loads(ended.stderr)["error"]


def test_more_streams_than_memory_are_refused_with_how_many_fit(monkeypatch, capsys):
    monkeypatch.setattr("streamrnn.cli.check.physical", lambda: 1_000_000)
    code, out, err = call(monkeypatch, capsys, "check", CONFIG / "machines.toml")
    assert code == 78
    assert out == ""
    assert "limits: 1000 streams in memory need" in err
    assert "this machine has 976.6 KiB" in err
    assert "room for at most" in err


@pytest.mark.parametrize("limit", [1024, 1_048_576, 2**28, 2**30])
def test_the_queues_are_those_of_the_sockets(limit):
    read = schema.parse(f'[model]\nfeatures = ["a"]\n[limits]\nmax_frame_bytes = {limit}\n')
    frames = ports.options(read.input[0], limit)[zmq.RCVHWM]
    assert describe(read)["queues"][0]["messages"] == frames
    assert describe(read)["queues"][0]["bytes"] == frames * limit
