"""A newcomer's mistakes at the command line: told before anything is compiled, with what to write instead.

Those in a configuration file are in tests/config/test_explain.py, those of addresses in test_reach.py.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from streamrnn.config import schema
from streamrnn.config.explain import reference
from streamrnn.errors import ConfigError
from tests.cli.console import call

ROOT = Path(__file__).parents[2]
CONFIG = '[model]\nfeatures = ["flow"]\n'
EVENTS = '[model]\ntask = "events"\nfeatures = []\n'
ROWS = "time,flow\n0,1\n1,2\n"

MISTAKES = [  # configuration, name of the file and what is in it, code, what is said, hint
    (CONFIG, "rows.csv", ROWS.replace("time", "when"), 65, "no column 'time'; there are 'when', 'flow'", "[columns]"),
    (CONFIG + '[columns]\ntime = "tiem"\n', "rows.csv", ROWS, 65, "no column 'tiem'", "did you mean 'time'?"),
    (CONFIG, "rows.csv", ROWS.replace("flow", "Flow"), 65, "no column 'flow'", "did you mean 'Flow'?"),
    (CONFIG, "rows.csv", "a single line\n", 65, "no column 'flow'", "[columns]"),
    (CONFIG, "rows.parquet", ROWS, 65, ".parquet is not read", "write it as CSV"),
    (CONFIG, "rows.csv.gz", ROWS, 0, "", ""),
    (CONFIG, "rows.csv", ROWS.replace(",", ";"), 0, "", ""),
    (CONFIG, "rows.txt", ROWS, 0, "", ""),
    (EVENTS, "rows.log", "", 65, "the file is empty", "record"),
    (CONFIG + 'targets = ["flw"]\n', "rows.csv", ROWS, 78, "'flw'", "did you mean 'flow'?"),
    (CONFIG + "feature = { flwo = { lower = 0 } }\n", "rows.csv", ROWS, 78, "'flwo'", "did you mean 'flow'?"),
]


@pytest.fixture
def nothing_is_compiled(monkeypatch):
    """The test ends where the engine would be built."""
    from streamrnn.engine import engine, tasks

    class ReachedError(Exception):
        pass

    def build(model, *_, **__):
        tasks.compose(model)
        raise ReachedError

    monkeypatch.setattr(engine, "Engine", build)
    return ReachedError


@pytest.mark.parametrize(("config", "name", "text", "code", "said", "hint"), MISTAKES)
def test_a_mistake_is_told_before_anything_is_compiled(
    config, name, text, code, said, hint, tmp_path, monkeypatch, capsys, nothing_is_compiled
):
    (tmp_path / "config.toml").write_text(config)
    (tmp_path / name).write_text(text)
    try:
        found, _, err = call(monkeypatch, capsys, "replay", tmp_path / "config.toml", tmp_path / name)
    except nothing_is_compiled:
        assert code == 0 or name == "rows.log"
        return
    assert found == code
    assert said in err
    assert hint in err.split("hint: ")[1]


def test_templates_without_what_finds_them_are_told_at_once(tmp_path, monkeypatch, capsys, nothing_is_compiled):
    (tmp_path / "config.toml").write_text(EVENTS)
    (tmp_path / "rows.log").write_text("a\nb\n")
    monkeypatch.setitem(sys.modules, "drain3", None)
    code, _, err = call(
        monkeypatch, capsys, "replay", tmp_path / "config.toml", tmp_path / "rows.log", "--as", "templates"
    )
    assert code == 1
    assert "extra logs" in err


def test_check_says_what_is_right_and_perhaps_not_meant(tmp_path, monkeypatch, capsys):
    path = tmp_path / "config.toml"
    path.write_text(
        CONFIG + 'monitors = [{ kind = "anomaly" }, { kind = "flat" }]\n' + f'[state]\npath = "{tmp_path}/s"\n'
    )
    code, out, _ = call(monkeypatch, capsys, "check", path)
    assert code == 0
    assert 'names "flat" alone' in out.replace("\n", " ")
    assert "[model.feature.flow] lower = 0.0" in out.replace("\n", " ")


def test_what_refusals_point_to_is_there_in_the_source_and_in_the_wheel(tmp_path):
    assert reference().exists()
    with pytest.raises(ConfigError):
        schema.parse("[model]\nfeature = 3\n")
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, ROOT],
        capture_output=True,
        text=True,
    )
    if built.returncode:
        pytest.skip("hatchling is not installed here")
    (wheel,) = tmp_path.glob("*.whl")
    assert "streamrnn/config/reference.toml" in zipfile.ZipFile(wheel).namelist()


def test_the_configuration_beside_the_producer_s_program_fits_it():
    page = (ROOT / "deploy" / "PROTOCOL.md").read_text()
    config = schema.parse(page.split("```toml\n")[1].split("```")[0])
    assert (config.input[0].kind, config.input[0].endpoint) == ("router", "tcp://127.0.0.1:5555")
    assert f'Producer("{config.input[0].endpoint}"' in page
    assert f'catchup="{config.output.catchup}"' in page
