"""What a changed configuration would keep and drop, told before it is applied."""

from typing import Any

from streamrnn.config.schema import Config
from streamrnn.engine.engine import Engine
from streamrnn.engine.tasks import compose
from streamrnn.errors import ConfigError
from streamrnn.model.transfer import WHOLE, Part, is_width, transfer
from streamrnn.service import build
from streamrnn.service.recovery import losses


def report(engine: Engine, streams: int, before: Config, after: Config) -> dict[str, Any]:
    """The inputs opened and closed, the slices of a stream's state that are kept, dropped and new, and what only a
    restart changes. Raises ConfigError for a configuration that would be refused."""
    if after.limits.max_streams < streams:
        raise ConfigError(f"limits.max_streams is below the {streams} streams that are known")
    lost: tuple[Part, ...] = ()
    begun: tuple[Part, ...] = ()
    if after.model != before.model:
        _, _, lost, begun = transfer(engine.layout, compose(after.model).planes, after.model.timezone)
    whole = {part.slice for part in lost if part.label == WHOLE}
    inputs, wanted = [{spec.endpoint for spec in config.input} for config in (before, after)]
    return {
        "opens": sorted(wanted - inputs),
        "closes": sorted(inputs - wanted),
        "keeps": sum(not is_width(name) for name in engine.layout) - len(whole),
        "loses": list(losses.of_engine(engine, after.model).lost),
        "drops": sorted(str(part) for part in lost),
        "begins_anew": sorted(str(part) for part in begun),
        "at_next_start": build.at_start(before, after),
    }
