"""What an operator may ask of a running daemon over its control socket."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from streamrnn import __version__
from streamrnn.service.operations import control
from streamrnn.service.reload import rehearse
from streamrnn.service.startup import Started
from streamrnn.service.storage.backup import back_up
from streamrnn.service.streams.generate import generate

_log = structlog.get_logger("streamrnn")


def listen(started: Started, reload: Callable[[], None]) -> None:
    """Open the control socket, if there is to be one; `reload` asks the loop for one. Raises StreamrnnError."""
    parts = started.parts
    config = parts.config.control
    if not config.enabled:
        return
    endpoint = control.endpoint(config.endpoint, parts.store.path)
    if not config.endpoint and len(endpoint) > control.LONGEST:
        _log.warning("no control socket", reason=f"{endpoint} is too long", hint="set control.endpoint")
        return
    serve = control.Control(commands(started, reload)).serve
    parts.sockets.open_auxiliary(endpoint, control.OPTIONS, serve, always=True)


def commands(started: Started, reload: Callable[[], None]) -> dict[str, control.Command]:
    """By name; each raises StreamrnnError for what cannot be done."""
    parts = started.parts
    orders = parts.commands

    def reload_or_rehearse(asked: Mapping[str, str]) -> dict[str, Any]:
        if "dry_run" in asked:
            return rehearse(parts)
        reload()
        return {}

    return {
        "status": lambda _: status(started),
        "forget": lambda asked: orders.order("forget", asked["stream"]),
        "reset": lambda asked: orders.order("reset", asked["stream"]),
        "freeze": lambda _: orders.order_freeze("freeze", parts.journal.last + 1),
        "unfreeze": lambda _: orders.order_freeze("unfreeze", parts.journal.last + 1),
        "backup": lambda asked: _back_up(started, Path(asked["path"])),
        "reload": reload_or_rehearse,
        "feedback": orders.judge,
        "generate": lambda asked: generate(parts.engine, asked),
    }


def status(started: Started) -> dict[str, Any]:
    """What an operator wants to know first."""
    parts = started.parts
    stats = parts.journal.stats
    return {
        "version": __version__,
        **parts.incarnation.told(),
        "ready": parts.telemetry.ready,
        "checks": dict(parts.telemetry.checks),
        "streams": len(parts.streams),
        "streams_resting": parts.streams.evicted,
        "max_streams": parts.streams.capacity,
        "producers": len(parts.producers),
        "frozen": parts.engine.frozen,
        "lsn": parts.journal.last,
        "published_lsn": parts.publisher.lsn,
        "journal_frames": stats.rows,
        "journal_bytes": stats.bytes,
        "checkpoint_age": round(parts.checkpoint.age, 1),
        "durability": parts.store.durability,
        "endpoints": parts.sockets.endpoints,
        "catchup": started.catchup,
        "metrics": started.metrics,
    }


def _back_up(started: Started, path: Path) -> dict[str, Any]:
    parts = started.parts
    parts.journal.mark(parts.publisher.lsn)  # nothing may be open
    return {"path": str(path), "bytes": back_up(parts.store, path, parts.alive), "lsn": parts.journal.last}
