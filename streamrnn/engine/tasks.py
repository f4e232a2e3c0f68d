"""Which engine serves a task: one for numbers, one for events. Both keep one contract (`engine`)."""

from typing import Any

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.engine.event_engine import EventEngine
from streamrnn.model import event_plan, plan

AnyEngine = Engine | EventEngine


def build(model: spec.Model, capacity: int, threads: int = 1, **given: Any) -> AnyEngine:
    """The engine of a model; `given`: the prior and the zone of `Engine`. Events are stepped by one thread.

    Raises ConfigError for what cannot be.
    """
    if model.task == "events":
        return EventEngine(model, capacity)
    return Engine(model, capacity, threads=threads, **given)


def compose(model: spec.Model) -> Any:
    """The plan of a model, without an engine. Raises ConfigError."""
    return event_plan.compose(model) if model.task == "events" else plan.compose(model)
