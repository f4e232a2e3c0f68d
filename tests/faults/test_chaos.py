"""Anything at any time: the seed is printed, the end is that of a daemon that was never touched."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from lives import KILL, Life, same

SECONDS = float(os.environ.get("STREAMRNN_CHAOS_SECONDS", "900"))
A_LIFE = 3.0  # seconds, about


def life(chance: random.Random) -> Life:
    """One life and its end."""
    after, pause = chance.choice([20, 100, 400]), chance.random() / 5
    match chance.randrange(8):
        case 0:
            return Life(f"fdatasync:{KILL}:when={chance.randrange(1, 60)}", after)
        case 1:
            return Life(f"pwrite64:{KILL}:when={chance.randrange(1, 400)}", after)
        case 2:
            return Life(
                f"pwrite64:error={chance.choice(['EIO', 'EROFS', 'ENOSPC'])}:when={chance.randrange(40, 90)}", after
            )
        case 3:
            return Life(f"fdatasync:error=EIO:when={chance.randrange(3, 30)}", after)
        case 4:
            return Life(f"fdatasync:delay_enter={chance.randrange(1000, 20_000)}", after)
        case 5:
            return Life(after=after, pause=pause, ends=signal.SIGTERM)
        case 6:
            return Life(after=after, pause=pause, halts=True)
        case _:
            return Life(after=after, pause=pause)


@pytest.mark.long
@pytest.mark.parametrize("lateness", [0, 10])
def test_chaos(tmp_path: Path, lateness: int) -> None:
    seed = int(os.environ.get("STREAMRNN_CHAOS_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    chance, began = random.Random(seed), time.monotonic()
    lives = [Life(after=50), *(life(chance) for _ in range(int(SECONDS / 2 / A_LIFE)))]
    story = same(tmp_path, lives, least=3000, lateness=lateness)
    assert len(story.deaths) == len(lives)
    assert set(story.deaths) <= {0, 1, -9, 137}
    print(f"{len(lives)} lives in {time.monotonic() - began:.0f} s, the longest start {max(story.starts):.1f} s")
