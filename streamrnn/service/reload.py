"""A reload: read the configuration again and go over to it as a whole, or stay as it was."""

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import structlog

from streamrnn.config.schema import Config, load
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError, FullError, StreamrnnError
from streamrnn.service import build, changes
from streamrnn.service.chores import refuse_malformed
from streamrnn.service.ingest.authentication import granted
from streamrnn.service.ingest.sockets import LostError
from streamrnn.service.operations import logs
from streamrnn.service.parts import Core, Parts
from streamrnn.service.recovery import losses
from streamrnn.service.recovery import replay as recovery
from streamrnn.service.streams.freeze import freeze
from streamrnn.service.turn import serve
from streamrnn.wire import Encoder

_log = structlog.get_logger("streamrnn")


def reload(parts: Parts) -> None:
    """Read the configuration again. Whatever is wrong with it is told, and all stays as it was.

    Raises LostError when that cannot be. Whether the store was harmed on the way is for `Store.check` to say.
    """
    parts.manager.reloading()
    try:
        ended = parts.sockets.change_grants(granted(parts.config.security))  # whatever else may be wrong
        told: dict[str, Any] = {"connections_ended": ended} if ended else {}
        told |= _change(parts, _read(parts))
    except LostError:
        raise
    except Exception as error:
        ours = not isinstance(error, StreamrnnError)
        _log.error("reload refused", error=f"{type(error).__name__}: {error}" if ours else str(error), exc_info=ours)
        good, state, told = False, "reload_refused", {"error": str(error)}
    else:
        _log.info("reloaded", **told)
        good, state = True, "reloaded"
    parts.telemetry.count("streamrnn_config_reloads_total", 1, "ok" if good else "refused")
    parts.telemetry.set("streamrnn_config_last_reload_successful", float(good))
    parts.tell_status(state, **told)
    parts.manager.tell("READY=1", f"STATUS={state}: {told or 'as the file says'}")


def rehearse(parts: Parts) -> dict[str, Any]:
    """What a reload would change. Raises StreamrnnError for a file that would be refused."""
    return changes.report(parts.engine, len(parts.streams), parts.config, _read(parts))


def _read(parts: Parts) -> Config:
    if parts.source is None:
        raise ConfigError("there is no file to read again", "start with `streamrnn run FILE`")
    return load(parts.source)


def _change(parts: Parts, config: Config) -> dict[str, Any]:
    """Go over to another configuration; what is worth telling. Raises what went wrong; all is then as it was.

    What takes long or may fail comes before the sockets are changed; what has to come behind that is undone with it.
    """
    before = parts.core
    _refuse(parts, config)
    engine = _engine(parts, config)
    decoder = build.decoder(config)
    read, now = recovery.reading(before.config), recovery.reading(config)
    if not now.extends(read):
        parts.checkpoint.finish(parts.engine, parts.journal.last, alive=parts.alive)
    told: dict[str, Any] = {}
    try:
        parts.sockets.change(config.input, config.output, config.limits)
    finally:
        _serve_left(parts)
    try:
        if parts.disk_full.full:
            raise FullError("what had been sent to an input could not be journaled", "free some space on that disk")
        if engine is not before.engine:
            told["dropped"] = sorted(recovery.carry_over(before.engine, engine, parts.alive))
        encoder = _encoder(before, engine, config)
        if not now.extends(read):
            parts.settle(config)
        elif now != read:
            recovery.note(parts.store, now)
    except BaseException:
        parts.sockets.change(before.config.input, before.config.output, before.config.limits)
        raise
    if later := build.at_start(before.config, config):
        told["at_next_start"] = later
    parts.follow(Core(config, engine, decoder, encoder))
    logs.configure(config.log.level)
    return told


def _encoder(before: Core, engine: Engine, config: Config) -> Encoder:
    """What writes the answers of an engine: the one that does, or a new one that counts on."""
    if engine is before.engine and config.output.format == before.config.output.format:
        return before.encoder
    encoder = build.encoder(engine, config)
    encoder.go_on_from(before.encoder, engine.names)
    return encoder


def _refuse(parts: Parts, config: Config) -> None:
    """Raise ConfigError for what a running daemon cannot go over to."""
    before = parts.config
    if parts.disk_full.full or parts.backlog:
        raise FullError("nothing is changed while the disk is full", "free some space on that disk, and reload then")
    if config.model.task != before.model.task:
        raise ConfigError("model.task is not changed while running", "start again, with another state directory")
    if config.security != before.security:
        raise ConfigError("security is not changed while running", "keys are; for where they are, start again")
    if config.limits.max_streams < len(parts.streams):
        raise ConfigError(f"limits.max_streams is below the {len(parts.streams)} streams that are known")


def _engine(parts: Parts, config: Config) -> Engine:
    """The engine of another configuration: the one that serves, or a new one without streams. Raises ConfigError."""
    engine, before = parts.engine, parts.config
    if (config.model, build.rows(config)) == (before.model, build.rows(before)):
        return engine
    if build.rows(config) < engine.streams:
        raise ConfigError(f"limits.resident_streams is below the {engine.streams} streams in memory")
    losses.refuse(losses.of_engine(engine, config.model))
    with ThreadPoolExecutor(1) as builder:  # it may have to compile for longer than the watchdog waits
        made = builder.submit(build.engine, config)
        while not wait([made], 1.0).done:
            parts.alive()
    freeze(made.result(), parts.freeze.now)
    return made.result()


def _serve_left(parts: Parts) -> None:
    """Serve what was taken from inputs that were closed or are read otherwise from now on, as it was sent to us."""
    left, most = parts.sockets.take_left(), parts.config.limits.max_batch
    for start in range(0, len(left), most):
        serve(parts, left[start : start + most])
        parts.alive()
    refuse_malformed(parts)
