"""The vocabulary of a model: what an operator may write under `[model]`, as frozen tagged Structs.

Every Struct here is plain data with a default that works. Whether a combination is possible is decided by
`model.plan`, which refuses with a hint. A new layer, expert, head, optimiser or monitor is one Struct here and one
entry in the plan's table.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Size = Annotated[int, Meta(ge=1, le=1024)]
Steps = Annotated[int, Meta(ge=1, le=4096)]
Positive = Annotated[float, Meta(gt=0.0)]
Fraction = Annotated[float, Meta(gt=0.0, lt=1.0)]
NonNegative = Annotated[float, Meta(ge=0.0)]
Seconds = Annotated[float, Meta(ge=0.0, extra={"unit": "seconds"})]
Period = Annotated[float, Meta(gt=0.0, extra={"unit": "seconds"})]
Season = Annotated[int, Meta(ge=1, le=2)]
_DAY, _CLOCK = "(mon|tue|wed|thu|fri|sat|sun)", "[0-2][0-9]:[0-5][0-9]"
Window = Annotated[str, Meta(pattern=f"^({_DAY}(-{_DAY})? )?{_CLOCK}-{_CLOCK}$")]  # of the day, on days of the week
Name = Annotated[str, Meta(min_length=1, max_length=128)]


INPUTS = ("lags", "profile", "calendar")  # of a linear expert: each sees what the ones before it see


class Part(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """A part that is chosen by its `kind`."""


class Elman(Part, frozen=True, tag="elman"):
    """Vanilla recurrent layer, tanh (Elman 1990)."""

    size: Size = 16


class Gru(Part, frozen=True, tag="gru"):
    """Gated recurrent unit, reset-after form (Cho et al. 2014; the variant of cuDNN)."""

    size: Size = 16


class GruBefore(Part, frozen=True, tag="gru_before"):
    """Gated recurrent unit, reset-before form, as first published (Cho et al. 2014)."""

    size: Size = 16


class Lstm(Part, frozen=True, tag="lstm"):
    """Long short-term memory with forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000)."""

    size: Size = 16


class Peephole(Part, frozen=True, tag="lstm_peephole"):
    """Long short-term memory whose gates see the cell (Gers, Schraudolph, Schmidhuber 2002)."""

    size: Size = 16


class Lru(Part, frozen=True, tag="lru"):
    """Linear recurrent unit: `size` / 2 complex numbers that turn and shrink (Orvieto et al. 2023).

    At first their factors lie on the ring from `r_min` to `r_max`, at angles up to `phase` (radians).
    """

    size: Size = 16
    r_min: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    r_max: Fraction = 0.99
    phase: Annotated[float, Meta(ge=0.0, le=6.2832)] = 3.1416


class Dense(Part, frozen=True, tag="dense"):
    """Dense layer with an `activation`; carries nothing from row to row."""

    size: Size = 16
    activation: Literal["tanh", "relu", "linear"] = "tanh"


class Conv(Part, frozen=True, tag="conv"):
    """Causal convolution over the last `span` inputs, tanh."""

    size: Size = 16
    span: Annotated[int, Meta(ge=1, le=64)] = 4


class Attention(Part, frozen=True, tag="attention"):
    """What the layer below said beside a mean of its last `span` outputs, weighted by likeness (Luong et al. 2015)."""

    size: Size = 16
    span: Annotated[int, Meta(ge=2, le=64)] = 16


class Memory(Part, frozen=True, tag="memory"):
    """What the layer below said beside what came after outputs like its own, from `slots` keys and values."""

    size: Size = 16
    slots: Annotated[int, Meta(ge=2, le=4096)] = 64


class Norm(Part, frozen=True, tag="norm"):
    """Layer normalisation (Ba, Kiros, Hinton 2016); as many units as the layer below."""


class Dropout(Part, frozen=True, tag="dropout"):
    """Leaves out a `share` of what the layer below says, in training alone (Srivastava et al. 2014).

    Needs a rule that recomputes: what is published stands on the whole network.
    """

    share: Fraction = 0.1


class Embedding(Part, frozen=True, tag="embedding"):
    """A row of weights per symbol, and per number of its context (Bengio et al. 2003); the first layer for events."""

    size: Size = 32


class Tbptt(Part, frozen=True, tag="tbptt"):
    """Truncated back-propagation through time, BPTT(h; h') of Williams and Peng 1990: h = `window`, h' = `stride`.

    `recompute` runs each window again under the weights of the update before it goes back through it.
    """

    window: Annotated[int, Meta(ge=1, le=512)] = 16
    stride: Annotated[int, Meta(ge=1, le=512)] = 8
    recompute: bool = False


class Rtrl(Part, frozen=True, tag="rtrl"):
    """Exact real-time recurrent learning (Williams and Zipser 1989) of diagonal recurrences, an update every `stride`.

    The whole history counts, at a cost that does not grow with it; exact per layer when layers are stacked.
    """

    stride: Annotated[int, Meta(ge=1, le=512)] = 1


class Snap1(Part, frozen=True, tag="snap1"):
    """SnAp-1 (Menick et al. 2021): RTRL in which a parameter acts on its own unit alone, an update every `stride`."""

    stride: Annotated[int, Meta(ge=1, le=512)] = 1


class Immediate(Part, frozen=True, tag="immediate"):
    """No history: the gradient through the current step alone (arXiv 2603.28750), an update every `stride`."""

    stride: Annotated[int, Meta(ge=1, le=512)] = 1


class Gaussian(Part, frozen=True, tag="gaussian"):
    """Mean and log standard deviation per target and horizon, trained by likelihood."""


class Student(Part, frozen=True, tag="student"):
    """Location and log scale of a Student-t with `dof` degrees of freedom, by likelihood: robust to outliers."""

    dof: Annotated[float, Meta(gt=0.0, le=1000.0)] = 4.0


class Quantile(Part, frozen=True, tag="quantile"):
    """Quantiles at `levels`, which cannot cross, by pinball loss; the forecast is the median."""

    levels: Annotated[tuple[Fraction, ...], Meta(min_length=1, max_length=15)] = (0.05, 0.25, 0.5, 0.75, 0.95)


class Binary(Part, frozen=True, tag="binary"):
    """Probability that the label, 0 or 1, is 1; by likelihood. Task "label" alone."""


class Descent(Part, frozen=True, kw_only=True):
    """What all optimisers share: limits on the mean gradient and on a weight's move (0: none), and the rate's schedule.

    `period` counts updates: until "sqrt" sets in, or between two looks of "plateau".
    """

    clip: Positive = 1.0
    clip_value: NonNegative = 0.0
    cap: NonNegative = 0.0
    schedule: Literal["constant", "sqrt", "plateau"] = "constant"
    period: Annotated[int, Meta(ge=10, le=100_000)] = 500


class Adam(Descent, frozen=True, tag="adam"):
    """Adam (Kingma and Ba 2015) after clipping the gradient to norm `clip`; with `decay`, AdamW."""

    rate: Positive = 2e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    decay: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0


class RmsProp(Descent, frozen=True, tag="rmsprop"):
    """RMSProp (Tieleman and Hinton 2012) after clipping the gradient to norm `clip`."""

    rate: Positive = 1e-3
    decay: Fraction = 0.9


class Obgd(Descent, frozen=True, tag="obgd"):
    """Overshoot-bounded gradient descent (Elsayed et al. 2024), made for an update at every observation."""

    rate: Positive = 1.0
    kappa: Annotated[float, Meta(ge=1.0)] = 2.0


class Sgd(Descent, frozen=True, tag="sgd"):
    """Gradient descent with momentum after clipping the gradient to norm `clip`."""

    rate: Positive = 1e-2
    momentum: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.9


class Last(Part, frozen=True, tag="last"):
    """The last value: persistence."""


class Seasonal(Part, frozen=True, tag="seasonal"):
    """The value one season earlier: 1 is the shorter season of `Model.seasons`, 2 the longer one."""

    season: Season = 1


class Change(Part, frozen=True, tag="change"):
    """Last value plus the change over the same steps one season earlier: for seasons on a trend."""

    season: Season = 1


class Level(Part, frozen=True, tag="level"):
    """The running level of this bin of the season."""

    season: Season = 1


class Profile(Part, frozen=True, tag="profile"):
    """Last value plus the median change of this time of the period, over `bins` bins of `period` seconds."""

    period: Period = 86_400.0
    bins: Annotated[int, Meta(ge=2, le=168)] = 48


class Linear(Part, frozen=True, tag="linear"):
    """Recursive least squares with forgetting factor `forget`, all horizons at once.

    It sees the last `lags` changes; from "profile" on the levels of the shorter season; with "calendar" also values
    of both seasons around the steps foretold and their harmonics. `root`: works on signed square roots, with errors
    clipped at three usual ones, for series whose spread grows with their level. All linear experts of a model have
    equal `lags`: they share their inputs.
    """

    inputs: Literal["lags", "profile", "calendar"] = "profile"
    lags: Annotated[int, Meta(ge=1, le=512)] = 25
    forget: Annotated[float, Meta(ge=0.9, le=1.0)] = 0.9995
    root: bool = False


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


class Context(Part, frozen=True, tag="context"):
    """What followed the last k symbols, k from 0 to `longest`: in at most `contexts` entries for each k (a power of 2).

    Prediction by partial matching (Cleary and Witten 1984), each k a member of the mix.
    """

    longest: Annotated[int, Meta(ge=0, le=10)] = 6
    contexts: Annotated[int, Meta(ge=4, le=2**20)] = 4096


class Vocabulary(Part, frozen=True, tag="vocabulary"):
    """The symbols of task "events": at most `symbols`, "unseen" among them; the `shown` likeliest are published.

    `alert_rate` is the share of ordinary events, and of sessions, that may alarm.
    """

    symbols: Annotated[int, Meta(ge=2, le=4096)] = 256
    shown: Annotated[int, Meta(ge=1, le=32)] = 5
    alert_rate: Fraction = 0.001


class Conformal(Part, frozen=True, tag="conformal"):
    """Adaptive conformal intervals (quantile tracking, Angelopoulos et al. 2023) at coverage `level`.

    They are wider at those of so many `hours` of the day in which errors are larger; 0: the same at all times.
    """

    level: Fraction = 0.9
    hours: Annotated[int, Meta(ge=0, le=96)] = 24


class Anomaly(Part, frozen=True, tag="anomaly"):
    """One anomaly score from the surprise of all monitors.

    `alerts_per_week` is how many alarms a week and stream are wanted, in the stream's own time, at most one in 1000
    observations; `warmup` observations pass before the first score; an event closes after `quiet` observations without
    surprise. At most `holdoff` surprising values of an event are not learned; then they are the new level.
    """

    alerts_per_week: Positive = 1.0
    warmup: Annotated[int, Meta(ge=50)] = 100
    quiet: Annotated[int, Meta(ge=1, le=10_000)] = 6
    holdoff: Annotated[int, Meta(ge=0, le=10_000)] = 24


class Residual(Part, frozen=True, tag="residual"):
    """Monitor: how far a value is from its forecast of the shortest horizon."""


class Mean(Part, frozen=True, tag="mean"):
    """Monitor: how far a value is from the running mean, which moves by `rate` a value, faster at first."""

    rate: Fraction = 0.001


class Hours(Part, frozen=True, tag="hours"):
    """Monitor: how far a value is from the running mean of this time of the day, over `bins` bins."""

    bins: Annotated[int, Meta(ge=2, le=96)] = 24
    rate: Fraction = 0.02


class Adwin(Part, frozen=True, tag="adwin"):
    """Drift detector: a window that ends where its mean has changed (Bifet and Gavalda 2007).

    `delta` is the probability of a false detection at each look.
    """

    delta: Fraction = 0.002


class PageHinkley(Part, frozen=True, tag="page_hinkley"):
    """Drift detector: a sum of deviations from the mean beyond `delta` (Page 1954).

    It is faded by `alpha` at each step, and a drift where it moves by `threshold` from its extreme.
    """

    delta: NonNegative = 0.05
    threshold: Positive = 10.0
    alpha: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.9999


class Drift(Part, frozen=True, tag="drift"):
    """What watches the standardised loss for a change to the worse, and what is done when it comes."""

    detectors: tuple[Adwin | PageHinkley, ...] = (Adwin(),)
    reactions: tuple[Literal["rate", "scaler", "forget", "challenger"], ...] = ("rate", "forget")


class Flat(Part, frozen=True, tag="flat"):
    """Monitor: how many values in a row have been equal, once there are more than `steps`: a frozen sensor."""

    steps: Annotated[int, Meta(ge=1, le=100_000)] = 5


Layer = Elman | Gru | GruBefore | Lstm | Peephole | Lru | Dense | Conv | Attention | Memory | Norm | Dropout | Embedding
Expert = Last | Seasonal | Change | Level | Profile | Linear | Context
Head = Gaussian | Student | Quantile | Binary
Rule = Tbptt | Rtrl | Snap1 | Immediate
Optimiser = Adam | RmsProp | Sgd | Obgd
Monitor = Conformal | Anomaly | Residual | Mean | Hours | Flat


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One model: what is observed, what is foretold, and the parts that do it."""

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
    head: Head = Gaussian()
    vocabulary: Vocabulary | None = None
    optimiser: Optimiser = Adam()
    monitors: tuple[Monitor, ...] = (Conformal(), Anomaly())
    drift: Drift | None = None
    weights: Literal["per_stream", "pooled"] = "per_stream"
    timezone: Name = "UTC"
    prior: str = ""
    frozen: bool = False
    half_life: NonNegative = 0.0
    lateness: Seconds = 0.0
    silence: NonNegative = 0.0
    scale_rate: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.001
    label_memory: Annotated[int, Meta(ge=1, le=4096)] = 64
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 1
