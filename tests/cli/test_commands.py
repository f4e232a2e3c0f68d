"""Help, version and exit codes: what a user meets first."""

import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn import __version__, cli
from tests.cli.console import call

ROOT = Path(__file__).parents[2]
NAMES = "init run check warm demo replay send tail keys bench state ctl"
COMMANDS = [*([name] for name in NAMES.split()), ["bench", "service"]]
BAD = '[model]\nfeatures = ["flow"]\nhorizon = [1]\n'
GOOD = '[model]\nfeatures = ["flow"]\n'


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples(command, monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, *command, "--help")
    assert code == 0
    assert "Examples:" in out
    assert f"streamrnn {' '.join(command)}" in out


def test_no_command_is_without_a_help_test():
    named = {command.name for command in cli.app.registered_commands} | {
        group.name for group in cli.app.registered_groups
    }
    assert named == {command[0] for command in COMMANDS}


def test_the_root_documents_the_exit_codes(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "--help")
    assert code == 0
    for line in ("0   done", "1   it failed", "65  the input file", "78  the configuration"):
        assert line in out


def test_version(monkeypatch, capsys):
    assert call(monkeypatch, capsys, "--version") == (0, f"streamrnn {__version__}\n", "")


def test_an_unknown_command_is_a_matter_of_usage(monkeypatch, capsys):
    assert call(monkeypatch, capsys, "dance")[0] == 2


@pytest.mark.parametrize("command", ["check", "warm", "replay"])
def test_a_wrong_configuration_is_78_with_its_key_and_a_hint(command, monkeypatch, capsys, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(BAD)
    more = ["rows.csv"] if command == "replay" else []
    code, _, err = call(monkeypatch, capsys, command, path, *more)
    assert code == 78
    assert "horizon" in err
    assert "Traceback" not in err


def test_an_impossible_model_is_78(monkeypatch, capsys, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[model]\nfeatures = ["flow"]\ntargets = ["level"]\n')
    code, _, err = call(monkeypatch, capsys, "check", path)
    assert code == 78
    assert "targets" in err
    assert "hint:" in err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gone.csv", None),
        ("rows.xls", "time,flow\n0,1\n"),
        ("rows.csv", "time,level\n0,1\n"),
        ("rows.csv", "time,flow\nyesterday,1\n"),
        ("rows.csv", ""),
        ("rows.ndjson", "{not json}\n"),
    ],
)
def test_a_file_of_no_use_is_65(name, text, monkeypatch, capsys, tmp_path):
    config, file = tmp_path / "config.toml", tmp_path / name
    config.write_text(GOOD)
    if text is not None:
        file.write_text(text)
    code, _, err = call(monkeypatch, capsys, "replay", config, file)
    assert code == 65
    assert name in err
    assert "hint:" in err


def test_an_endpoint_that_is_none_is_1(monkeypatch, capsys, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("time,flow\n0,1\n")
    for arguments in (["send", file, "nowhere"], ["tail", "nowhere"]):
        code, _, err = call(monkeypatch, capsys, *arguments)
        assert code == 1
        assert "nowhere" in err


def test_a_fault_of_ours_shows_its_traceback(monkeypatch, capsys, tmp_path):
    def fail(*_):
        raise ZeroDivisionError

    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    monkeypatch.setattr("streamrnn.cli.check.describe", fail)
    with pytest.raises(ZeroDivisionError):
        call(monkeypatch, capsys, "check", path)


def test_help_imports_nothing_heavy():
    """Numba and river take longer to import than a reader waits."""
    program = (
        "import sys, streamrnn.cli; print([m for m in ('numba', 'river', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize("command", ["check", "run"])
def test_as_a_process_the_code_reaches_the_shell(command, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(BAD)
    arguments = [sys.executable, "-m", "streamrnn", command, str(path)]
    found = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)
    assert found.returncode == 78
    assert found.stdout == ""
    assert "horizon" in found.stderr
    assert "Traceback" not in found.stderr


def test_where_nothing_can_be_written_no_work_is_begun(monkeypatch, capsys, tmp_path):
    config, file, gone = tmp_path / "config.toml", tmp_path / "rows.csv", tmp_path / "gone" / "x.json"
    config.write_text(GOOD)
    file.write_text("time,flow\n0,1\n")
    for arguments in (
        ["demo", "--json", gone],
        ["bench", "service", "--json", gone],
        ["replay", config, file, "--json", gone],
    ):
        code, out, err = call(monkeypatch, capsys, *arguments)
        assert code == 1
        assert str(gone) in err
        assert out == ""
