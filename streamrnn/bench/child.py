"""The real daemon as a process of its own, with a state directory and loopback ports that nobody else uses."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from streamrnn.errors import StreamrnnError

PATIENCE = 300.0  # seconds a start may take: everything is compiled at the first one
GRACE = 20.0  # seconds to drain after SIGTERM


@dataclass(frozen=True)
class Child:
    """A running daemon and where to reach it."""

    process: subprocess.Popen[bytes]
    log: Path
    input: str
    output: str
    metrics: str  # http://127.0.0.1:port
    ready_seconds: float  # from its start until it was ready

    def check(self) -> None:
        """Raise StreamrnnError when it has ended."""
        if self.process.poll() is not None:
            raise StreamrnnError(f"the daemon ended with {self.process.returncode}: {_last(self.log)}")


@contextmanager
def daemon(
    model: str, directory: Path, more: str = "", cpus: set[int] | None = None, under: Sequence[str] = ()
) -> Iterator[Child]:
    """Start `python -m streamrnn run` on a TOML `[model]`, wait until it is ready, and stop it in the end.

    `more` is further TOML; `cpus` are the cores it may use; `under` is a command to run it under. Raises StreamrnnError
    when it does not start or stop well; one that was killed meanwhile is left at that.
    """
    entry, out, port = free_ports(3)
    text = f"""{model}
[[input]]
endpoint = "tcp://127.0.0.1:{entry}"
[output]
endpoint = "tcp://127.0.0.1:{out}"
high_water = 100000
[metrics]
port = {port}
{more}
"""
    path, log, url = directory / "config.toml", directory / "daemon.log", f"http://127.0.0.1:{port}"
    path.write_text(text, encoding="utf-8")
    begin = time.monotonic()
    process = _start(path, log, cpus, under)
    try:
        _wait(process, url, log)
        ready = time.monotonic() - begin
        yield Child(process, log, f"tcp://127.0.0.1:{entry}", f"tcp://127.0.0.1:{out}", url, ready)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.poll() != -signal.SIGKILL:
        _stop(process, log)


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def fetch(url: str, seconds: float = 5.0) -> str:
    """The body at a loopback address. Raises OSError."""
    with urllib.request.urlopen(url, timeout=seconds) as answer:
        return str(answer.read().decode())


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Prometheus' text form as (name, sorted labels) -> value."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _start(path: Path, log: Path, cpus: set[int] | None, under: Sequence[str]) -> subprocess.Popen[bytes]:
    before = os.sched_getaffinity(0)
    command = [*under, sys.executable, "-m", "streamrnn", "run", str(path.resolve())]
    with log.open("wb") as file:
        try:
            os.sched_setaffinity(0, cpus or before)  # a child starts on the cores of its parent
            return subprocess.Popen(command, cwd=path.parent, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        finally:
            os.sched_setaffinity(0, before)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StreamrnnError(f"the daemon did not start: {_last(log)}", f"it ended with {process.returncode}")
        try:
            fetch(f"{url}/readyz", 1.0)
            return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    raise StreamrnnError(f"the daemon was not ready within {PATIENCE:.0f} s", "is the machine very busy?")


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise StreamrnnError(f"the daemon did not stop within {GRACE:.0f} s of SIGTERM: {_last(log)}") from None
    if code:
        raise StreamrnnError(f"the daemon ended with {code}: {_last(log)}")


def _last(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " | ".join(lines[-3:]) or "it said nothing"
