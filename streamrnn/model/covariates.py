"""What an operator knows of the features (`Model.feature`), for the kernels, and what comes beside an observation.

Kernels know no calendar. Beside every observation stand, where the model asks for them: the seconds by which local time
is ahead of UTC then, the values to come of features whose future is known, and which targets are muted.
"""

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.program import Limits, Program
from streamrnn.messages import INVALID, Batch, Floats, Ints

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY, WEEK = 1440, 10_080  # minutes
THURSDAY = 3 * DAY  # the epoch began on one
SIGNS = {"both": 0.0, "up": 1.0, "down": -1.0}
NONE = np.empty((0, 0))


class Zone(NamedTuple):
    """A timezone as numbers: from `since` (seconds, UTC, ascending) on, local time is `ahead` seconds ahead of UTC."""

    since: Floats
    ahead: Floats

    def of(self, time: Floats) -> Floats:
        """Seconds ahead at each time."""
        return self.ahead[np.maximum(np.searchsorted(self.since, time, "right") - 1, 0)]


def of(model: spec.Model, name: str) -> spec.Feature:
    """What is known of one feature, or of the label."""
    return model.feature.get(name, spec.Feature())


def coming(model: spec.Model) -> tuple[str, ...]:
    """Features whose values come ahead."""
    return tuple(name for name in model.features if of(model, name).known_future)


def limits(model: spec.Model, targets: tuple[str, ...]) -> NDArray[np.float64]:
    """The plan's table of what is known of each target."""
    table = np.zeros((len(targets), Limits.WIDTH))
    for row, target in zip(table, targets, strict=True):
        known = of(model, target)
        row[Limits.LOWER] = -np.inf if known.lower is None else known.lower
        row[Limits.UPPER] = np.inf if known.upper is None else known.upper
        row[Limits.SIGN], row[Limits.LEAST] = SIGNS[known.direction], known.least
    return table


def places(model: spec.Model, targets: tuple[str, ...], ahead: int) -> dict[int, int]:
    """Where everything stands among the numbers beside an observation; `ahead` values to come."""
    zoned = int(model.timezone != "UTC")
    muted = any(of(model, target).mute for target in targets)
    return {
        Program.ZONE: 0 if zoned else -1,
        Program.AHEAD: zoned,
        Program.MUTED: zoned + ahead if muted else -1,
        Program.KNOWN: zoned + ahead + (len(targets) if muted else 0),
    }


class Border:
    """Makes what stands beside the observations of a batch. Raises ConfigError without the `zone` it needs."""

    def __init__(self, model: spec.Model, targets: tuple[str, ...], plan: NDArray[np.int64], zone: Zone | None) -> None:
        if model.timezone != "UTC" and zone is None:
            raise ConfigError("model.timezone, and nobody has looked it up", "give it: `given.of(model)`")
        self._zone = zone if model.timezone != "UTC" else None
        self._width, self._ahead, self._muted = (
            int(plan[place]) for place in (Program.KNOWN, Program.AHEAD, Program.MUTED)
        )
        self._coming = int(plan[Program.COMING] * plan[Program.HORIZONS])
        self._windows = np.array([_windows(of(model, target).mute) for target in targets])
        valid = [of(model, name).valid or (-np.inf, np.inf) for name in model.features]
        self._valid = np.array(valid).T if any(np.isfinite(pair).any() for pair in valid) else None

    def known(self, batch: Batch) -> Floats:
        """(n, KNOWN) what stands beside the observations; no rows where nothing ever does."""
        if self._width == 0:
            return NONE
        out = np.full((len(batch), self._width), np.nan)
        ahead = 0.0 if self._zone is None else self._zone.of(batch.time)
        if self._zone is not None:
            out[:, 0] = ahead
        if self._coming and batch.future is not None:
            out[:, self._ahead : self._ahead + self._coming] = batch.future
        if self._muted >= 0:
            minute = ((batch.time + ahead) // 60.0 + THURSDAY) % WEEK
            out[:, self._muted :] = self._windows[:, minute.astype(np.int64)].T
        return out

    def valid(self, values: Floats, bits: Ints) -> tuple[Floats, Ints]:
        """The values (n, F), those outside their range missing, and the bits (n) that say so."""
        if self._valid is None:
            return values, bits
        with np.errstate(invalid="ignore"):
            outside = (values < self._valid[0]) | (values > self._valid[1])
        return np.where(outside, np.nan, values), bits | np.where(outside.any(axis=1), INVALID, 0)


def _windows(mute: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which minutes of the week are muted; one that ends before it begins goes over midnight."""
    week = np.zeros(WEEK, np.bool_)
    for window in mute:
        days, start, length = parse(window)
        for day in days:
            week[(day * DAY + start + np.arange(length)) % WEEK] = True
    return week


def parse(window: str) -> tuple[list[int], int, int]:
    """Days on which a window begins (0 is Monday), the minute it does, and how many minutes it lasts."""
    found: Any = re.fullmatch(r"(?:(\w+)(?:-(\w+))? )?(\d\d):(\d\d)-(\d\d):(\d\d)", window)
    first, last, *clock = found.groups()
    start, end = 60 * int(clock[0]) + int(clock[1]), 60 * int(clock[2]) + int(clock[3])
    if start >= DAY or end > DAY:
        raise ConfigError(
            f"model.feature: mute {window!r} is beyond 24:00", 'write "02:00-04:30" or "sat-sun 22:00-06:00"'
        )
    begin = DAYS.index(first) if first else 0
    count = (DAYS.index(last) - begin) % 7 + 1 if last else (1 if first else 7)
    return [(begin + day) % 7 for day in range(count)], start, (end - start) % DAY or DAY
