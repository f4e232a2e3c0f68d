"""A disk that is really full: a small file system of our own, filled by us and by others."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import conftest
import pytest
from conftest import Turned
from test_control import ask
from test_producer_sessions import Dealer, applied, opened

from streamrnn.service import startup
from streamrnn.service.storage.reserve import BYTES, Reserve

Make = Callable[..., Turned]
SIZE = 6 * 1024 * 1024


def is_mounted(path: Path) -> bool:
    """A small file system at `path`, where that is allowed."""
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)], capture_output=True)
    return made.returncode == 0


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory's file system."""
    disk = tmp_path / "disk"
    if os.geteuid() != 0 or not is_mounted(disk):
        pytest.skip("only root may mount a small file system")
    monkeypatch.setattr(conftest, "CONFIG", conftest.CONFIG.replace("{path}/state", "{path}/disk/state"))
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, leave: int = 0) -> None:
    descriptor = os.open(disk / "filler", os.O_CREAT | os.O_WRONLY)
    for size in (65536, 4096, 512):
        try:
            while True:
                os.write(descriptor, bytes(size))
        except OSError:
            pass
    os.ftruncate(descriptor, max(0, os.fstat(descriptor).st_size - leave))
    os.close(descriptor)


def say(one: Turned, **request: str) -> dict[str, Any]:
    """Ask where the state lies on the small disk."""
    path, one.path = one.path, one.path / "disk"
    try:
        return ask(one, **request)
    finally:
        one.path = path


def settled(one: Turned, producer: Dealer) -> int:
    """Send one more, as the protocol page says; its number when it is acknowledged."""
    producer.send(b"H")
    while (answer := producer.heard())[0] != "W":
        pass
    seq = answer[2] + 1
    producer.data(seq, float(seq))
    while (answer := producer.heard())[0] != "A" or answer[2] < seq:
        if answer[0] == "N" and answer[2] == seq:
            producer.data(seq, float(seq))
    return seq


def test_a_disk_that_others_fill_is_busy_and_over_by_itself(small: Path, turned: Make) -> None:
    one = opened(turned)
    producer = Dealer(one)
    settled(one, producer)
    fill(small)
    for seq in range(2, 400):
        producer.data(seq, float(seq))
    one.until(lambda: one.daemon.parts.disk_full.full)
    assert "ok" in say(one, command="backup", path=str(small / "copy"))  # there may be room in what was given up
    (small / "filler").unlink()
    one.until(lambda: not one.daemon.parts.disk_full.full)
    seq = settled(one, producer)
    one.kill()
    one.start()
    assert one.daemon.parts.producers.marks() == [("", "gate", 7, seq)]


def test_a_daemon_that_fills_its_own_disk_gets_out_of_it_by_itself(small: Path, turned: Make) -> None:
    one = opened(turned, "checkpoint = 3600.0\nreplay = 3600.0\n")
    push = one.peers.push
    for k in range(300):  # 15 MB through a disk of 6
        push.send_json({"stream": f"s{k % 20}", "values": {"flow": 1.0}, "pad": "x" * 50_000})
        one.until(lambda k=k: applied(one) > k)
    assert one.daemon.parts.checkpoint.floor > 0  # forced by bytes: neither time nor work had begun one
    assert not one.daemon.parts.disk_full.full


def test_streams_that_cannot_make_room_wait_and_nothing_acknowledged_is_lost(small: Path, turned: Make) -> None:
    limits = "[limits]\nmax_streams = 4000\nresident_streams = 8\nmax_observations = 8\n"
    one = opened(turned, limits)
    for k in range(40):
        one.peers.push.send_json({"stream": f"s{k}", "values": {"flow": 1.0}})
    one.until(lambda: applied(one) == 40)
    one.daemon.parts.reserve.give_up()
    fill(small, leave=60_000)
    for k in range(600):
        one.peers.push.send_json({"stream": f"t{k}", "values": {"flow": 1.0}})
    one.until(lambda: one.daemon.parts.disk_full.full)
    for _ in range(5):
        one.daemon.turn(0.01)
    (small / "filler").unlink()
    one.until(lambda: applied(one) == 640)
    assert not one.daemon.parts.backlog
    assert len(one.daemon.parts.streams) == 640


def test_a_start_without_room_waits_and_goes_on_by_itself(
    small: Path, turned: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "LOOK", 0.02)
    monkeypatch.setattr(startup, "ROOM", 200_000)
    one = opened(turned, "checkpoint = 3600.0\n")
    settled(one, Dealer(one))
    one.kill()
    fill(small)
    threading.Timer(1.0, (small / "filler").unlink).start()
    one.start()
    assert one.daemon.parts.producers.marks() == [("", "gate", 7, 1)]
    assert json.loads((small / "state" / "incarnation").read_text())[1] > 1


def test_the_reserve_is_a_part_of_a_small_disk_and_taken_when_there_is_room(small: Path) -> None:
    reserve = Reserve(small)
    reserve.keep()
    held = (small / "reserve").stat().st_size
    assert SIZE / 40 < held < SIZE / 25 < BYTES
    assert reserve.free == pytest.approx(SIZE, rel=0.05)
    reserve.give_up()
    fill(small, leave=held * 2)
    reserve.keep()
    assert not (small / "reserve").exists()
