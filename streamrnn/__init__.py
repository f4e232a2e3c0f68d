"""streamrnn: a daemon that learns from every message of a stream.

    Engine        the learner alone, without a daemon: `Engine(model, capacity)`; no sockets, no clock, no files
    Model         what is observed and predicted, and by which parts: `Model(features=("flow",))`
    batch         observations of numbers for `Engine.step`
    events        the same for a model of task "events"
    load_config   a daemon's configuration from a TOML file
    Producer      sends to a daemon; nothing that was acknowledged is lost
    Subscriber    listens to a daemon; no gap goes unseen

    engine = streamrnn.Engine(streamrnn.Model(features=("flow",)), capacity=100)
    seen = streamrnn.batch(["pump-1"] * 3, [[1.0], [2.0], [3.0]], time=[0.0, 60.0, 120.0])
    outcomes = engine.step(seen, engine.admit(seen.names))

Each name is imported when it is first used (PEP 562), so importing the package compiles nothing and loads no Numba.

Beside the packages: batches makes observations of plain lists (`batch`, `events`), messages holds what passes between
floors, errors whose fault an error is and its exit code.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamrnn.batches import batch, events
    from streamrnn.client import Producer, Subscriber
    from streamrnn.config.schema import load as load_config
    from streamrnn.engine.engine import Engine
    from streamrnn.spec import Model

__version__ = "0.1.0"
__all__ = ["Engine", "Model", "Producer", "Subscriber", "batch", "events", "load_config"]

_HOMES = {
    "Engine": ("streamrnn.engine.engine", "Engine"),
    "Model": ("streamrnn.spec", "Model"),
    "Producer": ("streamrnn.client", "Producer"),
    "Subscriber": ("streamrnn.client", "Subscriber"),
    "batch": ("streamrnn.batches", "batch"),
    "events": ("streamrnn.batches", "events"),
    "load_config": ("streamrnn.config.schema", "load"),
}


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    found = globals()[name] = getattr(import_module(module), attribute)
    return found


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
