"""The model: what is observed, what is predicted, and which parts do it."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from streamrnn.spec.drift import Drift
from streamrnn.spec.experts import Expert
from streamrnn.spec.heads import Gaussian, Head
from streamrnn.spec.layers import Layer
from streamrnn.spec.monitors import Anomaly, Conformal, Monitor
from streamrnn.spec.optimisers import Optimiser
from streamrnn.spec.part import ALWAYS, Fraction, Meaning, NonNegative, Part, Period, Seconds
from streamrnn.spec.rules import Rule

__all__ = ["Feature", "Model", "Name", "Steps", "Vocabulary", "Window"]

Steps = Annotated[int, Meta(ge=1, le=4096)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
_DAY, _CLOCK = "(mon|tue|wed|thu|fri|sat|sun)", "[0-2][0-9]:[0-5][0-9]"
Window = Annotated[str, Meta(pattern=f"^({_DAY}(-{_DAY})? )?{_CLOCK}-{_CLOCK}$")]  # of the day, on days of the week


Input = Literal["value", "change", "missing", "hour", "error", "elapsed", "experts", "calendar"]


class Feature(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one feature.

    As a target it lies between `lower` and `upper`, and so do its forecasts; only errors in `direction` and of at least
    `least` (its units) surprise, and none in the windows of `mute`, in the model's timezone. What is outside `valid` is
    missing. With `known_future` messages bring its values at the horizons ahead.
    """

    lower: float | None = None
    upper: float | None = None
    known_future: bool = False
    valid: tuple[float, float] | None = None
    direction: Literal["both", "up", "down"] = "both"
    least: NonNegative = 0.0
    mute: tuple[Window, ...] = ()


class Vocabulary(Part, frozen=True, tag="vocabulary"):
    """The symbols of task "events": at most `symbols`, "unseen" among them; the `shown` likeliest are published.

    `alert_rate` is the share of ordinary events, and of sessions, that may alarm.
    """

    meaning: ClassVar[Meaning] = {"symbols": ALWAYS}

    symbols: Annotated[int, Meta(ge=2, le=4096)] = 256
    shown: Annotated[int, Meta(ge=1, le=32)] = 5
    alert_rate: Fraction = 0.001


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One model: what is observed, what is predicted, and the parts that do it."""

    features: tuple[Name, ...] = ()
    feature: dict[Name, Feature] = {}
    task: Literal["forecast", "label", "events"] = "forecast"
    targets: tuple[Name, ...] | None = None
    horizons: tuple[Steps, ...] = (1,)
    preset: Literal["light", "standard", "full"] = "standard"
    layers: tuple[Layer, ...] | None = None
    experts: tuple[Expert, ...] | None = None
    seasons: tuple[Period, ...] | None = None
    history: Annotated[int, Meta(ge=2, le=2048)] | None = None
    gate: bool | None = None
    rule: Rule | None = None
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1)] | None = None
    corrects: Literal["mix", "last", "mean"] | None = None
    head: Head = Gaussian()
    vocabulary: Vocabulary | None = None
    optimiser: Optimiser | None = None
    monitors: tuple[Monitor, ...] = (Conformal(), Anomaly())
    drift: Drift | None = None
    weights: Literal["per_stream", "pooled"] = "per_stream"
    timezone: Name = "UTC"
    prior: str = ""
    frozen: bool = False
    half_life: NonNegative = 0.0
    steps: Literal["auto", "observations", "time"] = "auto"
    lateness: Seconds = 0.0
    silence: NonNegative = 0.0
    scale_rate: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.001
    label_memory: Annotated[int, Meta(ge=1, le=4096)] = 64
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 1
