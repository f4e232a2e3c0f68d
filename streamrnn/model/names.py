"""What the numbers of a row are called: the names and labels of all slices of a numeric model.

How a new part names its state: it does nothing but list it. A layer's numbers are called by the identities of all
layers, an optimiser's, a head's, a monitor's and a detector's by their own; an expert's `state` in `parts.py` lists its
pieces with their axes. A new setting goes into the part's `meaning` if it changes what stored numbers mean
(`spec.part`). An optimiser whose state is not so many numbers a weight names it with `Plane.record` in `plan._learned`.

Members of the mix are labels on the axes of the mix, of the pending forecasts, of the shares and of the gate's inputs
and logits. So adding or removing an expert leaves alone what the others, the mix and the network have learned, and the
order in which they stand does not count.

A name is a title, then the identities on which the meaning of the numbers rests. Titles and labels are stored: they
change only together with an entry in `former.py`, which reads what older versions wrote.
"""

from collections.abc import Iterable
from typing import NamedTuple

from streamrnn import spec
from streamrnn.kernels.core.layout import (
    Clock,
    Count,
    Drift,
    Feedback,
    Filter,
    ForecastLatest,
    Joint,
    Level,
    Loss,
    Peaks,
    Pending,
    Place,
    Scale,
    Stats,
    Target,
    Watch,
)
from streamrnn.kernels.core.usual import Gaps
from streamrnn.kernels.experts import gate
from streamrnn.kernels.experts import seasons as s
from streamrnn.model.layout import digest, fields, labels, unique

Labels = dict[str, int]
NETWORK = "network"
LAST_ROUND = ("base", "gated", NETWORK)
PLAIN = ("value", "change", "missing", "hour", "error", "elapsed")  # what a network sees beside the experts

