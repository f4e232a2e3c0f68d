"""A configuration from a file, and a replay without one."""

import csv
import json
import math

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.config import schema
from streamrnn.evaluation.aligned import LongRows
from streamrnn.recordings.draft import draft
from tests.cli.console import call


def german(path, n=400, step=3600, streams=("a",)):
    """Hourly values of one or more meters, with `;`, decimal commas, d.m.Y and a column for the clock."""
    lines = ["Zähler;Datum;Uhrzeit;Durchfluss m³;Druck\n"]
    for i in range(n):
        date, clock = str(np.datetime64("2024-03-01T00:00:00") + np.timedelta64(i * step, "s")).split("T")
        day = ".".join(reversed(date.split("-")))
        flow, pressure = (f"{x:.3f}".replace(".", ",") for x in (5 + math.sin(i / 24 * 2 * math.pi), -1.5 + i % 7))
        lines += [f"{name};{day};{clock};{flow};{pressure}\n" for name in streams]
    path.write_text("".join(lines), encoding="cp1252")
    return path


def test_a_configuration_says_what_the_file_says(tmp_path):
    made = draft(german(tmp_path / "flow.csv", streams=("north", "south")))
    config = made.config
    assert config.model.features == ("Durchfluss m³", "Druck")
    assert config.model.horizons == (1, 24)
    assert config.model.feature == {"Durchfluss m³": spec.Feature(lower=0.0)}
    assert config.columns.stream == "Zähler"
    assert config.columns.time == ("Datum", "Uhrzeit")
    assert (config.columns.delimiter, config.columns.decimal) == (";", ",")
    assert config.columns.time_format == "%d.%m.%Y %H:%M:%S"
    assert "a value 1 hour" in made.text()
    assert "1 hour and 1 day" in made.text()


@pytest.mark.parametrize(
    ("step", "horizons"), [(1, (1,)), (60, (1, 60)), (900, (1, 96)), (3600, (1, 24)), (86400, (1, 7))]
)
def test_horizons_follow_from_the_interval(tmp_path, step, horizons):
    assert draft(german(tmp_path / "flow.csv", step=step)).horizons == horizons


def test_init_as_a_command(tmp_path, monkeypatch, capsys):
    file, config = german(tmp_path / "flow.csv"), tmp_path / "flow.toml"
    code, out, _ = call(monkeypatch, capsys, "init", file, "--output", config)
    assert code == 0
    assert f"streamrnn replay {config} {file}" in out
    assert schema.load(config).model.horizons == (1, 24)
    code, _, err = call(monkeypatch, capsys, "init", file, "--output", config)
    assert code == 1
    assert "say --force" in err
    code, out, _ = call(monkeypatch, capsys, "init", file)
    assert schema.parse(out) == schema.load(config)


def test_a_file_without_numbers_is_refused(tmp_path, monkeypatch, capsys):
    path = tmp_path / "names.csv"
    path.write_text("name,place\nanna,berlin\nbert,bonn\n")
    code, _, err = call(monkeypatch, capsys, "init", path)
    assert code == 65
    assert "0 columns of numbers" in err


def test_a_log_is_events(tmp_path):
    path = tmp_path / "system.log"
    path.write_text("started\nstopped\n" * 5)
    config = draft(path).config
    assert config.model.task == "events"
    assert config.model.features == ()


def test_replay_without_a_configuration_with_a_picture_and_long_rows(tmp_path, monkeypatch, capsys):
    file, picture, out = german(tmp_path / "flow.csv", 300), tmp_path / "flow.png", tmp_path / "out.csv"
    code, said, err = call(monkeypatch, capsys, "replay", file, "--plot", picture, "--output", out, "--long")
    assert code == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "no configuration: features Durchfluss m³, Druck; 1 hour and 1 day ahead" in err
    assert "300 observations of 1 streams" in said
    with out.open() as rows:
        found = list(csv.DictReader(rows))
    assert list(found[0]) == LongRows.COLUMNS
    assert len(found) == 300 * 2 * 2
    late = [row for row in found[-40:] if row["target"] == "Durchfluss m³" and row["step"] == "24"]
    assert all(float(row["lower"]) <= float(row["yhat"]) <= float(row["upper"]) for row in late)
    assert abs(float(late[-1]["y"]) - float(late[-1]["yhat"])) < 1.0


def test_replay_hints_at_what_is_never_negative(tmp_path, monkeypatch, capsys):
    """Trial 10: counts that are zero on most days, forecast below zero until told."""
    rng = np.random.default_rng(10)
    path, config = tmp_path / "parts.csv", tmp_path / "parts.toml"
    sold = (rng.random(600) < 0.12) * (1 + rng.poisson(3, 600))
    path.write_text("time,used\n" + "".join(f"{1_672_531_200 + 86400 * i},{x}\n" for i, x in enumerate(sold)))
    config.write_text('[model]\nfeatures = ["used"]\nhorizons = [1, 7]\n')
    _, _, err = call(monkeypatch, capsys, "replay", config, path)
    assert "used is never negative" in err
    assert "set lower = 0.0 under [model.feature.used]" in err
    assert draft(path).config.model.feature["used"].lower == 0.0
    config.write_text('[model]\nfeatures = ["used"]\nhorizons = [1, 7]\nfeature = { used = { lower = 0.0 } }\n')
    _, out, err = call(monkeypatch, capsys, "replay", config, path, "--json", "-")
    assert "never negative" not in err
    assert json.loads(out)["observations"] == 600


def test_raw_log_lines_get_the_hint_at_templates(tmp_path, monkeypatch, capsys):
    """Trial 35: every line is new, which is no hit."""
    path, config = tmp_path / "syslog.log", tmp_path / "config.toml"
    path.write_text("".join(f"Sep 01 00:{i // 60:02d}:{i % 60:02d} gw CRON[{i * 7}]: CMD\n" for i in range(1500)))
    config.write_text('[model]\ntask = "events"\nfeatures = []\n')
    _, out, err = call(monkeypatch, capsys, "replay", config, path, "--json", "-")
    found = json.loads(out)
    assert found["unseen"] > 0.8
    assert found["top1"] < 0.2
    assert "say --as templates" in err


def test_replay_tells_a_silence_as_the_daemon_does(tmp_path, monkeypatch, capsys):
    """Trial 27: nothing comes for five intervals on day 12."""
    path, config = tmp_path / "requests.csv", tmp_path / "silence.toml"
    start, gap = 1_756_684_800, range(12 * 288 + 194, 12 * 288 + 199)
    rows = [
        f"{start + 300 * i},{1000 + 800 * math.sin(i / 144 * math.pi):.0f}\n" for i in range(14 * 288) if i not in gap
    ]
    path.write_text("time,requests\n" + "".join(rows))
    config.write_text('[model]\nfeatures = ["requests"]\nsilence = 2.0\npreset = "light"\n')
    code, out, _ = call(monkeypatch, capsys, "replay", config, path, "--json", "-")
    found = json.loads(out)
    assert code == 0
    assert found["silences"] == 1
    assert found["silent"][0]["due"] == start + 300 * (gap[0] - 1) + 600
    config.write_text('[model]\nfeatures = ["requests"]\npreset = "light"\n')
    assert json.loads(call(monkeypatch, capsys, "replay", config, path, "--json", "-")[1])["silences"] == 0
