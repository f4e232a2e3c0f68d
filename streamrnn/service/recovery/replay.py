"""Back to where we were: stored rows are restored and the journal is replayed, through the same decoder and engine.

Of each journaled frame the observations that a restored row already holds are passed over (`checkpoint` says why that
is exact). What was accepted and perhaps not published before the stop is encoded, to be sent once the sockets are open.

What was not let in for want of room is passed over, though there may be room now: the journal says which (`REFUSED`). A
frame that ends the process is found and passed over (`poison`).

A journaled frame is read again only by a configuration that reads it as the first time: what the journal is written
with stands in the database (`Reading`), and a start with another one is refused while there is something to replay.
Rejected: replaying what can still be read, since the rest would be gone without anybody having been asked.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

import msgspec
import structlog
from msgspec import Struct

from streamrnn.config import resources as given
from streamrnn.config.schema import Config
from streamrnn.engine.engine import Engine
from streamrnn.engine.reorder import Reorder
from streamrnn.errors import ConfigError
from streamrnn.messages import Batch, EventOutcomes, Outcomes, keep_runs
from streamrnn.model.presets import unnamed
from streamrnn.service.recovery import poison
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.journal import COMMAND, POISON, REFUSED, Journal
from streamrnn.service.storage.store import Store
from streamrnn.service.streams.registry import Streams
from streamrnn.spec import Model
from streamrnn.wire import Decoder, Frame, Source

Command = Callable[[str, str, int], object]  # what to do ("forget", "reset"), with which stream, and its lsn

_READING = "reading"  # key in the database

_log = structlog.get_logger("streamrnn")


class Reading(Struct, frozen=True):
    """All that decides what a journaled frame means and whether there is room for it."""

    model: Model
    sources: tuple[Source, ...]
    max_streams: int
    max_observations: int
    given: str = ""  # what the model is given beside the configuration: prior, timezone

    def extends(self, other: "Reading") -> bool:
        """Whether it reads the same inputs, and all that was journaled under `other` as `other` did."""
        return self.sources == other.sources and self.covers(other)

    def covers(self, other: "Reading") -> bool:
        """Whether frames that were journaled under `other` are read the same, and none is refused."""
        last = len(self.sources) - 1
        return (
            (unnamed(self.model), self.given) == (unnamed(other.model), other.given)
            and self.max_streams >= other.max_streams
            and self.max_observations >= other.max_observations
            and all(_reads(self.sources[min(origin, last)], source) for origin, source in enumerate(other.sources))
        )


def _reads(now: Source, before: Source) -> bool:
    """Whether all that was read is read; what 0.1.0 refused for a single bad value may be read now."""
    return now == before or (now.mend and now == replace(before, mend=True))


@dataclass(frozen=True, slots=True)
class Replayed:
    """A part of the journal, applied again."""

    batch: Batch
    outcomes: Outcomes | EventOutcomes
    lsns: list[int]  # (m) of each run's frame
    due: bool  # perhaps not published before the stop


def reading(config: Config) -> Reading:
    """How a configuration reads its inputs."""
    return Reading(
        config.model,
        sources(config),
        config.limits.max_streams,
        config.limits.max_observations,
        given.digest(config.model),
    )


def sources(config: Config) -> tuple[Source, ...]:
    """The inputs, as the decoder takes them."""
    return tuple(
        Source(each.format, each.stream, each.stream_from_topic, each.bad_values == "missing") for each in config.input
    )


def agree(store: Store, journal: Journal, now: Reading) -> bool:
    """Whether the journal was written with `now`. Raises ConfigError when frames wait in it that `now` cannot read.

    Nothing is changed. A database that does not say what it was written with is taken as it is.
    """
    text = store.about().get(_READING)
    if text is None:
        return False
    try:
        before = msgspec.json.decode(text, type=Reading)
    except msgspec.MsgspecError:  # of another version, or damaged
        before = None
    if before == now:
        return True
    waiting = journal.waiting
    if waiting and (before is None or not now.covers(before)):
        raise ConfigError(
            f"{waiting} journaled frames wait to be replayed, and this configuration cannot read or hold them as the "
            "one they were received under",
            "start once with the old configuration and stop it cleanly (SIGTERM), then change it; or move "
            f"{store.path} away to begin anew without them",
        )
    return False


def note(store: Store, now: Reading) -> None:
    """Put down what the journal is written with from now on, and commit; nothing may wait to be replayed."""
    with store.writing() as connection:
        text = msgspec.json.encode(now).decode()
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_READING, text))


def restore(streams: Streams, checkpoint: Checkpoint, reorder: Reorder, now: float) -> dict[str, int]:
    """Put all stored rows back, as many as there are rows in memory; the lsn up to which each holds what was journaled.

    Raises SnapshotError for rows that cannot be used.
    """
    applied, dropped = {}, set()
    for row in checkpoint.load():
        applied[row.name] = row.applied
        if not row.blob:
            continue
        reorder.restore(row.name, row.held)
        if row.name == "" or streams.free:
            dropped.update(streams.restore(row))
        else:
            streams.add_evicted(row.name, now, row.counts)
    if dropped:
        hint = "the model changed; these parts begin anew"
        _log.warning("state dropped", slices=sorted(dropped)[:20], count=len(dropped), hint=hint)
    if checkpoint.damaged:
        _log.error("state damaged", streams=checkpoint.damaged[:100], count=len(checkpoint.damaged))
    return applied


def compare(writer: Mapping[str, str], engine: Engine) -> None:
    """Say when another build, or another processor, wrote the state: from here on bits may differ, and nothing else."""
    before = writer.get("kernel_digest", engine.kernel_digest)
    if before != engine.kernel_digest:
        hint = "forecasts go on from the same state, but no more bit for bit as there"
        _log.warning("state of another build", written=before, now=engine.kernel_digest, hint=hint)


@dataclass(frozen=True, slots=True)
class Replay:
    """Applies again what stands in the journal behind the floor."""

    engine: Engine
    streams: Streams
    journal: Journal
    decoder: Decoder
    applied: dict[str, int]  # by `restore`
    inputs: int  # configured now
    command: Command  # does what an operator had asked for
    reorder: Reorder
    refused: dict[int, set[int]] = field(default_factory=dict)  # lsn -> runs of that frame that were not let in
    poison: list[Frame] = field(default_factory=list)  # what was found to end the process

    def run(self, tell: Callable[[Replayed], None], careful: bool) -> None:
        """Apply all, part after part, and `tell` of each. `careful`: try it out first (`poison`)."""
        for pairs in self.journal.replay(self.journal.floor):
            known = [(lsn, _from_known(frame, self.inputs)) for lsn, frame in pairs if frame.origin != POISON]
            for (ordered, due), group in groupby(
                known, lambda pair: (pair[1].origin == COMMAND, pair[0] > self.journal.published)
            ):
                part = list(group)
                if ordered:
                    self._obey(part)
                    continue
                if not careful:
                    self._apply(part, due, tell)
                    continue
                for tried in poison.portions(part) if self.streams.may_evict else [part]:
                    self._apply(self._sift(tried, partial(self._attempt, due=due, tell=tell)), due, tell)

    def _obey(self, part: list[tuple[int, Frame]]) -> None:
        for lsn, frame in part:
            if frame.topic == REFUSED:
                self.refused[lsn + 1] = set(json.loads(frame.body))
                continue
            name = frame.body.decode()
            if lsn > self.applied.get(name, 0):
                self.command(frame.topic.decode(), name, lsn)

    def _sift(
        self, part: list[tuple[int, Frame]], attempt: Callable[[Sequence[tuple[int, Frame]]], None]
    ) -> list[tuple[int, Frame]]:
        if self.reorder.held and not poison.survives(lambda: attempt([])):
            return part  # what was held before ends the process: none of these is at fault
        found = poison.sift(part, attempt, self._row_at_fault)
        if found:
            self.journal.poison(found)
            self.poison.extend(frame for lsn, frame in part if lsn in found)
            _log.error(
                "frames that end the process are passed over", lsns=found, hint="see the dead letters; report it"
            )
        return [pair for pair in part if pair[0] not in found]

    def _row_at_fault(self, pair: tuple[int, Frame]) -> bool:
        """Whether a row that a frame speaks of ends the process by itself; it begins anew then."""
        lsn, frame = pair
        if self.engine.model.task == "events":
            return False
        if not poison.survives(lambda: self.decoder.decode([frame])):
            return False  # reading it is what ends the process
        batch, damaged = self.decoder.decode([frame]).batch, []
        for name in dict.fromkeys(batch.names):
            probe = partial(self._probe, poison.emptied(batch, name), lsn)
            if self.streams.known(name) and not poison.survives(probe):
                damaged.append(name)
                self.streams.reset(name, lsn - 1)
        if damaged:
            _log.error("state damaged", streams=damaged, count=len(damaged), hint="it ends the process; it begins anew")
        return bool(damaged)

    def _probe(self, batch: Batch, lsn: int) -> None:
        """In a forked process: these observations on the row as it is."""
        self.engine.alone()
        self.streams.alone()
        self.streams.row(batch.names[0], lsn - 1)
        self.engine.step(batch, self.engine.admit(batch.names))

    def _attempt(self, pairs: Sequence[tuple[int, Frame]], *, due: bool, tell: Callable[[Replayed], None]) -> None:
        """What `_apply` does, in a forked process. What is held is let go there, or who lets it go would be blamed."""
        self.engine.alone()
        self.streams.alone()
        self._apply(pairs, due, tell)
        if self.reorder.held:
            batch = self.reorder.drain()
            for part, rows, _ in self.streams.parts(batch, [0] * len(batch.names)):
                self.engine.step(part, rows)

    def _apply(self, pairs: Sequence[tuple[int, Frame]], due: bool, tell: Callable[[Replayed], None]) -> None:
        decoded = self.decoder.decode([frame for _, frame in pairs])
        self.take(decoded.batch, [pairs[index][0] for index in decoded.frame], due, tell)

    def take(self, batch: Batch, lsns: list[int], due: bool, tell: Callable[[Replayed], None]) -> None:
        """Apply what the restored rows do not hold yet; `lsns` (m) of the runs."""
        applied = self.applied
        keep = [lsn > applied.get(name, 0) for lsn, name in zip(lsns, batch.names, strict=True)]
        if self.refused:
            keep = [kept and number not in self.refused.get(lsn, ()) for kept, lsn, number in numbered(lsns, keep)]
        batch, lsns = _keep(batch, lsns, keep)
        batch, lsns = _keep(batch, lsns, self.streams.room(batch.names))
        if self.reorder.lateness:
            self.engine.admit(batch.names)
        batch, lsns = self.reorder.pass_on(batch, lsns)
        for part, rows, numbers in self.streams.parts(batch, lsns):
            tell(Replayed(part, self.engine.step(part, rows), numbers, due))


def numbered(lsns: Sequence[int], keep: Sequence[bool]) -> Iterator[tuple[bool, int, int]]:
    """Each run with its number among those of its frame."""
    seen: Counter[int] = Counter()
    for lsn, kept in zip(lsns, keep, strict=True):
        yield kept, lsn, seen[lsn]
        seen[lsn] += 1


def _keep(batch: Batch, lsns: list[int], keep: list[bool]) -> tuple[Batch, list[int]]:
    if all(keep):
        return batch, lsns
    return keep_runs(batch, keep), [lsn for lsn, kept in zip(lsns, keep, strict=True) if kept]


def _from_known(frame: Frame, inputs: int) -> Frame:
    """An input that is not configured any more is read like the last one that is."""
    if frame.origin < inputs:  # a command's is below 0
        return frame
    return Frame(inputs - 1, frame.received, frame.topic, frame.body)


def carry_over(old: Engine, new: Engine, alive: Callable[[], None]) -> set[str]:
    """Copy the state of all streams into a new engine; names of the slices that found no place.

    `alive` is called between rows. Raises SnapshotError when there is no room.
    """
    dropped: set[str] = set()
    names = [name for name in old.names if name]
    if old.model.weights == "pooled":
        names.append("")
    for name in names:
        dropped.update(new.restore(name, old.export(name), old.layout))
        alive()
    return dropped
