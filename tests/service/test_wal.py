"""The log of a killed daemon, cut anywhere or with any bit flipped: all but the last commit is there, or it says so."""

import os
import random
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from ledger import STREAMS, Values, running, uninterrupted

from streamrnn.errors import SnapshotError
from streamrnn.service.storage.store import FILE, PAGE_BYTES

LOG = f"{FILE}-wal"
HEAD, FRAME = 32, 24 + PAGE_BYTES  # of the log: its header, a page with its own
FRAMES: list[list[Values]] = [[[(name, 10 * n)], [(name, 10 * n + 1)]] for n, name in enumerate(STREAMS * 3)]


class Killed:
    """What a kill leaves after so many commits, and how long the log was at each of them."""

    def __init__(self, path: Path) -> None:
        self.path, live = path, path / "live"
        self.ends = []  # bytes of the log that the disk had been asked for, after each batch
        with running(live) as daemon:
            for batch in FRAMES[:6]:
                daemon.feed(batch)
            daemon.checkpoint.finish(daemon.engine, daemon.at)
            for batch in FRAMES[6:]:
                daemon.feed(batch)
                self.ends.append((live / LOG).stat().st_size)
            shutil.copytree(live, path / "killed")
        self.log = (path / "killed" / LOG).read_bytes()

    def with_log(self, log: bytes) -> Path:
        """A copy with another log."""
        copy = self.path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        shutil.copy(self.path / "killed" / FILE, copy)
        (copy / LOG).write_bytes(log)
        return copy


@pytest.fixture
def killed(tmp_path: Path) -> Killed:
    return Killed(tmp_path)


def held(path: Path) -> int:
    """How many frames a start finds; the state is what these make, and nothing else."""
    with running(path) as daemon:
        frames = [values for batch in FRAMES for values in batch]
        assert daemon.engine.state() == uninterrupted(frames[: daemon.at]).state()
        assert daemon.checkpoint.damaged == []
        return daemon.at


every = pytest.mark.parametrize("step", [1499, pytest.param(31, marks=pytest.mark.long)])


@every
def test_a_log_that_is_cut_anywhere_holds_what_was_committed_before(killed: Killed, step: int) -> None:
    for cut in range(0, len(killed.log), step):
        whole = sum(end <= cut for end in killed.ends)
        before = held(killed.with_log(killed.log[:cut])) if cut else 0
        assert cut < killed.ends[0] or before == 2 * (6 + whole)


@every
def test_a_flipped_bit_is_told_where_it_takes_back_more_than_the_last_commit(killed: Killed, step: int) -> None:
    flip(killed, range(0, len(killed.log), step))


def test_a_flipped_bit_in_what_stands_before_a_page_is_told_too(killed: Killed) -> None:
    """The page's number, the size at a commit, the salts and the checksum of every frame."""
    flip(killed, (start + place for start in range(HEAD, len(killed.log), FRAME) for place in (3, 7, 9, 14, 19, 23)))


def flip(killed: Killed, places: Iterable[int]) -> None:
    """A bit at each of these places, one at a time."""
    chance, refused = random.Random(3), 0
    total = 2 * len(FRAMES)
    for place in places:
        log = bytearray(killed.log)
        log[place] ^= 1 << chance.randrange(8)
        path = killed.with_log(log)
        try:
            assert held(path) >= total - 2
        except SnapshotError as error:
            refused += 1
            size = int(re.search(r"truncate -s (\d+) ", error.hint)[1])
            assert (path / LOG).read_bytes() == log  # left alone
            os.truncate(path / LOG, size)
            assert held(path) < total  # as told, it goes on from there
    assert refused > 10


@pytest.mark.parametrize("left", [bytes(FRAME), bytes(range(1, 9)) * (FRAME // 8)])
def test_a_last_commit_of_which_the_beginning_was_not_written_is_no_damage(killed: Killed, left: bytes) -> None:
    """The disk need not write pages in order: what an older log left may stand before the end of the last commit."""
    at = len(killed.log) - 2 * FRAME
    assert held(killed.with_log(killed.log[:at] + left + killed.log[at + FRAME :])) == 2 * len(FRAMES) - 2
