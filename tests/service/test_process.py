"""The real daemon with the real engine as a process of its own: signals, exit codes, kill -9."""

import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake
import pytest
import zmq
from conftest import PATIENCE, Peers

from streamrnn.service import build, process
from streamrnn.service import daemon as module

CONFIG = """
[model]
features = ["flow"]
preset = "light"
layers = [{{kind = "gru", size = 8}}]
rule = {{kind = "tbptt", window = 8, stride = 4}}
horizons = [1, 3]
[[input]]
endpoint = "ipc://{path}/in"
[output]
endpoint = "ipc://{path}/out"
[metrics]
port = 0
[state]
path = "{path}/state"
checkpoint = 0.2
"""
START = 120.0  # seconds; the first start compiles
COUNT = 60


class Child:
    """A daemon process and its peers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "config.toml"
        self.file.write_text(CONFIG.format(path=path))
        self.log = path / "log"
        self.peers = Peers([f"ipc://{path}/in", f"ipc://{path}/out"])
        self.peers.push.setsockopt(zmq.IMMEDIATE, 1)
        self.start()

    def start(self) -> None:
        self.logged = self.lines()
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "streamrnn", "run", str(self.file)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.told("started", START)

    def lines(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def told(self, event: str, patience: float = PATIENCE) -> dict[str, Any]:
        """The line of the log that tells of an event since the last start."""
        deadline = time.monotonic() + patience
        while True:
            for line in self.log.read_text().splitlines()[self.logged :]:
                if line.startswith("{") and (told := json.loads(line))["event"] == event:
                    return told
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.peers.close()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    made = Child(tmp_path)
    yield made
    made.close()


def observation(k: int) -> dict[str, Any]:
    return {"stream": "a", "time": 1000.0 + k, "values": {"flow": 10 * math.sin(k / 5) + k % 3}, "seq": k}


def feed(child: Child, count: int, kills: set[int]) -> dict[float, list[Any]]:
    """Closed loop: send, wait for the answer, send again if none comes. What was predicted at each time."""
    answers = child.peers.subscribing(b"prediction/a/")
    predicted: dict[float, list[Any]] = {}
    for k in range(count):
        message = observation(k)
        deadline = time.monotonic() + START
        if k in kills:
            child.peers.push.send_json(message)  # it may be journaled, applied, answered, or none of these
            child.end(signal.SIGKILL)
            child.start()
        while message["time"] not in predicted:
            assert time.monotonic() < deadline
            if child.peers.push.poll(100, zmq.POLLOUT):
                child.peers.push.send_json(message)
            while answers.poll(200):
                body = json.loads(answers.recv_multipart()[1])
                predicted.setdefault(body["time"], []).append(body["forecasts"])
                if body["time"] == message["time"]:
                    break
    return predicted


def test_after_kill_9_the_forecasts_are_those_of_an_uninterrupted_run(tmp_path: Path) -> None:
    runs = []
    for name, kills in (("calm", set()), ("killed", {17, 43})):
        (tmp_path / name).mkdir()
        child = Child(tmp_path / name)
        try:
            runs.append(feed(child, COUNT, kills))
        finally:
            child.close()
    calm, killed = runs
    assert len(calm) == COUNT
    assert killed.keys() == calm.keys()
    for when, answers in killed.items():
        assert all(answer == calm[when][0] for answer in answers), when


def test_sigterm_ends_it_well_and_the_next_start_goes_on(child: Child) -> None:
    before = feed(child, 10, set())
    assert child.end(signal.SIGTERM) == 0
    assert child.told("stopped")["lsn"] >= 10
    child.start()
    assert child.told("recovered")["observations"] == 0
    again = child.peers.subscribing(b"prediction/a/")
    assert again.poll(PATIENCE * 1000)
    body = json.loads(again.recv_multipart()[1])
    assert (body["retained"], body["seq"], body["forecasts"]) == (True, 10, before[1009.0][0])


def test_sighup_reads_the_file_again_and_a_bad_one_is_refused(child: Child) -> None:
    good = child.file.read_text()
    child.file.write_text(good.replace('"flow"', "7"))
    child.process.send_signal(signal.SIGHUP)
    assert "features" in child.told("reload refused")["error"]
    child.file.write_text(good + '[limits]\nmax_batch = 7\n[log]\nlevel = "debug"\n')
    child.process.send_signal(signal.SIGHUP)
    assert child.told("reloaded")
    assert len(feed(child, 3, set())) == 3
    metrics = child.told("started")["metrics"]
    with urllib.request.urlopen(f"{metrics}/metrics", timeout=PATIENCE) as page:
        text = page.read().decode()
    assert 'streamrnn_config_reloads_total{result="refused"} 1.0' in text
    assert 'streamrnn_config_reloads_total{result="ok"} 1.0' in text
    assert child.end(signal.SIGTERM) == 0


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration file for `run` in this process, with the fake engine; signals are put back afterwards."""
    monkeypatch.setattr(build, "Engine", fake.Engine)
    monkeypatch.setattr(process.faulthandler, "enable", lambda: None)  # pytest has its own
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    file = tmp_path / "config.toml"
    file.write_text(CONFIG.format(path=tmp_path))
    yield file
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_a_watchdog_s_abort_tells_where_it_hung(child: Child) -> None:
    assert child.end(signal.SIGABRT) == -signal.SIGABRT
    told = child.log.read_text()
    assert "Fatal Python error: Aborted" in told
    assert re.search(r'daemon\.py", line \d+ in run', told)
    child.start()  # and it goes on


