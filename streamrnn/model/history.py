"""What the experts of a target share: the shape of its history, and the regressors of its linear experts."""

from collections.abc import Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.experts import echo
from streamrnn.kernels.experts import seasons as s
from streamrnn.model.layout import digest

BINS = (288, 336)  # room of the two profiles: five minutes of a day, half an hour of a week
NEAR = 6  # steps: up to here a forecast leans on the values right around the same time of earlier seasons
WHOLE = 24  # levels of the shorter season that a linear expert sees, evenly spread over it
LAGS, VALUES = 6, 64  # observations of which all features are seen at most, and values of them together
ANCHORS = 5  # horizons that get regressors of their own when there are many

Row = tuple[int, int, int, int]


class Shared(NamedTuple):
    """What all targets see of the features, see kernels/experts/echo.py; nothing without units."""

    units: int = 0
    features: tuple[str, ...] = ()

    @property
    def lags(self) -> int:
        """Observations of which all features' values are seen: of one feature none, since it is its own target."""
        return max(1, min(LAGS, VALUES // len(self.seen))) if self.units and len(self.features) > 1 else 0

    @property
    def seen(self) -> tuple[str, ...]:
        """Features that are looked at: the first VALUES as they are configured."""
        return self.features[:VALUES]

    @property
    def length(self) -> int:
        """Numbers of the state."""
        return self.units + (self.lags + echo.MOMENTS) * len(self.seen)

    @property
    def numbers(self) -> int:
        """Regressors: states and their squares, last values, products of the newest."""
        newest = min(min(self.lags, 2) * len(self.seen), echo.MOST) if self.lags else 0
        return 2 * self.units + self.lags * len(self.seen) + newest * (newest + 1) // 2

    @property
    def name(self) -> str:
        """What the meaning of the numbers depends on."""
        return f"{self.units} {digest([list(self.seen), self.lags])}"


class Past(NamedTuple):
    """A history's sizes; all regressors in a table of which every linear expert sees a prefix."""

    ring: int
    bins: tuple[int, int]
    lags: int
    rows: int  # steps of which the regressors are kept
    table: NDArray[np.int64]  # (N, REGRESSOR_WIDTH)
    prefix: dict[str, int]  # `inputs` of a linear expert -> how many regressors it sees
    rooted: bool
    known: int  # numbers that are known of the time to come
    shared: Shared

    @property
    def kept(self) -> int:
        """Numbers of the kept regressors, plain or in roots."""
        return self.rows * (len(self.table) + 1) if len(self.table) else 0

    @property
    def read(self) -> int:
        """Regressors of what all targets see, the last ones of the table, with those that fill its last block up."""
        return self.prefix["echo"] - self.prefix["calendar"] if "echo" in self.prefix else 0

    @property
    def plain(self) -> int:
        """Where the kept regressors begin in a history."""
        return s.HEAD + self.ring + 2 * sum(self.bins)

    @property
    def length(self) -> int:
        """Numbers of one target's history."""
        return self.plain + self.kept * (2 if self.rooted else 1)

    @property
    def name(self) -> str:
        """What the meaning of the kept regressors depends on."""
        return f"{digest(self.table.tolist())} {self.rows}"

    def seen(self, inputs: str) -> str:
        """What the meaning of a linear expert's numbers depends on: the regressors that it sees."""
        own = digest(self.table[: self.prefix[inputs]].tolist())
        return f"{own} {self.shared.name}" if inputs == "echo" else own

    @property
    def ints(self) -> NDArray[np.int64]:
        """The plan's `past`."""
        head = np.zeros(s.TABLE, np.int64)
        head[s.RING], head[s.ROOM], head[s.ROOM + 1] = self.ring, *self.bins
        head[s.REGRESSORS], head[s.LAGS], head[s.ROWS] = len(self.table), self.lags, self.rows
        head[s.PLAIN], head[s.ROOT] = self.plain, self.plain + self.kept if self.rooted else 0
        head[s.OWN], head[s.SEEN] = len(self.table) - self.read, self.known
        return np.concatenate([head, self.table.ravel()])


def past(
    experts: tuple[spec.Expert, ...],
    horizons: tuple[int, ...],
    history: int,
    known: int = 0,
    features: tuple[str, ...] = ("value",),
) -> Past:
    """The history that these experts need; `history` is how many values it holds where a season is looked up.

    Of `known` of the `features` values come ahead.
    """
    linear = [expert for expert in experts if isinstance(expert, spec.Linear | spec.Echo)]
    shared = _shared(experts, features)
    inputs = {expert.inputs for expert in linear}
    looks = bool(inputs & {"calendar", "echo"}) or any(
        isinstance(each, spec.Seasonal | spec.Change) for each in experts
    )
    levels = _levels(experts, inputs)
    lags = linear[0].lags if linear else 0
    blocks = {
        "lags": _lags(lags) + _coming(horizons, known),
        "profile": _profile(horizons),
        "calendar": _calendar(horizons),
        "echo": [(s.SHARED, 0, number, 0) for number in range(shared.numbers)],
    }
    rows, prefix = _regressors(inputs, blocks)
    widest = max((prefix[name] for name in inputs), default=0)
    return Past(
        ring=max(history, lags + 1) if looks else lags + 1,
        bins=(BINS[0] if 1 in levels else 0, BINS[1] if 2 in levels else 0),
        lags=lags,
        rows=max(horizons) or 1,
        table=np.array(rows[:widest], np.int64).reshape(-1, s.REGRESSOR_WIDTH),
        prefix=prefix,
        rooted=any(expert.root for expert in linear),
        known=known * (len(horizons) + 1),
        shared=shared,
    )


def _shared(experts: tuple[spec.Expert, ...], features: tuple[str, ...]) -> Shared:
    """What all targets see of the features, where an expert reads it."""
    units = max((expert.units for expert in experts if isinstance(expert, spec.Echo)), default=0)
    return Shared(units, features if units else ())


def _levels(experts: tuple[spec.Expert, ...], inputs: Set[str]) -> set[int]:
    """Seasons of which levels are kept."""
    levels = {each.season for each in experts if isinstance(each, spec.Level)}
    return levels | ({1} if inputs - {"lags"} else set()) | ({2} if inputs & {"calendar", "echo"} else set())


def _regressors(inputs: Set[str], blocks: dict[str, list[Row]]) -> tuple[list[Row], dict[str, int]]:
    """Rows of the regressors' table as far as they are needed, and how many of them each kind of inputs takes."""
    rows: list[Row] = []
    prefix: dict[str, int] = {}
    for name in (*spec.INPUTS, "echo") if inputs else ():
        rows += blocks[name]
        rows += [(s.LAG, 0, 0, 0)] * (-len(rows) % 4)  # P is stored in blocks of four; lag 0 is no change at all
        prefix[name] = len(rows)
        if not inputs - set(prefix):
            break
    return rows, prefix


def _anchors(horizons: tuple[int, ...]) -> list[int]:
    """Horizons that get regressors of their own: all of a few, evenly chosen ones of many."""
    places = np.linspace(0, len(horizons) - 1, min(len(horizons), ANCHORS))
    return sorted({horizons[round(float(place))] for place in places})


def _lags(lags: int) -> list[Row]:
    return [(s.CONSTANT, 0, 0, 0), *((s.LAG, 0, lag, 0) for lag in range(1, lags + 1))]


def _coming(horizons: tuple[int, ...], known: int) -> list[Row]:
    """What each feature of known future shows now and will at the horizons, as `advance.foresee` lays it out."""
    ahead = [horizons.index(h) + 1 for h in _anchors(horizons)]
    return [(s.COMING, 0, g * (len(horizons) + 1) + k, 0) for g in range(known) for k in (0, *ahead)]


def _profile(horizons: tuple[int, ...]) -> list[Row]:
    """The shorter season's levels all around it, and right around the steps predicted when those are near."""
    near = _anchors(horizons) if max(horizons) <= NEAR else []
    whole: list[Row] = [(s.LEVEL, 0, 0, part) for part in range(WHOLE)]
    return whole + [(s.LEVEL, 0, h + d, 0) for h in near for d in (-1, 0, 1)]


def _calendar(horizons: tuple[int, ...]) -> list[Row]:
    """Values and levels of earlier seasons around the steps predicted, and the harmonics of both seasons.

    One near horizon gets windows of up to eleven steps; several share fewer steps each.
    """
    rows: list[Row] = []
    alone = len(horizons) == 1 and max(horizons) <= NEAR
    widths = (((1, 5), (2, 2), (3, 2)), ((1, 5), (2, 5), (3, 2))) if alone else (((1, 0), (2, 0), (3, 0)),) * 2
    for h in _anchors(horizons):
        for season in (0, 1):
            for back, width in widths[season]:
                rows += [(s.SEASON_LAG, season, back, h + d) for d in range(-width, width + 1)]
        rows += [(s.LEVEL, 1, h + d, 0) for d in ((-1, 0, 1) if alone else (0,))]
    rows += [(s.LEVEL, 1, d, 0) for d in (0, -1, -2)]
    ahead = horizons[0] if alone else 0
    for season, orders in ((0, 4), (1, 3)):
        for order in range(1, orders + 1):
            rows += [(s.SINE, season, order, ahead), (s.COSINE, season, order, ahead)]
    return rows
