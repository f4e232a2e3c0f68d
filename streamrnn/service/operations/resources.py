"""What the machine leaves us: the memory we may use, the room on the disk of the state."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def memory() -> float:
    """Bytes at which we are stopped: the least limit of our control groups, or all the memory there is."""
    return min([float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES"), *_limits()])


def disk(path: Path) -> tuple[float, float]:
    """Bytes that are free for us on the file system of a path, and all that there are; NaN where it does not say."""
    try:
        found = os.statvfs(path)
    except OSError:
        return math.nan, math.nan
    return float(found.f_bavail * found.f_frsize), float(found.f_blocks * found.f_frsize)


def _limits() -> Iterator[float]:
    """MemoryMax of the group we are in and of those around it, in either version of the interface."""
    with suppress(OSError, ValueError):
        for line in OWN.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                root, name = ROOT, "memory.max"
            elif "memory" in controllers.split(","):
                root, name = ROOT / "memory", "memory.limit_in_bytes"
            else:
                continue
            group = root / path.lstrip("/")
            for each in (group, *group.parents):
                if each == root.parent:
                    break
                with suppress(OSError, ValueError):  # "max" is no number: no limit
                    yield float(int((each / name).read_text()))