CLOCK = fields(
    {
        "time": Clock.TIME,
        "interval": Clock.INTERVAL,
        "elapsed": Clock.ELAPSED,
        "soon": Clock.SOON,
        "intervals": Clock.RING,
    },
    Clock.WIDTH,
)
GAPS = fields({"count": Gaps.COUNT, "any": Gaps.ANY, "day": Gaps.DAY, "week": Gaps.WEEK}, Gaps.WIDTH)
SCALE = fields(
    {
        "mean": Scale.MEAN,
        "variance": Scale.VARIANCE,
        "change": Scale.CHANGE,
        "last": Scale.LAST,
        "scaled": Scale.SCALED,
        "count": Scale.SIZE,
        "odd": Scale.ODD,
        "widest": Scale.WIDEST,
        "away": Scale.AWAY,
        "widest learned": Scale.LEARNED,
        "doubt": Scale.DOUBT,
        "raw": Scale.RAW,
        "odd days": Scale.DAYS,
    },
    Scale.WIDTH,
)
TARGET = fields(
    {
        "mean": Target.MEAN,
        "variance": Target.VARIANCE,
        "last": Target.LAST,
        "error": Target.ERROR,
        "count": Target.COUNT,
        "least": Target.LEAST,
        "usual deviation": Target.USUAL,
        "deviations": Target.SCALES,
        "largest change": Target.LARGEST,
    },
    Target.WIDTH,
)
STATS = fields(
    {
        "spread": Stats.SPREAD,
        "low": Stats.LOW,
        "high": Stats.HIGH,
        "range": Stats.RANGE,
        "count": Stats.COUNT,
        "error": Stats.ERROR,
        "error of last": Stats.ERROR_LAST,
        "error of seasonal": Stats.ERROR_SEASONAL,
        "covered": Stats.COVERED,
        "width": Stats.BREADTH,
        "winkler": Stats.WINKLER,
        "bounded": Stats.BOUNDED,
    },
    Stats.WIDTH,
)
ERRORS = ("spread", "count", "error", "error of last", "error of seasonal")  # the others rest on the intervals' level
WATCH = fields({"seen": Watch.SEEN, "day": Watch.DAY, "blind": Watch.BLIND}, Watch.WIDTH)
PEAKS = fields(
    {
        "began": Peaks.BEGAN,
        "highest": Peaks.HIGHEST,
        "since": Peaks.SINCE,
        "run": Peaks.RUN,
        "rows": Peaks.ROWS,
        "level": Peaks.LEVEL,
        "rate": Peaks.RATE,
        "excess": Peaks.EXCESS,
        "peak": Peaks.PEAK,
        "peak at": Peaks.PEAK_AT,
        "histogram": Peaks.HISTOGRAM,
    },
    Peaks.WIDTH,
)
LEVEL = fields(
    {
        "count": Level.COUNT,
        "learned": Level.LEARNT,
        "short": Level.SHORT,
        "firm": Level.FIRM,
        "slow": Level.SLOW,
        "spread": Level.SPREAD,
        "wander": Level.WANDER,
        "turns": Level.TURNS,
        "side": Level.SIDE,
        "score": Level.SCORE,
        "part": Level.PART,
        "base": Level.BASE,
        "most": Level.MOST,
    },
    Level.WIDTH,
)
CREEP = labels(("day", "count", "sum", "known", "yesterday", "earlier", "days", "variance"))
JOINT = fields(
    {
        "seen": Joint.SEEN,
        "highest": Joint.HIGHEST,
        "since": Joint.SINCE,
        "peaks": Joint.PEAKS,
        "excess": Joint.EXCESS,
        "doubt": Joint.DOUBT,
        "T2": Joint.T2,
        "Q": Joint.Q,
    },
    Joint.WIDTH,
)
PENDING = fields(
    {
        "anchor": Pending.ANCHOR,
        "unit": Pending.UNIT,
        "mixed": Pending.MIXED,
        "lower": Pending.LOWER,
        "upper": Pending.UPPER,
        "issued": Pending.ISSUE,
        "doubted": Pending.DOUBT,
    },
    Pending.FORECASTS,
)
LATEST = fields(
    {
        "score": ForecastLatest.SCORE,
        "tail": ForecastLatest.TAIL,
        "started": ForecastLatest.STARTED,
        "peak": ForecastLatest.PEAK,
        "alarmed": ForecastLatest.ALARMED,
        "size": ForecastLatest.SIZE_THEN,
        "offset": ForecastLatest.OFFSET,
    },
    ForecastLatest.TARGETS,
)
FILTER = fields(
    {
        "noise": Filter.NOISE,
        "count": Filter.COUNT,
        "unit": Filter.UNIT,
        "unit count": Filter.UNIT_COUNT,
        "gate noise": Filter.GATE_NOISE,
        "gate count": Filter.GATE_COUNT,
    },
    Filter.WIDTH,
)
LOSS = fields({"latest": Loss.LATEST, "sum": Loss.SUM}, Loss.WIDTH)
DRIFT = fields(
    {
        "which": Drift.WHICH,
        "since": Drift.SINCE,
        "before": Drift.BEFORE,
        "after": Drift.AFTER,
        "count": Drift.COUNT,
        "raised": Drift.RAISED,
    },
    Drift.WIDTH,
)
COUNTS = labels(("steps", "clean", "falls", "since", "rest"))  # of Updates
STREAM = fields(
    {
        "seen": Count.SEEN,
        "step": Count.STEP,
        "seq": Count.SEQ,
        "event": Count.EVENT,
        "ring": Count.RING_AT,
        "phase": Count.PHASE,
        "lateness": Count.LATENESS,
        "passed": Count.PASSED,
        "ahead": Count.AHEAD,
    },
    Count.OF_STREAM,
)
EVENT = fields(
    {
        "open": 0,
        "calm": Count.CALM - Count.OPEN,
        "severity": Count.SEVERITY - Count.OPEN,
        "alarms": Count.ALARMS - Count.OPEN,
        "loudest": Count.LOUDEST - Count.OPEN,
        "held": Count.HELD - Count.OPEN,
    },
    Count.OF_EVENT,
)
TAPE = fields(
    {
        "written": 0,
        "position": Count.POSITION - Count.WRITTEN,
        "oldest": Count.OLDEST - Count.WRITTEN,
        "newest": Count.NEWEST - Count.WRITTEN,
        "labels": Count.LABELS - Count.WRITTEN,
        "fresh": Count.FRESH - Count.WRITTEN,
        "learned": Count.LEARNT - Count.WRITTEN,
    },
    Count.OF_TAPE,
)
PLACE = fields({"step": Place.STEP, "row": Place.ROW, "ident": Place.IDENT}, Place.WIDTH)
FEEDBACK = fields(
    {
        "event": Feedback.EVENT,
        "said": Feedback.VERDICT,
        "halvings": Feedback.STEPS,
        "before": Feedback.BEFORE,
        "muted": Feedback.IGNORED_UNTIL,
    },
    Feedback.WIDTH,
)
HEAD = fields({"bins": s.BINS, "seconds": s.SECONDS, "steps": s.STEPS, "passed": s.PASSED}, s.HEAD)


