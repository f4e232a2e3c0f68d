"""What `check` says is what the engine takes."""

import json
from pathlib import Path

import pytest

from streamrnn import config
from streamrnn.cli.check import describe
from streamrnn.engine import Engine
from tests.cli.console import call

CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("name", ["waterflow", "machines", "labelled"])
def test_memory_is_the_engines(name):
    read = config.load(CONFIG / f"{name}.toml")
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
    assert found["rule"] == {"kind": "tbptt", "window": 16, "stride": 8}
    assert [queue["socket"] for queue in found["queues"]] == ["pull", "output"]
    assert found["parameters"] > 0


def test_the_table_tells_the_memory(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "check", CONFIG / "machines.toml")
    assert code == 0
    assert "for 1000 streams" in out
    assert "shared by all streams" in out
