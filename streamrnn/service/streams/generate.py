"""`ctl generate`: how a stream of events may go on. Nothing that will be learned is changed."""

from collections.abc import Mapping
from typing import Any

import msgspec

from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError, StreamrnnError

MOST = 4096  # events of an answer: they hold a turn for about a tenth of a second


def generate(engine: Engine, asked: Mapping[str, str]) -> dict[str, Any]:
    """`n` events that may follow the stream asked for. Raises StreamrnnError."""
    if engine.model.task != "events":
        raise ConfigError(f"task {engine.model.task!r} has no events to generate", 'model.task = "events"')
    name = asked["stream"]
    if not engine.known(name):
        raise StreamrnnError(f"no stream {name!r} is known", "`streamrnn ctl status` tells how many there are")
    try:
        n, seed = int(asked.get("n", "1")), int(asked.get("seed", "1"))
        temperature, top_p = float(asked.get("temperature", "1")), float(asked.get("top_p", "1"))
        prime = msgspec.json.decode(asked.get("prime", "[]"), type=list[str | int])
    except (ValueError, msgspec.MsgspecError) as error:
        raise ConfigError(f"generate: {error}", "n, seed, temperature and top_p are numbers, prime is a list") from None
    if not (0 < n <= MOST and seed >= 0):
        raise ConfigError(f"generate: n {n} or seed {seed}", f"n is 1 to {MOST}, seed is not below 0")
    return {"stream": name, "events": engine.generate(name, n, seed, temperature, top_p, prime)}
