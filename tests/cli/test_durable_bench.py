"""`bench durable`: its figures and names; and once, as a fault test since it kills daemons, the whole of it."""

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from streamrnn import cli
from streamrnn.bench import durable as module
from streamrnn.bench.durable import Line, Tally

NAMES = {
    "durable.single.obs_per_s",
    "durable.single.ack_p50_ms",
    "durable.single.ack_p99_ms",
    "durable.single.ack_p999_ms",
    "durable.frame64.obs_per_s",
    "durable.slow_disk.obs_per_s",
    "durable.lost",
    "durable.twice",
}


def test_figures_are_what_was_measured_and_null_where_it_could_not_be():
    lines = [Line("single", "each ack", 100.0, 50.0, np.array([0.001] * 99 + [0.1])), Line("frame64", "", 9.0, 0, [])]
    rows = {row.name: row.value for row in module.figures(lines, Tally(acked=5, lost=1, twice=2))}
    assert rows.keys() >= NAMES
    assert rows["durable.single.obs_per_s"] == 100.0
    assert rows["durable.single.ack_p50_ms"] == pytest.approx(1.0)
    assert rows["durable.single.ack_p999_ms"] > 90.0
    assert rows["durable.slow_disk.obs_per_s"] is None
    assert (rows["durable.lost"], rows["durable.twice"]) == (1, 2)


def test_a_frame_holds_as_many_observations_as_it_says_each_later_than_the_last():
    frames = [msgspec.msgpack.decode(module.frame(i)) for i in (3, 3 + module.STREAMS)]
    assert [len(frame["time"]) for frame in frames] == [module.FRAME] * 2
    assert frames[1]["time"][0] == frames[0]["time"][-1] + 1


@pytest.mark.long
def test_the_whole_of_it(tmp_path):
    path = tmp_path / "durable.json"
    result = CliRunner().invoke(cli.app, ["bench", "durable", "--seconds", "0.3", "--json", str(path)])
    assert result.exit_code == 0, result.output
    rows = {row["name"]: row["value"] for row in msgspec.json.decode(path.read_bytes())["rows"]}
    assert rows.keys() >= NAMES
    assert rows["durable.single.obs_per_s"] > 0
    assert rows["durable.acked"] > 1000
    assert (rows["durable.lost"], rows["durable.twice"]) == (0, 0)
