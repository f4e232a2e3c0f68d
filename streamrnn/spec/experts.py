"""Experts: the members of the mix beside the network."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from streamrnn.spec.part import ALWAYS, Meaning, Part, Period

__all__ = [
    "INPUTS",
    "Change",
    "Context",
    "Echo",
    "Expert",
    "Last",
    "Level",
    "Linear",
    "Profile",
    "Season",
    "Seasonal",
    "Smooth",
]

Season = Annotated[int, Meta(ge=1, le=2)]
INPUTS = ("lags", "profile", "calendar")  # of a linear expert: each sees what the ones before it see


class Last(Part, frozen=True, tag="last"):
    """The last value: persistence."""


class Seasonal(Part, frozen=True, tag="seasonal"):
    """The value one season earlier: 1 is the shorter season of `Model.seasons`, 2 the longer one."""

    meaning: ClassVar[Meaning] = {"season": ALWAYS}

    season: Season = 1


class Change(Part, frozen=True, tag="change"):
    """Last value plus the change over the same steps one season earlier: for seasons on a trend."""

    meaning: ClassVar[Meaning] = {"season": ALWAYS}

    season: Season = 1


class Level(Part, frozen=True, tag="level"):
    """The running level of this bin of the season."""

    meaning: ClassVar[Meaning] = {"season": ALWAYS}

    season: Season = 1


class Profile(Part, frozen=True, tag="profile"):
    """Last value plus the median change of this time of the period, over `bins` bins of `period` seconds."""

    meaning: ClassVar[Meaning] = {"period": ALWAYS, "bins": ALWAYS}

    period: Period = 86_400.0
    bins: Annotated[int, Meta(ge=2, le=168)] = 48


class Smooth(Part, frozen=True, tag="smooth"):
    """Exponential smoothing: level, trend, and a season of at most `steps` steps, added or multiplied.

    Many settings run at once and are weighted by what they missed of late, so there is none to choose.
    """

    meaning: ClassVar[Meaning] = {"steps": ALWAYS}

    steps: Annotated[int, Meta(ge=2, le=336)] = 64


class Linear(Part, frozen=True, tag="linear"):
    """Recursive least squares with forgetting factor `forget`, all horizons at once.

    It sees the last `lags` changes; from "profile" on the levels of the shorter season; with "calendar" also values
    of both seasons around the steps predicted and their harmonics. `root`: works on square roots as long as no value
    is below 0, with errors clipped at three usual ones, for series whose spread grows with their level. All linear
    experts of a model have equal `lags`: they share their inputs.
    """

    meaning: ClassVar[Meaning] = {"inputs": ALWAYS, "lags": ALWAYS, "forget": ALWAYS, "root": False}

    inputs: Literal["lags", "profile", "calendar"] = "profile"
    lags: Annotated[int, Meta(ge=1, le=512)] = 25
    forget: Annotated[float, Meta(ge=0.9, le=1.0)] = 0.9995
    root: bool = False


class Echo(Part, frozen=True, tag="echo"):
    """Recursive least squares on what a linear expert with "calendar" sees and on all features of the stream.

    These are the states, and their squares, of a reservoir of `units` fixed random units that all features drive, and,
    where there are several features, their last values and products. It predicts what is nonlinear, and what other
    features drive. The other settings are those of `linear`.
    """

    meaning: ClassVar[Meaning] = {"units": ALWAYS, "lags": ALWAYS, "forget": ALWAYS, "root": True}

    units: Annotated[int, Meta(ge=8, le=512)] = 48
    lags: Annotated[int, Meta(ge=1, le=512)] = 25
    forget: Annotated[float, Meta(ge=0.9, le=1.0)] = 0.9998
    root: bool = True

    @property
    def inputs(self) -> Literal["echo"]:
        """Of the regressors of linear experts it sees all."""
        return "echo"


class Context(Part, frozen=True, tag="context"):
    """What followed the last k symbols, k from 0 to `longest`: in at most `contexts` entries for each k (a power of 2).

    Prediction by partial matching (Cleary and Witten 1984), each k a member of the mix.
    """

    meaning: ClassVar[Meaning] = {"longest": ALWAYS, "contexts": ALWAYS}

    longest: Annotated[int, Meta(ge=0, le=10)] = 6
    contexts: Annotated[int, Meta(ge=4, le=2**20)] = 4096


Expert = Last | Seasonal | Change | Level | Profile | Smooth | Linear | Echo | Context