def test_a_wrong_file_is_78(at_home: Path) -> None:
    at_home.write_text("[model]\n")
    assert process.run(at_home) == 78


def test_a_damaged_database_is_65(at_home: Path) -> None:
    state = at_home.parent / "state"
    state.mkdir()
    (state / "streamrnn.sqlite").write_bytes(b"damaged" * 1000)
    assert process.run(at_home) == 65


def test_a_fault_of_ours_is_1_with_its_traceback_and_nothing_is_lost(
    at_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    peers = Peers([f"ipc://{at_home.parent}/in"])
    peers.push.send_json({"stream": "a", "values": {"flow": -999.0}})
    try:
        assert process.run(at_home) == 1
    finally:
        peers.close()
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert "ZeroDivisionError: a bug" in line["exception"]
    assert process.run(at_home) == 1  # it is in the journal, and is met again
    turn = module.Daemon.turn

    def once(daemon: module.Daemon, timeout: float) -> None:
        turn(daemon, timeout)
        daemon.stop()

    monkeypatch.setattr(module.Daemon, "turn", once)
    assert process.run(at_home) == 0  # found, and passed over


def test_a_second_daemon_on_the_same_state_is_1(at_home: Path, child: Child) -> None:
    assert at_home.parent == child.path
    began = time.monotonic()
    command = [sys.executable, "-m", "streamrnn", "run", str(at_home)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert second.returncode == 1
    assert "in use by another daemon" in second.stderr
    assert child.process.poll() is None
    print(f"{time.monotonic() - began:.2f} s")


def test_who_is_refused_has_not_waited_for_the_engine(at_home: Path, child: Child) -> None:
    """The engine takes seconds to import and to compile; a second daemon is refused before."""
    script = "import sys; from streamrnn.service import process; from pathlib import Path\n"
    script += "assert process.run(Path(sys.argv[1])) == 1; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", script, str(at_home)], timeout=PATIENCE, check=True)


def test_the_service_manager_is_told(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(at_home.parent / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(PATIENCE)

        said: list[str] = []

        def turn(daemon: module.Daemon, timeout: float, before: Any = module.Daemon.turn) -> None:
            before(daemon, timeout)
            said.append(listener.recv(1000).decode().split("\n")[0])
            if len(said) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(module.Daemon, "turn", turn)
        assert process.run(at_home) == 0
        while said[-1] != "STOPPING=1":
            said.append(listener.recv(1000).decode().split("\n")[0])
    assert said[:3] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
