"""The tasks: what an engine does in its own way for each. Everything else of an engine is the same for all."""

from collections.abc import Callable
from typing import Any, NamedTuple

from streamrnn import spec
from streamrnn.engine import events, forecasts
from streamrnn.kernels.step import event_loop, loop
from streamrnn.model import event_initial, event_plan, initial, plan


class Task(NamedTuple):
    """The functions of a task. A plan (model.plan, model.event_plan) is what they share."""

    compose: Callable[[spec.Model], Any]  # the plan of a model
    link: Callable[[Any, str], None]  # compile the parts of a plan for a type of numbers
    first: Any  # the module that fills new rows
    scratch: Callable[[Any, str], Any]  # room to work in, for one thread
    ident: Callable[[Any], Any]  # the column that tells the observations of a batch apart
    room: Callable[[Any, int], Any]  # outcomes to be filled
    run: Callable[..., None]  # observe a batch
    tell: Callable[..., None]  # the outcome of a row's last observation again
    wait: Callable[..., None]  # nothing came from rows by their deadlines
    due: Callable[[spec.Model, Any], Any]  # seconds until the next observation should have come
    health: Callable[[Any, Any], Any]  # how good the predictions are


_NUMBERS = Task(
    plan.compose, plan.link, initial, forecasts.scratch, forecasts.ident, forecasts.room, forecasts.run,
    loop.tell, loop.wait, forecasts.due, forecasts.health,
)  # fmt: skip
_SYMBOLS = Task(
    event_plan.compose, event_plan.link, event_initial, events.scratch, events.ident, events.room, events.run,
    event_loop.tell, event_loop.wait, events.due, events.health,
)  # fmt: skip
TASKS = {"forecast": _NUMBERS, "label": _NUMBERS, "events": _SYMBOLS}


def compose(model: spec.Model) -> Any:
    """The plan of a model, without an engine. Raises ConfigError."""
    return TASKS[model.task].compose(model)
