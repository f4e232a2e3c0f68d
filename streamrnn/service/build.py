"""From a configuration to the parts of a daemon."""

from streamrnn.config import resources
from streamrnn.config.schema import Config
from streamrnn.engine import tasks
from streamrnn.engine.event_engine import EventEngine
from streamrnn.engine.tasks import AnyEngine
from streamrnn.errors import ConfigError
from streamrnn.model import covariates
from streamrnn.service.recovery import replay
from streamrnn.spec import Binary
from streamrnn.wire import Decoder, Encoder, Events, Forecasts


def engine(config: Config) -> AnyEngine:
    """The engine; an allocation that fails anywhere on the way is the operator's to mend, not the daemon's end."""
    try:
        return tasks.build(config.model, rows(config), config.limits.threads, **resources.of(config.model))
    except MemoryError:
        hint = "lower limits.max_streams, or use a smaller model"
        raise ConfigError(f"no memory for {rows(config)} streams of this model", hint) from None


def rows(config: Config) -> int:
    """Streams that are in memory at once. Raises ConfigError when a frame might name more of them."""
    limits = config.limits
    resident = limits.resident_streams
    if resident and resident < min(limits.max_observations, limits.max_streams):
        raise ConfigError(
            f"limits.resident_streams = {resident} is below limits.max_observations = {limits.max_observations}",
            "the streams of one frame are in memory together: raise the one or lower the other",
        )
    if resident and config.model.lateness:
        raise ConfigError(
            "limits.resident_streams with model.lateness", "streams that wait for older observations stay in memory"
        )
    return min(resident, limits.max_streams) or limits.max_streams


def decoder(config: Config) -> Decoder:
    """What reads the inputs."""
    model, binary = config.model, isinstance(config.model.head, Binary)
    ahead = covariates.coming(model), len(model.horizons)
    return Decoder(model.features, model.task, replay.sources(config), config.limits.max_observations, binary, *ahead)


def encoder(engine: AnyEngine, config: Config) -> Encoder:
    """What writes the answers."""
    if isinstance(engine, EventEngine):
        return Encoder(Events(engine.symbol), config.output.format)
    nulls = config.output.format == "msgpack"
    form = Forecasts(engine.targets, engine.horizons, engine.level, engine.monitors, nulls, engine.experts)
    return Encoder(form, config.output.format, config.model.drift)


def at_start(old: Config, new: Config) -> list[str]:
    """What a running daemon cannot change."""
    changed = [] if old.metrics == new.metrics else ["metrics"]
    changed += [] if old.output.catchup == new.output.catchup else ["output.catchup"]
    keys = ("path", "durability", "interval")
    return changed + [f"state.{key}" for key in keys if getattr(old.state, key) != getattr(new.state, key)]
