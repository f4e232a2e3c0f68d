"""The one form of every measured figure: the machine it was measured on, and rows of name, value, unit."""

import importlib.metadata
import math
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec

from streamrnn import __version__


class Machine(msgspec.Struct, frozen=True):
    """Where a figure was measured; `commit` is the release when the sources are under no version control."""

    cpu: str
    cores: int
    python: str
    numba: str
    commit: str


class Figure(msgspec.Struct, frozen=True):
    """One figure; `value` is null when it could not be measured. Unit "1" is a plain number."""

    name: str
    value: float | None
    unit: str


class Report(msgspec.Struct, frozen=True):
    """The whole file."""

    machine: Machine
    rows: tuple[Figure, ...]


def machine() -> Machine:
    """This machine, as far as it tells."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        numba=importlib.metadata.version("numba"),
        commit=_commit(Path(__file__).parent),
    )


def figure(name: str, value: float | None, unit: str) -> Figure:
    """A figure; what is not finite has no form in JSON and becomes null."""
    return Figure(name, float(value) if value is not None and math.isfinite(value) else None, unit)


def write(path: Path, rows: Iterable[Figure], on: Machine | None = None) -> None:
    """Write a report as JSON."""
    report = Report(on or machine(), tuple(rows))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit(directory: Path) -> str:
    """The commit of a checkout, with "-dirty" when files differ; else the release."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(directory), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # an installed copy may lie in someone else's checkout
        return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return f"v{__version__}"
