"""What a model names and the engine, which knows no files and no calendar, is given: a prior and a timezone.

The file of a prior is MessagePack with a checksum. A timezone becomes a table of its changes, from the system's
database (zoneinfo) or the package tzdata.
"""

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np
from msgspec import Struct

from streamrnn import spec
from streamrnn.errors import ConfigError
from streamrnn.model.covariates import Zone
from streamrnn.model.prior import HINT, Prior

FORMAT = 1
DAY = 86_400
LATEST = 150 * 366 * DAY  # seconds since the epoch; later than that the last offset holds


class Whole(Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the file of a prior."""

    format: int
    crc: int  # of the encoded prior
    prior: bytes


def of(model: spec.Model) -> dict[str, Any]:
    """Keyword arguments for `engines.build`. Raises ConfigError."""
    return {"prior": prior(model.prior)[0], "zone": zone(model.timezone)}


def digest(model: spec.Model) -> str:
    """Tells what the model is given from what it might be given at another time. Raises ConfigError."""
    named, table = prior(model.prior)[1], zone(model.timezone)
    return named if table is None else f"{named} {zlib.crc32(np.concatenate(table).tobytes()):08x}"


def write(path: Path, given: Prior) -> None:
    """Put a prior down. Raises OSError."""
    raw = msgspec.msgpack.encode(given)
    path.write_bytes(msgspec.msgpack.encode(Whole(FORMAT, zlib.crc32(raw), raw)))


def prior(path: str) -> tuple[Prior | None, str]:
    """The prior of a path and its checksum; None and "" without a path. Raises ConfigError."""
    if not path:
        return None, ""
    try:
        whole = msgspec.msgpack.decode(Path(path).read_bytes(), type=Whole)
        if (whole.format, whole.crc) != (FORMAT, zlib.crc32(whole.prior)):
            raise ConfigError(f"model.prior: {path} is damaged or of another format", HINT)
        return msgspec.msgpack.decode(whole.prior, type=Prior), f"{whole.crc:08x}"
    except OSError as error:
        raise ConfigError(f"model.prior: cannot read {path}: {error.strerror}", HINT) from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"model.prior: {path} is no prior: {error}", HINT) from None


def zone(name: str) -> Zone | None:
    """The changes of a timezone since 1970; None for UTC. Raises ConfigError."""
    if name == "UTC":
        return None
    try:
        known = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = 'name it like "Europe/Berlin"; if it is right, install the package tzdata'
        raise ConfigError(f"model.timezone {name!r} is not known here", hint) from None
    since, ahead = zip(*_changes(known), strict=True)
    return Zone(np.array(since, np.float64), np.array(ahead, np.float64))


def _changes(known: ZoneInfo) -> Iterator[tuple[int, int]]:
    """From which second on local time is how many seconds ahead. No zone changed twice within a day."""
    ahead = _ahead(known, 0)
    yield 0, ahead
    for day in range(0, LATEST, DAY):
        after = _ahead(known, day + DAY)
        if after != ahead:
            low, high = day, day + DAY
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _ahead(known, middle) == ahead else (low, middle)
            yield high, after
            ahead = after


def _ahead(known: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, UTC).astimezone(known).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
