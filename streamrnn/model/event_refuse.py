"""What a model of task "events" cannot be, and what to do about it. A key that it does not read is refused too."""

from typing import Any

import msgspec

from streamrnn import spec
from streamrnn.errors import ConfigError

Refusal = tuple[bool, str, str]  # whether it is so, what is wrong, what to do
UNREAD = {  # keys of a model that mean nothing for symbols, and what to write instead
    "targets": "it is the next event",
    "horizons": "the next event is predicted, one step ahead",
    "seasons": "it has no seasons",
    "timezone": "it has no seasons",
    "history": "what is remembered is the longest context: experts = [{ kind = 'context', longest = 6 }]",
    "gate": "network and context tables are always mixed",
    "inputs": "the network sees symbols",
    "corrects": "the network predicts the symbol itself",
    "head": "it is categorical",
    "drift": "the mix of network and context tables follows by itself",
    "prior": "every stream has symbols of its own; with weights = 'pooled' streams share what they learn",
    "steps": "the next event is one step, whenever it comes",
    "label_memory": "an event is its own label",
}
ANOMALY = {  # of the anomaly monitor
    "alerts_per_week": "set vocabulary.alert_rate, the share of ordinary events and sessions that may alarm",
    "holdoff": "what surprises is learned: a symbol that comes again is no surprise",
}


def refuse(model: spec.Model, layers: Any, experts: Any, rule: Any) -> None:
    """Raise ConfigError for the first thing that is wrong; layers, experts and rule: with the preset's filled in."""
    for part in (_unread(model), _features(model), _monitors(model), _parts(model, layers, experts, rule)):
        for wrong, message, hint in part:
            if wrong:
                raise ConfigError(f"{message} with task 'events'", hint)


def _unread(model: spec.Model) -> list[Refusal]:
    """Keys that would change nothing."""
    default = spec.Model()
    return [
        (getattr(model, key) != getattr(default, key), f"model.{key}", f"leave {key} out: {why}")
        for key, why in UNREAD.items()
    ]


def _features(model: spec.Model) -> list[Refusal]:
    """The numeric context, of which nothing is predicted."""
    ordinary = [(name, msgspec.structs.replace(known, valid=None)) for name, known in model.feature.items()]
    valid = [known.valid for known in model.feature.values() if known.valid is not None]
    return [
        (len(set(model.features)) < len(model.features), "model.features has a name twice", "name each once"),
        (len(model.features) > 256, "more than 256 features", "leave features out"),
        (not set(model.feature) <= set(model.features), "model.feature names what is not a feature", "name features"),
        (any(low >= high for low, high in valid), "model.feature has a valid range that does not ascend",
         "write valid = [lowest, highest]"),
        (any(known != spec.Feature() for _, known in ordinary), "model.feature with another setting than valid",
         "leave it out: nothing of the numeric context is predicted"),
    ]  # fmt: skip


def _monitors(model: spec.Model) -> list[Refusal]:
    """Of the monitors only the settings of the anomaly score count: a symbol and its time are what is watched."""
    anomaly = next((each for each in model.monitors if isinstance(each, spec.Anomaly)), spec.Anomaly())
    others = [each for each in model.monitors if not isinstance(each, spec.Anomaly) and each != spec.Conformal()]
    return [
        *((True, f"model.monitors has kind {spec.kind(each)!r}", "leave it out: symbols and times are watched")
          for each in others),
        *((getattr(anomaly, key) != getattr(spec.Anomaly(), key), f"model.monitors: {key}", f"leave it out: {why}")
          for key, why in ANOMALY.items()),
    ]  # fmt: skip


def _parts(model: spec.Model, layers: Any, experts: Any, rule: Any) -> list[Refusal]:
    """Layers, experts, rule and optimiser."""
    first, others = layers[0] if layers else None, layers[1:]
    return [
        (
            isinstance(model.optimiser, spec.Ekf),
            "model.optimiser 'ekf'",
            "a symbol of a vocabulary is many answers at once: use 'adam'",
        ),
        (
            getattr(model.optimiser, "schedule", "constant") != "constant",
            "model.optimiser.schedule",
            "leave schedule out",
        ),
        (
            not isinstance(first, spec.Embedding) or not others or any(isinstance(x, spec.Embedding) for x in others),
            "model.layers that do not begin with their one embedding",
            'write layers = [{ kind = "embedding" }, { kind = "gru" }], or leave it out for the preset\'s',
        ),
        (
            any(isinstance(layer, spec.Dropout) for layer in layers),
            "a layer of kind 'dropout'",
            "it works while a window is run again, which is not done for symbols: leave it out",
        ),
        (
            len(experts) != 1 or not isinstance(experts[0], spec.Context),
            "model.experts other than one of kind 'context'",
            'write experts = [{ kind = "context" }], or leave it out for the preset\'s',
        ),
        (
            not isinstance(rule, spec.Tbptt) or rule.recompute,
            "a model.rule other than plain tbptt",
            "the forward rules and recompute are for numbers: leave rule or its recompute out",
        ),
    ]
