"""From a configuration to the parts of a daemon: no file and no socket is opened here, and nothing is replayed."""

import os
import time
from functools import partial
from pathlib import Path

from msgspec import structs

from streamrnn.config import resources as given
from streamrnn.config.schema import Config
from streamrnn.engine.engine import Engine
from streamrnn.engine.reorder import Reorder
from streamrnn.errors import ConfigError
from streamrnn.model import covariates
from streamrnn.service.gauges import measure
from streamrnn.service.ingest.authentication import Authenticator, authenticator
from streamrnn.service.ingest.backlog import Backlog
from streamrnn.service.ingest.disk_full import DiskFull
from streamrnn.service.ingest.producers import ProducerSessions
from streamrnn.service.ingest.rate_limit import RateLimiter, newcomers
from streamrnn.service.ingest.sockets import Sockets
from streamrnn.service.operations import resources
from streamrnn.service.operations.systemd import ServiceManager
from streamrnn.service.operations.telemetry import Telemetry
from streamrnn.service.parts import Core, Parts
from streamrnn.service.publish.catchup import Catchup
from streamrnn.service.publish.dead_letters import DeadLetters
from streamrnn.service.publish.last_values import LastValues
from streamrnn.service.publish.publisher import Publisher
from streamrnn.service.recovery import replay
from streamrnn.service.storage.checkpoint import Checkpoint, Counts
from streamrnn.service.storage.checkpoint_schedule import CheckpointSchedule
from streamrnn.service.storage.incarnation import Incarnation
from streamrnn.service.storage.journal import Journal, Write
from streamrnn.service.storage.reserve import Reserve
from streamrnn.service.storage.store import Store
from streamrnn.service.streams.commands import StreamCommands
from streamrnn.service.streams.freeze import Freeze
from streamrnn.service.streams.registry import Streams
from streamrnn.service.streams.silence import Silence
from streamrnn.spec import Binary
from streamrnn.wire import Decoder, Encoder, Events, Forecasts, Frame


def core(config: Config) -> Core:
    """What a configuration makes. Raises ConfigError."""
    made = engine(config)
    return Core(config, made, decoder(config), encoder(made, config))


def parts(core: Core, store: Store, source: Path | None) -> Parts:
    """The objects of a daemon around an open store, wired. Raises StreamrnnError for keys or rows that are no good."""
    config, now = core.config, time.monotonic()
    telemetry = Telemetry([spec.endpoint for spec in config.input])
    keys = authenticator(config)
    reorder, journal, freeze = Reorder(config.model.lateness), Journal(store), Freeze(store)

    def counts(name: str) -> Counts:
        return streams.counts(name)

    checkpoint = Checkpoint(store, counts, reorder)
    streams = Streams(core.engine, core.encoder, checkpoint, config.limits.max_streams, now)
    last_values = LastValues(core.engine, core.encoder, config.output.format)
    dead_letters = DeadLetters(config.limits.dead_letters_per_second, core.encoder, telemetry)
    sockets, incarnation = Sockets(last_values.answer, keys), Incarnation()
    caught_up = _catchup(config, streams, journal, keys, incarnation)
    publisher = Publisher(core.engine, core.encoder, sockets, caught_up, dead_letters)
    producers = ProducerSessions(store, config.limits)
    backlog, reserve = Backlog(), Reserve(store.path)
    commands = StreamCommands(
        config, core.engine, core.encoder, streams, reorder, freeze, telemetry,
        partial(_append, journal, publisher, backlog), Silence(core.engine, now),
    )  # fmt: skip
    made = Parts(
        core=core,
        source=source,
        manager=ServiceManager(os.environ),
        store=store,
        telemetry=telemetry,
        authenticator=keys,
        rate_limiter=RateLimiter(keys.may_send, newcomers(config)),
        reorder=reorder,
        journal=journal,
        checkpoint=checkpoint,
        schedule=CheckpointSchedule(config.state, now),
        streams=streams,
        producers=producers,
        freeze=freeze,
        commands=commands,
        dead_letters=dead_letters,
        last_values=last_values,
        sockets=sockets,
        catchup=caught_up,
        publisher=publisher,
        disk_full=DiskFull(store, producers, sockets, reserve, telemetry.disk_full),
        backlog=backlog,
        incarnation=incarnation,
        reserve=reserve,
    )
    _register(made)
    return made


def _append(
    journal: Journal, publisher: Publisher, backlog: Backlog, frames: list[Frame], also: Write | None
) -> list[int]:
    """Journal what is no message; the lsn of each frame. Raises FullError while something waits to be applied."""
    backlog.refuse()
    lsns = journal.append(frames, publisher.lsn, also)
    publisher.sent(lsns[-1])
    return lsns


def _catchup(
    config: Config, streams: Streams, journal: Journal, keys: Authenticator, incarnation: Incarnation
) -> Catchup | None:
    """Who is asked for what was missed."""
    output = config.output
    if not output.catchup:
        return None
    asked = structs.replace(output, endpoint=output.catchup)
    return Catchup(streams, lambda: journal.last, partial(keys.may_hear, asked), incarnation)


def _register(parts: Parts) -> None:
    """Who counts keeps the count; telemetry asks for it."""
    telemetry, producers = parts.telemetry, parts.producers

    def passed() -> dict[str, int]:
        return {telemetry.inputs[origin]: count for origin, count in producers.take_passed().items()}

    for name, take in (
        ("streamrnn_peers_disconnected_total", parts.sockets.take_ended),
        ("streamrnn_handshakes_total", parts.authenticator.take_handshakes),
        ("streamrnn_denied_total", parts.authenticator.take_denied),
        ("streamrnn_observations_reordered_total", lambda: {"": parts.reorder.take_reordered()}),
        ("streamrnn_producer_messages_total", producers.take_counts),
        ("streamrnn_frames_received_total", passed),
    ):
        telemetry.count_from(name, take)
    telemetry.observe_from("streamrnn_journal_commit_seconds", parts.journal.take_commit_seconds)
    telemetry.observe_from("streamrnn_checkpoint_seconds", parts.checkpoint.take_seconds)
    telemetry.set("streamrnn_memory_limit_bytes", resources.memory())
    telemetry.measure_with(lambda: measure(parts))


def engine(config: Config) -> Engine:
    """The engine; an allocation that fails anywhere on the way is the operator's to mend, not the daemon's end."""
    try:
        return Engine(config.model, rows(config), threads=config.limits.threads, **given.of(config.model))
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


def encoder(engine: Engine, config: Config) -> Encoder:
    """What writes the answers."""
    if engine.model.task == "events":
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
