"""Half an hour of steady load: memory, descriptors, threads and the database stay where they are."""

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from lives import Story, observation, taken

from streamrnn.client import Producer

SECONDS = float(os.environ.get("STREAMRNN_SOAK_SECONDS", "1800"))
RATE = 1000  # observations a second
MIB = 1024 * 1024


class Look(NamedTuple):
    """One look at the process."""

    at: float
    memory: int
    descriptors: int
    threads: int
    database: int
    ack: float  # seconds that the latest message waited for its ack


def look(pid: int, story: Story, ack: float) -> Look:
    process = Path(f"/proc/{pid}")
    memory = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    files = [each.stat().st_size for each in (story.path / "state").glob("streamrnn.sqlite*")]
    threads = len(list((process / "task").iterdir()))
    return Look(time.monotonic(), memory, len(list((process / "fd").iterdir())), threads, sum(files), ack)


@pytest.mark.long
def test_nothing_grows(tmp_path: Path) -> None:
    story = Story(tmp_path / "one", checkpoint=5.0)
    process, looks = story.start(), []
    producer = Producer(f"ipc://{story.path}/in", "gate", epoch=1, window=1024)
    try:
        began = time.monotonic()
        while (now := time.monotonic()) - began < SECONDS:
            while producer._next < (now - began) * RATE:
                producer.send(observation(producer._next))
            sent = time.monotonic()
            producer.flush()
            if not looks or now - looks[-1].at > 1.0:
                looks.append(look(process.pid, story, time.monotonic() - sent))
            time.sleep(0.005)
        producer.flush()
        count = producer.accepted
    finally:
        producer.leave()
        os.killpg(process.pid, signal.SIGTERM)
        code = process.wait(60)
    assert code == 0, story.log()
    assert taken(story.path / "state") == count
    third = len(looks) // 3
    warm = looks[third:]
    slope = float(np.polyfit([each.at for each in warm], [each.memory for each in warm], 1)[0]) * 3600 / MIB
    first, last = (float(np.quantile([each.ack for each in part], 0.99)) for part in (looks[:third], looks[-third:]))
    print(f"{count} observations; memory {slope:+.2f} MiB/h; p99 to the ack {1e3 * first:.1f} then {1e3 * last:.1f} ms")
    print(looks[0], looks[-1])
    grown = warm[-1].memory - warm[0].memory
    assert slope < 1.0 or grown < MIB
    assert len({(each.descriptors, each.threads) for each in warm}) <= 2
    assert max(each.database for each in warm) < 4 * max(each.database for each in looks[: third + 1])
