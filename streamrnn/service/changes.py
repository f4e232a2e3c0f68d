"""What a changed configuration would keep and drop, told before it is applied."""

from typing import Any

from streamrnn.config.schema import Config
from streamrnn.engine.bank import layout_of
from streamrnn.engine.tasks import AnyEngine, compose
from streamrnn.errors import ConfigError
from streamrnn.service import build


def report(engine: AnyEngine, streams: int, before: Config, after: Config) -> dict[str, Any]:
    """The inputs opened and closed, the slices of a stream's state that are kept, dropped and new, and what only a
    restart changes. Raises ConfigError for a configuration that would be refused."""
    if after.limits.max_streams < streams:
        raise ConfigError(f"limits.max_streams is below the {streams} streams that are known")
    old, new = engine.layout, engine.layout
    if after.model != before.model:
        new = layout_of(compose(after.model))
    slices = {name for name in old if not name.startswith("width.")}
    kept = {name for name in slices if name in new and new[name][1] == old[name][1]}
    inputs, wanted = [{spec.endpoint for spec in config.input} for config in (before, after)]
    return {
        "opens": sorted(wanted - inputs),
        "closes": sorted(inputs - wanted),
        "keeps": len(kept),
        "drops": sorted(slices - kept),
        "begins_anew": sorted(name for name in new if not name.startswith("width.") and name not in kept),
        "at_next_start": build.at_start(before, after),
    }