class Names(NamedTuple):
    """What the names of a row rest on.

    `by_input`: the weights of the first layer are named by the inputs that they belong to. `gated`: the network weighs
    the experts and sees what they say. `width`: outputs of the head for each target and horizon.
    """

    layers: tuple[spec.Layer, ...]
    by_input: bool
    head: spec.Head
    width: int
    rule: spec.Rule
    features: tuple[str, ...]
    targets: tuple[str, ...]
    horizons: tuple[int, ...]
    experts: tuple[spec.Expert, ...]
    gated: bool
    coming: tuple[str, ...]  # features whose values are known ahead
    rows: int  # of the tape
    seasons: tuple[float, ...]  # in seconds, as configured
    timezone: str
    sees: tuple[str, ...] = ()  # what the network sees, where it is not the usual
    corrects: str = "mix"  # what the network corrects

    @property
    def members(self) -> tuple[str, ...]:
        """The experts by identity."""
        return unique(f"expert {each.identity()}" for each in self.experts)

    @property
    def on_members(self) -> Labels:
        return labels(self.members)

    @property
    def on_targets(self) -> Labels:
        return labels(target(name) for name in self.targets)

    @property
    def on_features(self) -> Labels:
        return labels(feature(name) for name in self.features)

    @property
    def on_horizons(self) -> Labels:
        return labels(horizon(step) for step in self.horizons)

    @property
    def on_last_round(self) -> Labels:
        return labels(each for each in LAST_ROUND if self.gated or each != "gated")

    def on_slots(self, label_memory: int) -> Labels:
        """Places of pending forecasts: as many of a horizon as it has steps, or as many labels as may be late."""
        return {horizon(step): step or label_memory for step in self.horizons}

    @property
    def inputs(self) -> Labels:
        """Inputs of the network, as `advance.inputs` and `advance.look` lay them out."""
        sees = self.sees or (*PLAIN, *(("experts", "calendar") if self.gated else ()))
        width = sum(name in sees for name in ("value", "change", "missing"))
        found = {feature(name): width for name in self.features if width}
        found |= {"time of day": 2} if "hour" in sees else {}
        found |= {f"error of {name}": 1 for name in self.targets if "error" in sees}
        found |= {"elapsed time": 1} if "elapsed" in sees else {}
        found |= {f"{name} known for {step}": 2 for name in self.coming for step in self.horizons}
        if "experts" in sees:
            ends = [*self.horizons[:1], *self.horizons[1:][-1:]]
            for name in self.targets:
                for step in ends:
                    found |= {f"{name} at {step} by {each}": 1 for each in (*self.members, "mix")}
        found |= {"seasons": gate.HARMONICS} if "calendar" in sees else {}
        return found

    @property
    def answers(self) -> Labels:
        """One number for each target and horizon."""
        return {f"{name} at {step}": 1 for name in self.targets for step in self.horizons}

    @property
    def outputs(self) -> Labels:
        """Outputs of the network: those of the head for each target and horizon, then the gate's logits."""
        found = dict.fromkeys(self.answers, self.width)
        if self.gated:
            found |= {f"{name} by {each}": 1 for name in self.targets for each in self.members}
        return found

    @property
    def network(self) -> str:
        """What the meaning of the layers rests on."""
        kinds = " ".join(layer.identity() for layer in self.layers)
        kinds = kinds if self.corrects == "mix" else f"{kinds} correcting {self.corrects}"
        if self.sees and sorted(self.sees) != sorted(PLAIN):
            kinds = f"{kinds} seeing {'/'.join(sorted(self.sees))}"
        return kinds if self.by_input else f"{kinds} on {digest(list(self.inputs.items()))}"

    @property
    def tape(self) -> str:
        """What the meaning of the tape's rows rests on."""
        return f"{self.network} {self.rule.identity()} {self.rows} rows"

    @property
    def season(self) -> str:
        """What the meaning of seasonal numbers rests on."""
        return self.zoned("/".join(f"{each:g}" for each in self.seasons) or "by interval")

    def monitors(self, watching: Iterable[spec.Monitor]) -> tuple[str, ...]:
        """Names of the monitors behind the score."""
        found = []
        for each in watching:
            name = f"monitor {each.identity()}"
            if isinstance(each, spec.Residual):
                name += f" at {horizon(self.horizons[0])}"
            found.append(self.zoned(name) if isinstance(each, spec.Hours) else name)
        return unique(found)

    def zoned(self, name: str) -> str:
        """A name whose numbers rest on the hour of the day."""
        return name if self.timezone == "UTC" else f"{name} {self.timezone}"


def target(name: str) -> str:
    """Label of a target."""
    return f"target {name}"


def feature(name: str) -> str:
    """Label of a feature."""
    return f"feature {name}"


def horizon(step: int) -> str:
    """Label of a horizon; the label's own is 0."""
    return f"horizon {step}"


def vocabulary(symbols: int) -> str:
    """What numbers rest on that belong to the symbols of events."""
    return f"{symbols} symbols"


def event_network(layers: tuple[spec.Layer, ...], symbols: int, features: tuple[str, ...]) -> str:
    """What the meaning of a network's weights over events rests on."""
    kinds = " ".join(layer.identity() for layer in layers)
    return f"{kinds} on {vocabulary(symbols)} {digest(list(features))}"
