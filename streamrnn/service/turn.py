"""The way of the messages of a turn: one record is handed on, and each stage adds its part.

Sort (producers) and decode, admit, journal, acknowledge, apply, publish. What can be refused is refused before the
journal; after it nothing is refused.
"""

import time
from dataclasses import dataclass

import numpy as np

from streamrnn.errors import FullError
from streamrnn.messages import Batch, Ints
from streamrnn.service.ingest.admission import Admitted, admit, by_input
from streamrnn.service.parts import Parts
from streamrnn.wire.frames import Decoded, Frame

GATHER = 0.3  # of the time that a commit takes, a turn goes on taking messages
FUTURE = 300.0  # seconds that a sender's clock may be ahead before it is counted; what is learned does not change


@dataclass(frozen=True, slots=True)
class Turn:
    """The messages of a turn: the frames to serve, what they say, what of it is let in."""

    served: list[Frame]
    decoded: Decoded
    admitted: Admitted
    frames: list[Frame]  # as they are journaled
    place: list[int]  # where each of the admitted frames is among them


def gather(parts: Parts, timeout: float) -> list[Frame]:
    """What is waiting; with a commit a turn, what comes within a part of its time too: it is one for all.

    A message that comes alone is from somebody who may wait for the ack before sending the next.
    """
    sockets = parts.sockets
    frames = sockets.poll(timeout)
    if parts.store.durability != "commit":
        return frames
    until = time.monotonic() + parts.store.commit_seconds * GATHER
    most = parts.config.limits.max_batch
    while 1 < len(frames) < most and not sockets.laden and (left := until - time.monotonic()) > 0:
        frames += sockets.poll(left)
    return frames


def serve(parts: Parts, frames: list[Frame]) -> None:
    """The way of a message. Raises StorageError."""
    started = time.perf_counter()
    if parts.backlog:
        try:
            _work_off(parts)
        except FullError as error:
            parts.disk_full.begin(parts.producers.sort(frames), error)
            return
    turn = _admit(parts, frames)
    committing = time.perf_counter()
    try:
        if parts.disk_full.full and not turn.frames:
            parts.journal.mark(parts.publisher.lsn)  # is there room?
        lsns = parts.journal.append(turn.frames, parts.publisher.lsn, parts.producers.also)
    except FullError as error:
        parts.disk_full.begin(turn.served, error)
        return
    started += time.perf_counter() - committing  # a replay need not do that again
    parts.disk_full.end()
    parts.producers.refuse(turn.served, turn.admitted.refused)
    parts.acknowledge()
    if lsns:
        _apply(parts, turn, lsns)
    parts.publisher.refuse(turn.admitted.refused)
    _record(parts, turn)
    parts.schedule.worked(time.perf_counter() - started)


def _admit(parts: Parts, frames: list[Frame]) -> Turn:
    """Sort, decode and let in."""
    served = parts.producers.sort(parts.disk_full.take() + frames)
    decoded = parts.core.decoder.decode(served)
    away = parts.rate_limiter.reject(parts.streams, served, decoded, time.monotonic())
    admitted = admit(parts.streams, served, decoded, away)
    return Turn(served, decoded, admitted, *admitted.journaled())


def _apply(parts: Parts, turn: Turn, lsns: list[int]) -> None:
    """What was journaled under these numbers, through the reorder buffer and the engine."""
    admitted = turn.admitted
    batch, runs = admitted.batch, [lsns[turn.place[index]] for index in admitted.frame]
    if parts.reorder.active:
        parts.streams.hear(parts.engine.admit(batch.names), time.monotonic())
        batch, runs = parts.reorder.pass_on(batch, runs)
    parts.backlog.add(parts.streams.divide(batch, runs), lsns[-1], turn.served[0].received)
    with parts.disk_full.waited_out():
        _work_off(parts)


def _work_off(parts: Parts) -> None:
    """Apply what is journaled and not yet applied. Raises FullError when there is no room to store what has to rest
    meanwhile: the rest is applied when there is.
    """
    backlog = parts.backlog
    while part := backlog.first:
        rows = parts.streams.bring_in(*part)
        backlog.done()
        _step(parts, part[0], rows, part[1], backlog.received)
    parts.publisher.sent(backlog.lsn)


def _step(parts: Parts, batch: Batch, rows: Ints, lsns: list[int], received: float) -> None:
    """Observations through the engine, and out."""
    now = time.monotonic()  # how long a stream has been silent is no matter of a clock that may be set
    parts.streams.hear(rows, now)
    outcomes = parts.engine.step(batch, rows)
    parts.commands.silence.hear(batch, outcomes, now)
    count = parts.publisher.outcomes(batch, outcomes, lsns)
    parts.telemetry.served(outcomes, count, max(0.0, time.time() - received))


def _record(parts: Parts, turn: Turn) -> None:
    """Count what came."""
    if turn.served:
        last = turn.served[-1].received
        parts.telemetry.received(*by_input(turn.served, turn.decoded), last)
        ahead = np.count_nonzero(turn.decoded.batch.time > last + FUTURE)
        parts.telemetry.count("streamrnn_observations_future_total", int(ahead))
        for (reason, name), count in turn.decoded.notes.items():
            parts.telemetry.left_out(reason, name, count)
