"""What the service manager is told."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamrnn.service.operations.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@streamrnn-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(5)
        yield listener, name


def test_lines_arrive_in_one_datagram(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    ServiceManager({"NOTIFY_SOCKET": name}).tell("READY=1", "STATUS=serving")
    assert listener.recv(1000) == b"READY=1\nSTATUS=serving"


def test_a_reload_carries_its_time(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    ServiceManager({"NOTIFY_SOCKET": name}).reloading()
    first, second = listener.recv(1000).decode().split("\n")
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0


def test_the_watchdog_is_fed_three_times_a_period(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    supervisor = ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    assert supervisor.interval == 10.0
    for now in (100.0, 105.0, 109.9, 110.0, 111.0, 130.0):
        supervisor.alive(now)
    listener.setblocking(False)
    assert [listener.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    with pytest.raises(BlockingIOError):
        listener.recv(1000)


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(manager: tuple[socket.socket, str]) -> None:
    _, name = manager
    assert ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).interval == 0.0


def test_without_a_manager_and_with_a_dead_one_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "3"}):
        supervisor = ServiceManager(environment)
        supervisor.tell("READY=1")
        supervisor.alive(1.0)
