"""What a model of tasks "forecast" and "label" cannot be, and what to do about it. Learning rules: see `forward`."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

from streamrnn import spec
from streamrnn.errors import ConfigError
from streamrnn.model.parts import MONITORS

Refusal = tuple[bool, str, str]  # whether it is so, what is wrong, what to do


def refuse(model: spec.Model) -> None:
    """Raise ConfigError for the first thing that is wrong."""
    for part in (_events, _names, _known, _begins, _labels, _head, _experts, _layers, _monitors, _drift):
        for wrong, message, hint in part(model):
            if wrong:
                raise ConfigError(message, hint)


def _events(model: spec.Model) -> list[Refusal]:
    """What only task events has."""
    experts = model.experts or ()
    return [
        (model.vocabulary is not None, "model.vocabulary without task 'events'", "leave vocabulary out"),
        (
            any(isinstance(layer, spec.Embedding) for layer in model.layers or ()),
            "model.layers has an embedding without task 'events'",
            "leave the embedding out",
        ),
        (
            any(isinstance(expert, spec.Context) for expert in experts),
            "model.experts has kind 'context' without task 'events'",
            "leave it out",
        ),
    ]


def _names(model: spec.Model) -> list[Refusal]:
    """Features, targets, horizons."""
    strange = _strange(model.targets or (), model.features)
    return [
        (not model.features, "model.features is empty", "name at least one feature"),
        (len(set(model.features)) < len(model.features), "model.features has a name twice", "name each once"),
        (len(model.features) > 256, "more than 256 features", "split the stream, or leave features out"),
        (
            bool(strange),
            f"model.targets names what is not a feature: {', '.join(map(repr, strange))}",
            _nearest(strange, model.features) + "targets are a subset of the features",
        ),
        (model.targets == (), "model.targets is empty", "leave it out to predict every feature"),
        (not model.horizons, "model.horizons is empty", "name at least one horizon, in steps"),
        (
            list(model.horizons) != sorted(set(model.horizons)),
            "model.horizons is not in ascending order",
            "write each horizon once, the shortest first",
        ),
    ]


def _strange(given: Iterable[str], known: Collection[str]) -> list[str]:
    """The names that are not known."""
    return [name for name in given if name not in known]


def _nearest(strange: Sequence[str], names: Sequence[str]) -> str:
    """A question for the first of these names, if another is like it."""
    near = get_close_matches(strange[0], names, 1) if strange else []
    return f"did you mean {near[0]!r}? " if near else ""


def _known(model: spec.Model) -> list[Refusal]:
    """What is said of single features."""
    targets = ("label",) if model.task == "label" else (model.targets or model.features)
    strange = _strange(model.feature, {*model.features, *targets})
    return [
        (
            bool(strange),
            f"model.feature names what is not a feature: {', '.join(map(repr, strange))}",
            _nearest(strange, model.features)
            + "its tables are called after features"
            + (', or "label"' if model.task == "label" else ""),
        ),
        (
            any(not _ascend(known.lower, known.upper) for known in model.feature.values()),
            "model.feature has a lower at or above its upper",
            "values lie between the two",
        ),
        (
            any(
                (known.lower, known.upper) != (None, None) and name not in targets
                for name, known in model.feature.items()
            ),
            "model.feature has a lower or upper for what is not predicted",
            "they are limits of forecasts: name the feature in model.targets, or leave them out",
        ),
        (
            any(known.valid is not None and known.valid[0] >= known.valid[1] for known in model.feature.values()),
            "model.feature has a valid range that does not ascend",
            "write valid = [lowest, highest]",
        ),
        (
            any(
                (known.direction, known.least, known.mute) != ("both", 0.0, ()) and name not in targets
                for name, known in model.feature.items()
            ),
            "model.feature has a direction, least or mute for what is not predicted",
            "they are about its anomalies: name the feature in model.targets, or leave them out",
        ),
        (
            any(known.known_future and name in targets for name, known in model.feature.items()),
            "model.feature has known_future for what is predicted",
            "name the features to predict in model.targets, without those whose future is known",
        ),
        (
            model.task == "label" and any(known.known_future for known in model.feature.values()),
            "model.feature with known_future and task 'label'",
            "it predicts the label of this observation: leave known_future out",
        ),
    ]


def _begins(model: spec.Model) -> list[Refusal]:
    """What a stream begins with."""
    return [
        (
            bool(model.prior) and model.weights == "pooled",
            "model.prior with pooled weights",
            "new streams begin with what the pool has learned: leave prior out",
        ),
    ]


def _ascend(low: float | None, high: float | None) -> bool:
    return low is None or high is None or low < high


def _labels(model: spec.Model) -> list[Refusal]:
    """What task label has no use for, or it alone."""
    if model.task != "label":
        other = model.label_memory != spec.Model().label_memory
        return [(other, "model.label_memory without task 'label'", "leave label_memory out: no label is waited for")]
    experts = model.experts or ()
    return [
        (
            model.targets is not None,
            "model.targets with task 'label'",
            "leave targets out: it is the label",
        ),
        (
            any(not isinstance(expert, spec.Last) for expert in experts),
            "only the expert 'last' works on labels",
            "leave experts out",
        ),
        (model.horizons != (1,), "model.horizons with task 'label'", "leave horizons out"),
        (
            model.seasons is not None,
            "model.seasons with task 'label'",
            "leave seasons out: no expert looks back",
        ),
        (model.history is not None, "model.history with task 'label'", "leave history out: no expert looks back"),
        (model.steps != "auto", "model.steps with task 'label'", "leave steps out: no step ahead is predicted"),
        (bool(model.gate), "model.gate with task 'label'", "leave gate out: there is one expert, nothing to weigh"),
        (
            any(isinstance(monitor, spec.Mean | spec.Hours) for monitor in model.monitors),
            "only the monitor 'residual' works on labels",
            "leave the others out",
        ),
    ]


def _head(model: spec.Model) -> list[Refusal]:
    """What is predicted of a target."""
    return [
        (
            isinstance(model.head, spec.Binary) and model.task != "label",
            "model.head 'binary' with task 'forecast'",
            'it predicts a label that is 0 or 1: set task = "label"',
        ),
        (
            isinstance(model.head, spec.Quantile) and not _symmetric(model.head.levels),
            "model.head.levels do not ascend around 0.5",
            "write an odd number of levels between 0 and 1, ascending, with 0.5 in the middle",
        ),
    ]


def _experts(model: spec.Model) -> list[Refusal]:
    """Experts and the seasons they look back on."""
    experts = model.experts or ()
    return [
        (
            len({expert.lags for expert in experts if isinstance(expert, spec.Linear | spec.Echo)}) > 1,
            "linear experts with different lags",
            "they share their inputs: give them, and those of kind 'echo', equal lags",
        ),
        (
            len({expert.units for expert in experts if isinstance(expert, spec.Echo)}) > 1,
            "experts of kind 'echo' with different units",
            "they share one reservoir: give them equal units",
        ),
        (
            model.seasons is not None
            and (not 1 <= len(model.seasons) <= 2 or list(model.seasons) != sorted(set(model.seasons))),
            "model.seasons are not one or two in ascending order",
            "name the shorter season first, in seconds; leave it out to find them by the sampling interval",
        ),
        (model.experts == (), "model.experts is empty", "leave it out for the preset's; keep at least 'last'"),
    ]


def _layers(model: spec.Model) -> list[Refusal]:
    """Layers, and what they ask of the rule."""
    layers = model.layers or ()
    again = isinstance(model.rule, spec.Tbptt) and model.rule.recompute
    return [
        (model.layers == (), "model.layers is empty", "leave it out for the preset's"),
        (
            any(isinstance(layer, spec.Lru) and layer.size % 2 for layer in layers),
            "a layer of kind 'lru' has an odd size",
            "two numbers make a complex one: choose an even size",
        ),
        (
            any(isinstance(layer, spec.Lru) and layer.r_min >= layer.r_max for layer in layers),
            "a layer of kind 'lru' has r_min at or above r_max",
            "the first factors lie between the two",
        ),
        (
            bool(model.gate) and again,
            "model.gate with a rule that recomputes",
            "the gate learns from the forecasts as they were issued: leave recompute out",
        ),
        (
            any(isinstance(layer, spec.Dropout) for layer in layers) and not again,
            "a layer of kind 'dropout' with a rule that does not recompute",
            'it works while a window is run again: set rule = { kind = "tbptt", recompute = true }',
        ),
    ]


def _monitors(model: spec.Model) -> list[Refusal]:
    """Monitors."""
    return [
        (
            _twice(model.monitors),
            "a monitor stands twice in model.monitors",
            "name each once; those of kind 'mean' and 'hours' may stand there with different settings",
        ),
    ]


def _drift(model: spec.Model) -> list[Refusal]:
    """Drift."""
    drift = model.drift or spec.Drift()
    kinds = [type(detector) for detector in drift.detectors]
    return [
        (not kinds, "model.drift.detectors is empty", "name at least one, or leave model.drift out"),
        (len(set(kinds)) < len(kinds), "a detector stands twice in model.drift.detectors", "name each once"),
        (
            len(set(drift.reactions)) < len(drift.reactions),
            "a reaction stands twice in model.drift.reactions",
            "name each once",
        ),
        (
            "challenger" in drift.reactions and model.weights == "pooled",
            "the reaction 'challenger' with pooled weights",
            'a challenger is a stream\'s own: set weights = "per_stream"',
        ),
    ]


def _twice(monitors: tuple[spec.Monitor, ...]) -> bool:
    """Whether a monitor, or the settings of all of them, stand there twice."""
    settings = [type(monitor) for monitor in monitors if type(monitor) not in MONITORS]
    return len(set(settings)) < len(settings) or len(set(monitors)) < len(monitors)


def _symmetric(levels: tuple[float, ...]) -> bool:
    """Whether the levels ascend and have the median in their middle."""
    return list(levels) == sorted(set(levels)) and len(levels) % 2 == 1 and levels[len(levels) // 2] == 0.5
