"""The systemd unit, the container file, and what the notes say about both."""

import re
from pathlib import Path

import msgspec
import pytest
from deployment import DEPLOY, program, run
from typer.main import get_command

from streamrnn import errors
from streamrnn.cli import app
from streamrnn.config import schema

UNIT = DEPLOY / "streamrnn.service"
PROGRAM = "/opt/streamrnn/bin/streamrnn"
NOTES = [*sorted(DEPLOY.glob("*.md")), DEPLOY / "prometheus" / "rules.yml", DEPLOY / "grafana" / "panels.py", UNIT]


def settings() -> dict[str, list[str]]:
    """All values of each setting of the unit, in order."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.M):
        found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def unit_here(tmp_path: Path) -> Path:
    """The unit with a program that exists on this machine, which `verify` insists on."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
    return path


def test_systemd_accepts_the_unit(unit_here: Path) -> None:
    result = run(program("systemd-analyze"), "verify", "--man=no", unit_here)
    assert result.returncode == 0, result.stderr
    assert UNIT.name not in result.stderr


def test_its_exposure_is_at_most_1_1(unit_here: Path) -> None:
    result = run(program("systemd-analyze"), "security", "--offline=true", "--threshold=11", unit_here)
    assert result.returncode == 0, result.stdout


def test_without_a_network_it_is_at_most_0_3(tmp_path: Path) -> None:
    """The drop-in as systemd reads it: behind the unit."""
    unit, drop = UNIT.read_text().split("[Install]")[0], DEPLOY / f"{UNIT.name}.d" / "sandboxed.conf"
    path = tmp_path / UNIT.name
    path.write_text(unit.replace(PROGRAM, "/bin/true") + drop.read_text())
    result = run(program("systemd-analyze"), "security", "--offline=true", "--threshold=3", path)
    assert result.returncode == 0, result.stdout
    sockets = tmp_path / "streamrnn.socket"
    sockets.write_text((DEPLOY / "streamrnn.socket").read_text())
    result = run(program("systemd-analyze"), "verify", "--man=no", path, sockets)
    assert result.returncode == 0, result.stderr


def test_the_socket_unit_listens_where_the_configuration_says() -> None:
    listening = set(re.findall(r"^ListenStream=(.*)$", (DEPLOY / "streamrnn.socket").read_text(), re.M))
    endpoints = {each.endpoint.removeprefix("tcp://") for each in (schema.Input(), schema.Output())}
    assert listening == endpoints | {f"{schema.Metrics().host}:{schema.Metrics().port}"}


def test_it_runs_one_configuration_and_does_not_retry_in_vain() -> None:
    unit = settings()
    assert unit["Type"] == ["notify"]
    assert "ExecStartPre" not in unit  # whatever runs first is a part of every restart
    assert unit["ExecStart"] == [f"{PROGRAM} run /etc/streamrnn/streamrnn.toml"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["RestartPreventExitStatus"] == [f"{errors.EXIT_DATA} {errors.EXIT_CONFIG}"]


def test_the_cache_of_compiled_kernels_is_private() -> None:
    unit = settings()
    assert unit["DynamicUser"] == ["yes"]
    assert unit["CacheDirectoryMode"] == ["0700"]
    assert f"NUMBA_CACHE_DIR=%C/{unit['CacheDirectory'][0]}/numba" in unit["Environment"]


def test_the_hardening_leaves_what_the_libraries_need() -> None:
    """Each of these lines has killed libzmq or Numba, or made metrics disappear."""
    unit = settings()
    assert "MemoryDenyWriteExecute" not in unit
    assert "ProcSubset" not in unit
    assert {"AF_NETLINK", "AF_UNIX", "AF_INET"} <= set(unit["RestrictAddressFamilies"][0].split())
    filters = unit["SystemCallFilter"]
    assert filters.index("sched_setscheduler mbind") > filters.index("~@privileged @resources")


def test_the_container_runs_as_an_ordinary_user() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert re.findall(r"^FROM (.*)$", text, re.M) == ["python:3.11-slim"]
    users = re.findall(r"^USER (.*)$", text, re.M)
    assert users
    assert users[-1] not in {"root", "0"}
    assert 'ENTRYPOINT ["streamrnn"]' in text
    sources = {name for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for name in line.split()}
    assert {"pyproject.toml", "streamrnn"} <= sources
    for endpoint in (schema.Input().endpoint, schema.Output().endpoint, f":{schema.Metrics().port}"):
        assert re.search(rf"^EXPOSE .*\b{endpoint.rsplit(':', 1)[1]}\b", text, re.M)


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.name)
def test_configuration_keys_in_the_notes_exist(path: Path) -> None:
    sections = {field.name: field.type for field in msgspec.structs.fields(schema.Config)}
    for section, key in re.findall(r"\b(limits|state|metrics|output|log)\.([a-z_]+)\b", path.read_text()):
        assert key in {field.name for field in msgspec.structs.fields(sections[section])}, f"{section}.{key}"


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.name)
def test_commands_in_the_notes_exist(path: Path) -> None:
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = re.findall(r"(?:`|/bin/)streamrnn ([a-z]+)", path.read_text())
    assert set(named) <= known


def test_the_notes_use_the_units_paths() -> None:
    notes = (DEPLOY / "INSTALL.md").read_text()
    unit = settings()
    for place in ("/opt/streamrnn", "/etc/streamrnn/streamrnn.toml", "/etc/streamrnn/environment"):
        assert place in UNIT.read_text()
        assert place in notes
    assert f"/var/lib/{unit['StateDirectory'][0]}" in notes
    assert f"/var/cache/{unit['CacheDirectory'][0]}/numba" in notes
    assert unit["Documentation"][0].removeprefix("file://").rpartition("/")[0] in notes
