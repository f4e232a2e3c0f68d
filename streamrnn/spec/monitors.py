"""Monitors: the intervals, the anomaly score, and what the score is made of."""

from typing import Annotated, ClassVar

from msgspec import Meta

from streamrnn.spec.part import ALWAYS, Fraction, Meaning, Part, Positive

__all__ = ["Anomaly", "Conformal", "Flat", "Hours", "Joint", "Mean", "Monitor", "Residual"]


class Conformal(Part, frozen=True, tag="conformal"):
    """Adaptive conformal intervals (quantile tracking, Angelopoulos et al. 2023) at coverage `level`.

    They are wider at those of so many `hours` of the day in which errors are larger; 0: the same at all times.
    """

    meaning: ClassVar[Meaning] = {"level": ALWAYS, "hours": ALWAYS}

    level: Fraction = 0.9
    hours: Annotated[int, Meta(ge=0, le=96)] = 24


class Anomaly(Part, frozen=True, tag="anomaly"):
    """One anomaly score from the surprise of all monitors.

    `alerts_per_week` is how many alarms a week ordinary data may bring, in the stream's own time, at most one in 1000
    observations; true ones come on top. `warmup` observations pass before the first score; an event closes after
    `quiet` observations without surprise. At most `holdoff` surprising values of an event are not learned; then they
    are the new level.
    """

    alerts_per_week: Positive = 1.0
    warmup: Annotated[int, Meta(ge=50)] = 100
    quiet: Annotated[int, Meta(ge=1, le=10_000)] = 6
    holdoff: Annotated[int, Meta(ge=0, le=10_000)] = 24


class Residual(Part, frozen=True, tag="residual"):
    """Monitor: how far a value is from its forecast of the shortest horizon."""


class Mean(Part, frozen=True, tag="mean"):
    """Monitor: how far a value is from the running mean, which moves by `rate` a value, faster at first."""

    meaning: ClassVar[Meaning] = {"rate": ALWAYS}

    rate: Fraction = 0.001


class Hours(Part, frozen=True, tag="hours"):
    """Monitor: how far a value is from the running mean of this time of the day, over `bins` bins."""

    meaning: ClassVar[Meaning] = {"bins": ALWAYS, "rate": ALWAYS}

    bins: Annotated[int, Meta(ge=2, le=96)] = 24
    rate: Fraction = 0.02


class Flat(Part, frozen=True, tag="flat"):
    """Monitor: how many values in a row have been equal, once there are more than `steps`: a frozen sensor."""

    meaning: ClassVar[Meaning] = {"steps": ALWAYS}

    steps: Annotated[int, Meta(ge=1, le=100_000)] = 5


class Joint(Part, frozen=True, tag="joint"):
    """Monitor: all targets together, T-squared and the residual Q of their levels (Hotelling 1947; Jackson 1979).

    It is there where there are two `targets` to so many; 0: nowhere.
    """

    targets: Annotated[int, Meta(ge=0, le=512)] = 64


Monitor = Conformal | Anomaly | Residual | Mean | Hours | Flat | Joint
