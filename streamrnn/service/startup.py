"""The start: open the store, build, recover what was received, learn a history, open the sockets, announce."""

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
from msgspec import structs

from streamrnn import __version__
from streamrnn.config.schema import Config
from streamrnn.errors import FullError, StorageError
from streamrnn.service import build
from streamrnn.service.ingest.admission import Refused
from streamrnn.service.ingest.subscriptions import Message
from streamrnn.service.operations.systemd import ServiceManager
from streamrnn.service.operations.web import Web
from streamrnn.service.parts import Parts
from streamrnn.service.publish import catchup
from streamrnn.service.recovery import backfill, losses, poison
from streamrnn.service.recovery import replay as recovery
from streamrnn.service.recovery.backfill import History
from streamrnn.service.storage.reserve import Reserve
from streamrnn.service.storage.store import Store, directory
from streamrnn.service.streams.freeze import freeze

SUBSCRIBERS = 0.5  # seconds that subscribers get to come back before they are sent what a stop held up
ROOM = 1 << 20  # bytes on the disk that make a start worth another try
LOOK, RETRY = 0.5, 5.0  # seconds between looks for them, and until a try is made all the same
EXTENSION = 60  # seconds more that each part of a replay may take before the service manager loses patience

_log = structlog.get_logger("streamrnn")


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon that is ready to turn: what is open, where it is reached, and what is to be sent first."""

    parts: Parts
    opened: ExitStack
    catchup: str  # endpoint; "": nobody can ask
    metrics: str  # address; "": they are not served
    held: list[Message]  # that a stop held up
    poison: list[Refused]  # frames that were found to end the process


def start(
    config: Config,
    source: Path | None,
    lock: int | None = None,
    history: History | None = None,
    accept_loss: bool = False,
) -> Started:
    """Everything opened, recovered and bound.

    `source` is the file that a reload reads again, `lock` that of the state directory (`store.lock_of`); `history` is
    learned first, unless it has been; `accept_loss`: a model may lose what was learned. Raises StreamrnnError.

    While there is no room on the disk this waits and tries again.
    """
    told = False
    while True:
        try:
            return _start(config, source, lock, history, accept_loss)
        except StorageError as error:
            reserve, lock = Reserve(directory(config)), None
            if not isinstance(error, FullError) and reserve.free > ROOM:
                raise
            reserve.give_up()
            if not told:
                _log.error("no room to start", error=error.args[0], hint="free some space on that disk; this waits")
            told = True
        _wait_for_room(reserve)


def _wait_for_room(reserve: Reserve) -> None:
    """Until there is some, or it is worth another try."""
    manager, until, before = ServiceManager(os.environ), time.monotonic() + RETRY, reserve.free
    while time.monotonic() < until:
        time.sleep(LOOK)
        _extend(manager, "waiting for room on the disk of the state")
        if reserve.free > max(ROOM, before):
            return


def _start(
    config: Config, source: Path | None, lock: int | None, history: History | None, accept_loss: bool
) -> Started:
    """One attempt."""
    with ExitStack() as opened:
        store = Store(directory(config), config.state.durability, config.state.interval, lock)
        opened.callback(store.close)
        losses.refuse(losses.of_store(store, config.model), accept_loss)
        parts = build.parts(build.core(config), store, source)
        held, refused = _recover(parts, history)
        parts.incarnation.begin(store, parts.journal.last, parts.streams.all_counts)
        parts.follow(parts.core)
        parts.publisher.sent(parts.journal.last)  # or it is in `held`
        parts.sockets.open(config.input, config.output, config.limits)
        opened.callback(parts.sockets.close)
        reached = _open_catchup(parts), _open_web(parts, opened)
        return Started(parts, opened.pop_all(), *reached, held, refused)


def announce(started: Started) -> None:
    """Say that we are ready, and send what a stop had held up. Signals must be listened to by now."""
    parts = started.parts
    parts.telemetry.be_ready(True)
    parts.manager.tell("READY=1", f"STATUS=serving {len(parts.streams)} streams")
    if started.held:
        parts.tell_status("replaying", messages=len(started.held))
        until = time.monotonic() + SUBSCRIBERS
        while (left := until - time.monotonic()) > 0:
            parts.sockets.answer(left)
        parts.publisher.send(started.held)
        started.held.clear()
    parts.publisher.refuse(started.poison)
    parts.tell_status("started")
    _log.info(
        "started",
        version=__version__,
        endpoints=parts.sockets.endpoints,
        metrics=started.metrics,
        bytes_per_stream=parts.engine.bytes_per_stream,
        bytes_total=parts.engine.bytes_total,
        kernels=parts.engine.kernel_digest,
        durability=parts.store.durability,
        loss_window=parts.store.interval if parts.store.durability == "interval" else None,
    )


def _recover(parts: Parts, history: History | None) -> tuple[list[Message], list[Refused]]:
    """Back to where we were; the messages that a stop may have held up, and the frames that are passed over."""
    config = parts.config
    agreed = recovery.agree(parts.store, parts.journal, recovery.reading(config))
    learn_first = backfill.due(parts.store, history)
    held, replay = _replay(parts)
    if not agreed:
        parts.settle(config)
    if history is not None and learn_first:
        _learn(parts, history, replay)
    return held, poison.refusals(replay.poison, parts.core.decoder)


def _replay(parts: Parts) -> tuple[list[Message], recovery.Replay]:
    """Restore and replay."""
    began, held, count = time.monotonic(), list[Message](), 0
    engine, encoder, journal = parts.engine, parts.core.encoder, parts.journal
    recovery.compare(parts.checkpoint.writer, engine)
    applied = recovery.restore(parts.streams, parts.checkpoint, parts.reorder, time.monotonic())

    def tell(part: recovery.Replayed) -> None:
        nonlocal count, held
        count += len(part.batch)
        if part.due:
            held += encoder.encode(part.batch, part.outcomes, engine.names, part.lsns, True)
        else:
            encoder.pass_over(part.batch, part.outcomes, engine.names, part.lsns)
        _extend(parts.manager, f"replayed {count}")

    def obey(kind: str, name: str, lsn: int) -> None:
        nonlocal held
        messages = parts.commands.obey(kind, name, lsn)
        held += messages if lsn > journal.published else []

    replay = recovery.Replay(
        engine, parts.streams, journal, parts.core.decoder, applied, len(parts.config.input), obey, parts.reorder
    )
    freeze(engine, parts.freeze.at(journal.floor))
    if journal.waiting:
        with poison.watched(parts.store) as careful:
            replay.run(tell, careful)
    freeze(engine, parts.freeze.now)
    parts.telemetry.count("streamrnn_replayed_observations_total", count)
    seconds = round(time.monotonic() - began, 3)
    _log.info("recovered", streams=len(applied), observations=count, messages=len(held), seconds=seconds)
    return held, replay


def _learn(parts: Parts, history: History, replay: recovery.Replay) -> None:
    """Learn a recorded file; nothing of it is published."""
    encoder, engine = parts.core.encoder, parts.engine

    def tell(part: recovery.Replayed) -> None:
        encoder.pass_over(part.batch, part.outcomes, engine.names, part.lsns)

    def alive(count: int) -> None:
        _extend(parts.manager, f"learned {count} of {history.name}")

    state = parts.config.state
    backfill.Backfill(parts.store, parts.journal, parts.checkpoint, replay, state, alive).run(history, tell)


def _extend(manager: ServiceManager, status: str) -> None:
    """Ask the service manager for more time to start."""
    manager.tell(f"EXTEND_TIMEOUT_USEC={EXTENSION * 1_000_000}", f"STATUS={status}")


def _open_catchup(parts: Parts) -> str:
    """Open what subscribers ask for what they missed; its endpoint."""
    output = parts.config.output
    if parts.catchup is None:
        return ""
    wanted = structs.replace(output, endpoint=output.catchup)
    options = catchup.OPTIONS | parts.authenticator.options(wanted)
    return parts.sockets.open_auxiliary(output.catchup, options, parts.catchup.serve)


def _open_web(parts: Parts, opened: ExitStack) -> str:
    """Serve the metrics; their address."""
    metrics = parts.config.metrics
    if not metrics.enabled:
        return ""
    web = Web(metrics.host, metrics.port, parts.telemetry)
    opened.callback(web.close)
    return web.address
