"""Killed at a system call, at any time, while it recovers: nothing acknowledged is lost, nothing applied twice.

The digest of all that is on the disk afterwards, weights, optimiser, tapes, calibration, pending forecasts and the
producers' marks, is that of a daemon that was never stopped.
"""

import os
import random
from pathlib import Path

import pytest
from lives import KILL, Life, same

KILLS = int(os.environ.get("STREAMRNN_KILLS", "1000"))


def at_calls(chance: random.Random, count: int) -> list[Life]:
    """Ends at the n-th call of each kind: commits, checkpoints, the log cut back, and the reads of a recovery."""
    plan = [("fdatasync", 60), ("pwrite64", 400), ("pread64", 60), ("fdatasync", 8), ("pwrite64", 25)]
    found = []
    for number in range(count):
        call, most = plan[number % len(plan)]
        found.append(Life(f"{call}:{KILL}:when={1 + chance.randrange(most)}", after=400))
    return found


def at_times(chance: random.Random, count: int) -> list[Life]:
    """Ends at any time, soon or late after a start."""
    return [Life(after=chance.choice([0, 1, 30, 200]), pause=chance.random() / 50) for _ in range(count)]


@pytest.mark.faults
def test_sixty_kills(tmp_path: Path) -> None:
    chance = random.Random(20)
    lives = at_calls(chance, 42) + at_times(chance, 20)
    chance.shuffle(lives)
    story = same(tmp_path, lives, least=6000)
    assert len(story.deaths) == 62
    assert all(code in (-9, 137) for code in story.deaths), story.deaths
    print(f"longest start to first ack: {max(story.starts):.1f} s")


@pytest.mark.faults
@pytest.mark.parametrize("durability", ['durability = "interval"\ninterval = 0.1\n'])
def test_with_interval_nothing_acknowledged_is_lost_either(tmp_path: Path, durability: str) -> None:
    chance = random.Random(5)
    same(tmp_path, at_times(chance, 6), least=1500, more=durability)


@pytest.mark.faults
def test_what_waits_for_older_observations_is_not_lost_either(tmp_path: Path) -> None:
    chance = random.Random(7)
    lives = at_calls(chance, 5) + at_times(chance, 5)
    same(tmp_path, lives, least=1500, lateness=20)


@pytest.mark.faults
def test_events_that_were_acknowledged_are_not_lost_either(tmp_path: Path) -> None:
    """Pooled weights, tables, vocabulary, an external memory and sessions, over the acknowledged input."""
    chance = random.Random(11)
    lives = at_calls(chance, 6) + at_times(chance, 6)
    chance.shuffle(lives)
    story = same(tmp_path, lives, least=1500, events=True)
    assert len(story.deaths) == 12


@pytest.mark.long
def test_a_thousand_kills(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    lives = at_calls(chance, KILLS - KILLS * 3 // 10) + at_times(chance, KILLS * 3 // 10)
    chance.shuffle(lives)
    story = same(tmp_path, lives, least=100 * KILLS)
    assert len(story.deaths) == KILLS
    print(f"{KILLS} kills: 0 lost, 0 twice, digest {story.digest()}; longest start {max(story.starts):.1f} s")


@pytest.mark.long
def test_an_error_of_the_disk_ends_it_before_the_ack_and_nothing_is_lost(tmp_path: Path) -> None:
    lives = [Life(f"fdatasync:error=EIO:when={n}", after=2000) for n in (3, 9, 30)]
    lives += [Life(f"pwrite64:error=EIO:when={n}", after=2000) for n in (40, 90)]
    story = same(tmp_path, lives, least=1000)
    assert story.deaths.count(1) >= 3  # SQLite bears some, while it folds the log in: those live until they are killed
    assert set(story.deaths) <= {1, -9, 137}


@pytest.mark.long
def test_a_full_disk_is_over_by_itself(tmp_path: Path) -> None:
    """No room at some writes: told busy, tried again, and on it goes in the same life."""
    lives = [Life(f"pwrite64:error=ENOSPC:when={n}", after=900) for n in ("60..75", "100+40")]
    story = same(tmp_path, lives, least=1000)
    assert story.deaths == [-9, -9] or set(story.deaths) <= {-9, 137}
    assert "the disk is full" in (story.path / "log").read_text()
