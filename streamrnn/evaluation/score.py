"""How good forecasts were, in one pass and bounded memory: errors beside the naive forecasts, coverage and width.

Every row of a stream has two places: the engine's count of steps, and a position, which also counts the regular times
that are no steps. A forecast of step h issued at count c is scored against the value at c + h, step 1 against the next
row; persistence is the value of the row that issued it, the seasonal naive the value whole days before, by position.
Older rows are kept in a ring per stream that reaches back as far as a forecast or a day; a batch is scored at once, not
row by row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrnn.messages import DUPLICATE, LATE, SETTLED, UNMATCHED, Floats, Ints, Outcomes

Bools = NDArray[np.bool_]

DAY = 86_400.0
MAX_SEASON = 2048  # steps of a day that are kept; a faster stream has no seasonal naive here
GAP = 1.5  # intervals after which regular steps count as skipped
STRIDE = 1 << 40  # positions of one stream lie below this: stream * STRIDE + position sorts like (stream, position)
SUMS = 9


@dataclass(frozen=True)
class Step:
    """The score of one target and horizon. None where nothing could be compared."""

    target: str
    step: int
    scored: int  # forecasts compared with a value
    mae: float | None
    mae_persistence: float | None  # on the same forecasts
    scored_seasonal: int  # forecasts that have a value whole days earlier too
    mae_on_seasonal: float | None  # our error on those
    mae_seasonal: float | None
    coverage: float | None  # share of the values inside the interval
    mean_width: float | None  # of the interval


class Ring:
    """The latest rows of every stream, found by position."""

    def __init__(self, width: int, shape: tuple[int, ...]) -> None:
        self.position = np.full((0, width), -1, np.int64)
        self.data = np.zeros((0, width, *shape))

    def fit(self, streams: int, width: int) -> None:
        """Make room for more streams, or for rows further back; nothing is lost."""
        have, wide = self.position.shape
        if streams <= have and width <= wide:
            return
        position, data = self.position, self.data
        room = (max(streams, 2 * have if streams > have else have), max(wide, width))
        self.position = np.full(room, -1, np.int64)
        self.data = np.zeros((*room, *data.shape[2:]))
        row, slot = np.nonzero(position >= 0)
        self.write(row, position[row, slot], data[row, slot])

    def write(self, row: Ints, position: Ints, data: Floats) -> None:
        """Positions of a stream ascend, so of two rows that share a slot the later one stays."""
        slot = position % self.position.shape[1]
        self.position[row, slot] = position
        self.data[row, slot] = data

    def read(self, row: Ints, position: Ints) -> Floats:
        """NaN where the position is not there."""
        slot = position % self.position.shape[1]
        found = self.data[row, slot].copy()
        found[(self.position[row, slot] != position) | (position < 0)] = np.nan
        return found


@dataclass
class Fresh:
    """The rows of the batch at hand, sorted by stream and position."""

    row: Ints
    position: Ints
    count: Ints  # of steps
    before: Ints  # count of the row before, -1 for the first
    value: Floats  # (n, T)
    issued: Floats  # (n, T, 3 K + 1) forecasts, and the value that the row had

    def find(self, place: Ints, among: Ints) -> tuple[Ints, Bools]:
        """Index of the row of the same stream at each of these places, and whether it is in the batch."""
        key, wanted = self.row * STRIDE + among, self.row * STRIDE + place
        index = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return index, (key[index] == wanted) & (place >= 0)


class Score:
    """Running sums over all that has been added; T targets, K horizons."""

    def __init__(self, targets: tuple[str, ...], horizons: tuple[int, ...]) -> None:
        self.targets, self.horizons = targets, horizons
        reach = max(horizons) + 1
        self._values = Ring(reach, (len(targets),))
        self._issued = Ring(reach, (len(targets), 3 * len(horizons) + 1))
        self._position = np.full(0, -1, np.int64)  # of each stream's last row
        self._count = np.full(0, -1, np.int64)
        self._time = np.zeros(0)
        self._season = np.zeros(0, np.int64)  # steps of a day, 0 while unknown
        self._sums = np.zeros((len(horizons), len(targets), SUMS))

    def add(self, outcomes: Outcomes) -> None:
        """Score a batch and remember it."""
        use = np.flatnonzero(outcomes.bits & (LATE | DUPLICATE | SETTLED | UNMATCHED) == 0)
        order = use[np.argsort(outcomes.row[use], kind="stable")]
        if not len(order):
            return
        row = outcomes.row[order]
        self._grow(int(row[-1]) + 1)
        position = self._place(row, outcomes.time[order], outcomes.interval[order])
        value, forecast = outcomes.actual[order], outcomes.forecast[order]
        issued = np.concatenate([forecast.reshape(*value.shape, -1), value[:, :, None]], axis=2)
        count = outcomes.step[order]
        fresh = Fresh(row, position, count, self._before(row, count), value, issued)
        for k, step in enumerate(self.horizons):
            self._settle(k, step, fresh)
        self._values.write(row, position, value)
        self._issued.write(row, count, issued)

    def steps(self) -> list[Step]:
        """The score of every target and horizon."""
        found = []
        for k, step in enumerate(self.horizons):
            for t, target in enumerate(self.targets):
                n, error, naive, m, on_seasonal, seasonal, bands, inside, width = self._sums[k, t].tolist()
                found.append(
                    Step(
                        target=target,
                        step=step,
                        scored=int(n),
                        mae=_ratio(error, n),
                        mae_persistence=_ratio(naive, n),
                        scored_seasonal=int(m),
                        mae_on_seasonal=_ratio(on_seasonal, m),
                        mae_seasonal=_ratio(seasonal, m),
                        coverage=_ratio(inside, bands),
                        mean_width=_ratio(width, bands),
                    )
                )
        return found

    def coverage(self) -> float | None:
        """Share of values inside their interval, over all targets and horizons."""
        return _ratio(self._sums[:, :, 7].sum(), self._sums[:, :, 6].sum())

    def _place(self, row: Ints, time: Floats, interval: Floats) -> Ints:
        """Positions of rows that are sorted by stream, and within a stream by arrival."""
        first = np.flatnonzero(np.diff(row, prepend=-1))
        last = np.append(first[1:], len(row)) - 1
        before = np.concatenate([[0.0], time[:-1]])
        before[first] = self._time[row[first]]
        with np.errstate(divide="ignore", invalid="ignore"):
            passed = (time - before) / interval
            day = np.rint(DAY / interval[last])
        skipped = np.isfinite(passed) & (passed > GAP)
        advance = np.rint(np.where(skipped, passed, 1.0)).astype(np.int64)
        advance[first[self._position[row[first]] < 0]] = 1
        total = np.cumsum(advance)
        start = self._position[row[first]] - (total[first] - advance[first])
        position: Ints = total + np.repeat(start, last - first + 1)
        self._position[row[last]], self._time[row[last]] = position[last], time[last]
        self._season[row[last]] = np.where((day >= 2) & (day <= MAX_SEASON), day, 0)
        self._values.fit(len(self._time), int(self._days(row[last]).max()) + 1)
        return position

    def _before(self, row: Ints, count: Ints) -> Ints:
        """The count of each row's predecessor in its stream, -1 for the first."""
        first = np.flatnonzero(np.diff(row, prepend=-1))
        before = np.concatenate([[-1], count[:-1]])
        before[first] = self._count[row[first]]
        last = np.append(first[1:], len(row)) - 1
        self._count[row[last]] = count[last]
        return before

    def _grow(self, streams: int) -> None:
        more = max(0, streams - len(self._time))
        self._count = np.append(self._count, np.full(more, -1, np.int64))
        self._position = np.append(self._position, np.full(more, -1, np.int64))
        self._time = np.append(self._time, np.zeros(more))
        self._season = np.append(self._season, np.zeros(more, np.int64))
        self._values.fit(streams, 0)
        self._issued.fit(streams, 0)

    def _days(self, row: Ints, step: int | None = None) -> Ints:
        """Steps of the whole days that cover `step`, by default the longest horizon; 0 while unknown."""
        step = max(self.horizons) if step is None else step
        season = self._season[row]
        days: Ints = season * -(-max(step, 1) // np.maximum(season, 1))
        return days

    def _value(self, fresh: Fresh, position: Ints) -> Floats:
        index, known = fresh.find(position, fresh.position)
        return np.where(known[:, None], fresh.value[index], self._values.read(fresh.row, position))

    def _settle(self, k: int, step: int, fresh: Fresh) -> None:
        """Score the forecasts of horizon k that this batch answers."""
        actual, issue = fresh.value, fresh.before if step == 1 else fresh.count - step
        index, known = fresh.find(issue, fresh.count)
        issued = np.where(known[:, None, None], fresh.issued[index], self._issued.read(fresh.row, issue))
        forecast, naive = issued[:, :, 3 * k : 3 * k + 3], issued[:, :, -1]
        if step == 0:  # a label's: the one before it
            naive = self._value(fresh, fresh.position - 1)
        days = self._days(fresh.row, step)
        seasonal = self._value(fresh, np.where(days > 0, fresh.position - days, -1))
        error, width = np.abs(forecast[:, :, 0] - actual), forecast[:, :, 2] - forecast[:, :, 1]
        both = np.isfinite(error) & np.isfinite(naive)
        three = both & np.isfinite(seasonal)
        band = both & np.isfinite(width)
        inside = (forecast[:, :, 1] <= actual) & (actual <= forecast[:, :, 2])
        found = (
            (both, both),
            (both, error),
            (both, np.abs(naive - actual)),
            (three, three),
            (three, error),
            (three, np.abs(seasonal - actual)),
            (band, band),
            (band, inside),
            (band, width),
        )
        self._sums[k] += np.stack([np.where(mask, what, 0.0).sum(axis=0) for mask, what in found], axis=1)


def _ratio(total: float, count: float) -> float | None:
    return float(total / count) if count else None
