"""Other ends than a kill: the power, the disk, the system's limits, an operator who is in a hurry."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lives import EPOCH, KILL, PATIENCE, Life, Story, observation, same, strace, taken

from streamrnn.client import Producer
from streamrnn.service.storage.store import FILE

pytestmark = pytest.mark.faults


def started(story: Story, *before: str) -> subprocess.Popen[bytes]:
    """A daemon, run under a command if there is one."""
    command = [*before, sys.executable, "-m", "streamrnn", "run", str(story.file)]
    with (story.path / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def ended(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    os.killpg(process.pid, number)
    return process.wait(PATIENCE)


def joined(story: Story, source: str = "gate") -> Producer:
    return Producer(f"ipc://{story.path}/in", source, epoch=EPOCH, window=32, patience=PATIENCE)


def feed(producer: Producer, count: int) -> None:
    for _ in range(count):
        producer.send(observation(producer._next))


def grown(path: Path, copy: Path) -> tuple[int, str]:
    """What a daemon makes of a copy of a state: the last observation it holds, and the digest."""
    story = Story(path)
    shutil.copytree(copy, path / "state")
    process = started(story)
    try:
        joined(story).leave()  # it is up
    finally:
        assert ended(process) == 0, story.log()
    return taken(path / "state"), story.digest()


def test_when_the_power_is_cut_all_that_was_acknowledged_is_there(tmp_path: Path) -> None:
    """Copies of a database that is being written: as it stands at that instant, and with the end of its log missing,
    as a disk leaves what nobody had waited for."""
    chance, story = random.Random(3), Story(tmp_path / "live")
    process = started(story)
    producer, copies = joined(story), []
    try:
        for number in range(3):
            feed(producer, chance.randrange(200, 400))
            os.killpg(process.pid, signal.SIGSTOP)
            producer.serve()
            copies.append((tmp_path / f"copy{number}", producer.accepted, producer._next - 1))
            shutil.copytree(story.path / "state", copies[-1][0], ignore=shutil.ignore_patterns("control"))
            os.killpg(process.pid, signal.SIGCONT)
        producer.flush()
    finally:
        producer.leave()
        ended(process, signal.SIGKILL)
    for number, (copy, acknowledged, sent) in enumerate(copies):
        there, digest = grown(tmp_path / f"grown{number}", copy)
        assert acknowledged <= there <= sent
        assert digest == Story(tmp_path / f"calm{number}").run([], there)
        log = copy / f"{FILE}-wal"
        os.truncate(log, log.stat().st_size - chance.randrange(1, 4096))  # in the last commit, which nobody was told of
        cut, digest = grown(tmp_path / f"cut{number}", copy)
        assert cut <= there
        assert digest == Story(tmp_path / f"short{number}").run([], cut)


def test_a_recovery_that_is_killed_again_and_again_begins_anew(tmp_path: Path) -> None:
    lives = [Life(after=900), *(Life(f"{call}:{KILL}:when={n}") for call, n in RECOVERY)]
    story = same(tmp_path, lives, least=1500, checkpoint=1000.0)
    assert len(story.deaths) == 1 + len(RECOVERY)


RECOVERY = (("fdatasync", 1), ("pread64", 12), ("fdatasync", 2), ("pread64", 25), ("fdatasync", 1), ("pread64", 40))


def test_a_disk_that_becomes_read_only_ends_it_before_an_ack(tmp_path: Path) -> None:
    lives = [Life(after=50)]
    lives += [Life(f"{call}:error=EROFS:when={n}", after=3000) for call, n in (("pwrite64", 40), ("fdatasync", 7))]
    story = same(tmp_path, lives, least=800)
    assert set(story.deaths) <= {1, -9, 137}
    assert 1 in story.deaths


def test_a_state_directory_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    story = Story(tmp_path / "one")
    state = story.path / "state"
    state.mkdir(mode=0o700)
    script = f'mount --bind {state} {state} && mount -o remount,ro,bind {state} && exec "$@"'
    under = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*under, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs root")
    process = started(story, *under)
    assert process.wait(PATIENCE) == 1
    assert str(state) in story.log()
    assert "Traceback" not in story.log()


def test_without_descriptors_for_strangers_the_known_are_served(tmp_path: Path) -> None:
    story = Story(tmp_path / "one")
    story.file.write_text(story.file.read_text() + "[limits]\nmax_connections = 50\n")
    process = started(story, "prlimit", "--nofile=1024:1024")
    producer, crowd = joined(story), []
    try:
        feed(producer, 50)
        producer.flush()
        for _ in range(700):
            each = socket.socket(socket.AF_UNIX)
            each.setblocking(False)
            crowd.append(each)
            try:
                each.connect(str(story.path / "in"))
            except BlockingIOError:  # the queue of the listening socket is full
                time.sleep(0.01)
        feed(producer, 200)
        producer.flush()
        assert process.poll() is None, story.log()
        for each in crowd:
            each.close()
        other = joined(story, "other")
        feed(other, 10)
        other.close()
    finally:
        producer.leave()
        for each in crowd:
            each.close()
        code = ended(process)
    assert code == 0, story.log()


def test_told_to_stop_under_load_and_told_again_it_drains(tmp_path: Path) -> None:
    story = Story(tmp_path / "one")
    process, producer = started(story), joined(story)
    try:
        feed(producer, 300)
        os.killpg(process.pid, signal.SIGTERM)
        while process.poll() is None:
            story._feed(producer, 10**9)
            if producer._next % 3 == 0 and process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
    finally:
        producer.leave()
    assert process.returncode == 0, story.log()
    assert taken(story.path / "state") >= producer.accepted
    there, digest = taken(story.path / "state"), story.digest()  # nothing waits to be replayed
    assert digest == Story(tmp_path / "calm").run([], there)


def test_a_burst_waits_and_is_all_taken(tmp_path: Path) -> None:
    """A hundred thousand observations as fast as they go, by a peer that does not keep to the window."""
    story = Story(tmp_path / "one")
    process, producer = started(story), joined(story)
    try:
        feed(producer, 100)
        producer.flush()
        before = resident(process.pid)
        producer.window = 10**6
        for start in range(0, 100_000, 50):
            columns = [start / 50 * 60 + 1000 + k for k in range(50)]
            producer.send({"stream": f"s{start % 250 // 50}", "time": columns, "values": {"flow": columns}})
        producer.flush()
        after = resident(process.pid)
        feed(producer, 1)
        producer.flush()
        assert producer.accepted == 100_101
        assert not producer.refused
    finally:
        producer.leave()
        code = ended(process)
    assert code == 0, story.log()
    assert taken(story.path / "state") == 100_101
    assert after - before < 64 * 1024 * 1024, (before, after)


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_slow_disk_slows_and_loses_nothing(tmp_path: Path) -> None:
    strace()
    same(tmp_path, [Life("fdatasync:delay_enter=10000", after=300), Life("pwrite64:delay_enter=1000", after=200)], 900)
