"""The units as they are shipped, under a real systemd: they start, learn, are started again, reload, stop."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deployment import DEPLOY, TREE, program

pytestmark = pytest.mark.faults

PATIENCE = 400.0  # seconds: the first start compiles
CONFIG = """
[model]
features = ["flow"]
preset = "light"
[[input]]
kind = "router"
endpoint = "tcp://127.0.0.1:5555"
"""
TARGET = "[Unit]\nWants=systemd-journald.service streamrnn.{kind}\n"
WRAPPER = """#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/source:/opt/packages
exec /opt/python/bin/{python} -m streamrnn "$@"
"""
SEND = """
import sys
from streamrnn.client import Producer
first, count, patience = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
with Producer("tcp://127.0.0.1:5555", "test", epoch=1, patience=patience) as producer:
    assert producer.accepted == first, producer.accepted
    for k in range(first, first + count):
        producer.send({"stream": "a", "time": 1e9 + k, "values": {"flow": k % 7}})
"""


class Machine:
    """A systemd of its own that starts the daemon, or listens in its place (`kind` "socket")."""

    def __init__(self, path: Path, kind: str) -> None:
        files = path / "files"
        (files / "etc/systemd/system/streamrnn.service.d").mkdir(parents=True)
        (files / "etc/streamrnn").mkdir()
        (files / "opt/streamrnn/bin").mkdir(parents=True)
        shutil.copy(DEPLOY / "streamrnn.service", files / "etc/systemd/system")
        (files / "etc/systemd/system/streamrnn.service.d/test.conf").write_text("[Service]\nWatchdogSec=4s\n")
        (files / "etc/systemd/system/streamrnn-test.target").write_text(TARGET.format(kind=kind))
        if kind == "socket":
            shutil.copy(DEPLOY / "streamrnn.socket", files / "etc/systemd/system")
            shutil.copy(DEPLOY / "streamrnn.service.d/sandboxed.conf", files / "etc/systemd/system/streamrnn.service.d")
        (files / "etc/streamrnn/streamrnn.toml").write_text(CONFIG)
        wrapper = files / "opt/streamrnn/bin/streamrnn"
        wrapper.write_text(WRAPPER.format(python=f"python{sys.version_info[0]}.{sys.version_info[1]}"))
        wrapper.chmod(0o755)
        place = path / "place"
        place.mkdir()
        mounts = {"/opt/python": sys.base_prefix, "/opt/packages": sysconfig.get_path("purelib"), "/opt/source": TREE}
        spaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net"]
        script = Path(__file__).with_name("boot.sh")
        command = ["unshare", *spaces, "--cgroup", "bash", str(script), str(place), str(files)]
        command += [f"{where}={what}" for where, what in mounts.items()]
        self.log = path / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.sent = 0

    @property
    def first(self) -> int:
        """Its process 1, as it is numbered here."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def booting(self) -> bool:
        """Whether the system manager has begun."""
        try:
            return Path(f"/proc/{self.first}/comm").read_text() == "systemd\n"
        except (IndexError, OSError):
            return False

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "-t", str(self.first), "-m", "-p", "-n", "-u", "-i", "-r", "-w", "-C", *command]
        return subprocess.run(enter, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def show(self, name: str) -> str:
        return self.inside("systemctl", "show", "-P", name, "streamrnn").stdout.strip()

    def until(self, true: Callable[[], bool], patience: float = PATIENCE) -> float:
        """Seconds until something is true."""
        began = time.monotonic()
        while not true():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() - began < patience, self.log.read_text() + self.journal()
            time.sleep(0.1)
        return time.monotonic() - began

    def active(self) -> bool:
        return self.show("ActiveState") == "active"

    def journal(self) -> str:
        return self.inside("journalctl", "-u", "streamrnn", "--no-pager", "-n", "40").stdout

    def send(self, count: int, patience: float) -> float:
        """Seconds until so many more observations are acknowledged."""
        enter = ["nsenter", "-t", str(self.first), "-n", sys.executable, "-c", SEND]
        environment = {**os.environ, "PYTHONPATH": str(TREE)}
        began = time.monotonic()
        command = [*enter, str(self.sent), str(count), str(patience)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr + self.journal()
        self.sent += count
        return time.monotonic() - began

    def fetched(self, url: str) -> str:
        """What the daemon says over HTTP."""
        script = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"
        enter = ["nsenter", "-t", str(self.first), "-n", sys.executable, "-c", script, url]
        return subprocess.run(enter, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout


@pytest.fixture
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    program("unshare")
    program("nsenter")
    if os.getuid() != 0 or not Path("/lib/systemd/systemd").exists():
        pytest.skip("needs root and systemd")
    made = Machine(tmp_path, request.param)
    try:
        while not made.booting():
            if made.process.poll() is not None:
                pytest.skip(f"no namespaces or mounts of our own here: {made.log.read_text()}")
            time.sleep(0.05)
        yield made
    finally:
        made.process.kill()  # and with it all that is in its namespaces
        made.process.wait()


@pytest.mark.parametrize("machine", ["socket"], indirect=True)
def test_with_sockets_of_systemd_it_is_started_by_who_sends_and_has_no_network(machine: Machine) -> None:
    machine.until(lambda: machine.inside("systemctl", "is-active", "streamrnn.socket").stdout.strip() == "active")
    assert not machine.active()
    print(f"acknowledged {machine.send(1000, PATIENCE):.1f} s after the first message, which started it")
    pid = machine.show("MainPID")
    own = machine.inside("readlink", f"/proc/{pid}/ns/net").stdout
    assert own != machine.inside("readlink", "/proc/1/ns/net").stdout
    learned = "streamrnn_observations_learned_total 1000.0"  # after the ack
    machine.until(lambda: learned in machine.fetched("http://127.0.0.1:9464/metrics"), 30.0)
    for ends in ("KILL", "STOP"):  # the latter is ended by the watchdog
        before = machine.show("NRestarts")
        machine.inside("kill", f"-{ends}", machine.show("MainPID"))
        machine.until(lambda: machine.show("NRestarts") != before, 60.0)  # noqa: B023  called at once
        print(f"acknowledged again {machine.send(1, 60.0):.1f} s after a restart")  # the sockets were never closed
    assert machine.inside("systemctl", "reload", "streamrnn").returncode == 0
    machine.until(lambda: '"reloaded"' in machine.journal(), 30.0)
    machine.send(100, 30.0)
    assert machine.inside("systemctl", "stop", "streamrnn.socket", "streamrnn").returncode == 0
    assert (machine.show("Result"), machine.show("ExecMainStatus")) == ("success", "0")


@pytest.mark.parametrize("machine", ["service"], indirect=True)
def test_it_boots_learns_and_survives(machine: Machine) -> None:
    machine.until(lambda: machine.show("ActiveState") != "")
    print(f"ready after {machine.until(machine.active):.1f} s")
    machine.send(1000, 30.0)
    pid = machine.show("MainPID")
    assert "Seccomp:\t2" in machine.inside("cat", f"/proc/{pid}/status").stdout
    assert machine.inside("stat", "-c", "%a", "/var/lib/private/streamrnn").stdout.strip() == "700"

    machine.inside("kill", "-KILL", pid)
    print(f"acknowledged again {machine.send(1, 30.0):.1f} s after a kill")
    assert machine.show("NRestarts") == "1"

    machine.inside("kill", "-STOP", machine.show("MainPID"))
    print(f"watchdog after {machine.until(lambda: machine.show('NRestarts') == '2', 60.0):.1f} s")
    machine.until(machine.active, 60.0)
    machine.send(100, 30.0)

    assert machine.inside("systemctl", "reload", "streamrnn").returncode == 0
    machine.until(lambda: '"reloaded"' in machine.journal(), 30.0)
    machine.send(100, 30.0)

    began = time.monotonic()
    assert machine.inside("systemctl", "stop", "streamrnn").returncode == 0
    assert time.monotonic() - began < 10
    assert (machine.show("Result"), machine.show("ExecMainStatus")) == ("success", "0")
    assert signal.SIGKILL.name not in machine.journal().splitlines()[-1]
