"""Outcomes in, messages out: (topic, body) each, ready to be sent."""

import base64
import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType

from streamrnn.messages import (
    ANOMALY,
    CLOSED,
    DUPLICATE,
    LATE,
    MISSING,
    OPENED,
    SETTLED,
    SEVERITIES,
    UNMATCHED,
    WARMING,
    WORSENED,
    Batch,
    Floats,
    Outcomes,
)
from streamrnn.wire.frames import Refusal
from streamrnn.wire.outgoing import Anomaly, DeadLetter, Forecast, Prediction, plain
from streamrnn.wire.sentence import reason
from streamrnn.wire.topics import DEAD_LETTER, STATUS, topic_of

Message = tuple[bytes, bytes]
Number = float | None
# One outcome: seq, time, score, is it an anomaly, skill, learned, warming up, cells (T * K * 3), time ahead (K)
Told = tuple[int, float, Number, bool, Number, int, bool, list[Number], list[Number]]

_EVENTS = OPENED | WORSENED | CLOSED
_MARKS = LATE | DUPLICATE | MISSING
_SILENT = SETTLED | UNMATCHED  # a late label has no forecast of its own
_STATES = {OPENED: "open", WORSENED: "worsen", CLOSED: "close"}


class Topics(Struct, gc=False):
    """The topics of one row and what was sent on them: all that grows, and it grows with the rows alone."""

    name: str
    prediction: bytes
    anomaly: bytes
    predictions: int = 0
    anomalies: int = 0
    lsn: int | None = None


@dataclass(slots=True)
class Sheet:
    """The outcomes as lists, one entry an observation; numbers that are not finite are null."""

    row: list[int]
    bits: list[int]
    seq: list[int]
    learned: list[int]
    time: list[float | None]
    score: list[float | None]
    anomaly: list[bool]
    skill: list[float | None]
    cells: list[list[float | None]]  # (T * K * 3) lists: yhat, yhat_lower, yhat_upper of each target and horizon
    ahead: list[list[float | None]]  # (K) lists: the time that is foretold


class Encoder:
    """Writes predictions, anomalies, status and dead letters, and numbers the messages of each topic."""

    def __init__(
        self,
        targets: Sequence[str],
        horizons: Sequence[int],
        level: float,
        format: Literal["json", "msgpack"] = "json",
        monitors: Sequence[str] = ("residual",),
    ) -> None:
        self._targets = tuple(targets)
        self._steps = np.array(horizons, np.float64)  # (K)
        self._level = level
        self._monitors = tuple(monitors)
        # msgspec writes NaN as null in JSON; in MessagePack we have to put the null there.
        self._nulls = format == "msgpack"
        self._body = msgspec.msgpack.Encoder().encode if self._nulls else msgspec.json.Encoder().encode
        pairs = [(target, step, k) for target in targets for k, step in enumerate(horizons)]
        self._cells = [(target, step, k, 3 * i) for i, (target, step, k) in enumerate(pairs)]
        self._topics: list[Topics] = []  # by row
        self._stale: set[int] = set()  # rows whose stream was forgotten
        self._statuses = 0
        self._dead_letters = 0

    def go_on_from(self, before: "Encoder", names: list[str]) -> None:
        """Number on where another encoder of the same streams has left off, in these rows; that one is done."""
        known = {topic.name: topic for topic in before._topics}
        self._topics = [known.get(name) or _topics(name) for name in names]
        self._statuses, self._dead_letters = before._statuses, before._dead_letters

    def forget(self, row: int) -> None:
        """The stream of this row is no more; another one may follow."""
        self._stale.add(row)

    def counts(self, row: int) -> tuple[int, int]:
        """Predictions and anomalies written so far of the stream in this row."""
        if row >= len(self._topics) or row in self._stale:
            return 0, 0
        return self._topics[row].predictions, self._topics[row].anomalies

    def count_from(self, names: list[str], row: int, counts: tuple[int, int]) -> None:
        """Number the messages of the stream in this row on from there."""
        topic = self._known(names)[row]
        topic.predictions, topic.anomalies = counts

    def pass_over(self, batch: Batch, outcomes: Outcomes, names: list[str]) -> None:
        """Count the messages that `encode` would write, which were sent before."""
        topics, start = self._known(names), 0
        rows, bits = outcomes.row.tolist(), outcomes.bits.tolist()
        for length, columnar in zip(batch.lengths.tolist(), batch.columnar, strict=True):
            answered = range(start, start + (1 if columnar else length))
            topics[rows[start]].predictions += sum(not bits[i] & _SILENT for i in answered)
            start += length
        for i in np.flatnonzero(outcomes.bits & _EVENTS).tolist():
            topics[rows[i]].anomalies += sum(bool(bits[i] & bit) for bit in _STATES)

    def encode(
        self, batch: Batch, outcomes: Outcomes, names: list[str], lsn: Sequence[int | None], replayed: bool
    ) -> list[Message]:
        """Predictions in order of the runs, then anomalies. `names` by row; `lsn` of the frame of each run."""
        if not len(outcomes):
            return []
        topics, bits = self._known(names), int(np.bitwise_or.reduce(outcomes.bits))
        marked = bool(bits & (_MARKS | _SILENT)) or replayed or bool(batch.ids)
        if marked or True in batch.columnar:
            messages = self._mixed(batch, outcomes, topics, lsn, replayed, marked)
        else:
            messages = self._plain(outcomes, topics, lsn)
        if bits & _EVENTS:
            messages += self._anomalies(batch, outcomes, lsn, replayed)
        return messages

    def _plain(self, outcomes: Outcomes, topics: list[Topics], lsn: Sequence[int | None]) -> list[Message]:
        """The answers to single observations with nothing to mark, which is what most batches are."""
        body, one, messages = self._body, self._one, []
        for row, position, told in zip(outcomes.row.tolist(), lsn, self._told(outcomes), strict=True):
            topic = topics[row]
            topic.lsn = position
            topic.predictions += 1
            messages.append((topic.prediction, body(one(topic, told))))
        return messages

    def _mixed(
        self,
        batch: Batch,
        outcomes: Outcomes,
        topics: list[Topics],
        lsn: Sequence[int | None],
        replayed: bool,
        marked: bool,
    ) -> list[Message]:
        """The answers to a batch with columns, marks or late labels in it."""
        sheet = self._sheet(outcomes)
        rows = None if all(batch.columnar) else self._told(outcomes)
        messages: list[Message] = []
        start = 0
        for length, columnar, position in zip(batch.lengths.tolist(), batch.columnar, lsn, strict=True):
            topic = topics[sheet.row[start]]
            topic.lsn = position
            for i in range(start, start + (1 if columnar else length)):
                if sheet.bits[i] & _SILENT:
                    continue
                topic.predictions += 1
                message = (
                    self._one(topic, rows[i]) if rows and not columnar else self._many(sheet, i, i + length, topic)
                )
                if marked:
                    _mark(message, sheet, slice(i, i + length) if columnar else i, batch.ids)
                    message.replayed = replayed or UNSET
                messages.append((topic.prediction, self._body(message)))
            start += length
        return messages

    def retained(self, name: str, outcomes: Outcomes) -> Message:
        """The last value of a stream's prediction topic again, for a new subscriber; `outcomes` of one observation.

        It repeats the number of the topic's last message, so that it hides no gap.
        """
        row = int(outcomes.row[0])
        topic = self._topics[row] if row < len(self._topics) and row not in self._stale else _topics(name)
        message = self._one(topic, self._told(outcomes)[0])
        _mark(message, self._sheet(outcomes), 0, {})
        message.retained = True
        return topic.prediction, self._body(message)

    def status(self, fields: dict[str, Any]) -> Message:
        """What the service tells its subscribers."""
        self._statuses += 1
        return STATUS, self._body({**fields, "topic_seq": self._statuses})

    def dead_letter(self, refused: Refusal, source: int) -> Message:
        """What was refused; `source` is the index of the input."""
        self._dead_letters += 1
        size = refused.size if refused.size >= 0 else len(refused.offender)
        text, encoding = _text(refused.offender, size > len(refused.offender))
        received = plain(refused.received)
        letter = DeadLetter(refused.reason, refused.detail, source, received, size, text, encoding, self._dead_letters)
        return DEAD_LETTER, self._body(letter)

    def _known(self, names: list[str]) -> list[Topics]:
        """The topics by row; rows that are new get theirs."""
        if len(self._topics) < len(names):
            self._topics += [_topics(name) for name in names[len(self._topics) :]]
        for row in [row for row in self._stale if names[row]]:
            self._topics[row] = _topics(names[row])
            self._stale.discard(row)
        return self._topics

    def _sheet(self, outcomes: Outcomes) -> Sheet:
        count = len(outcomes)
        return Sheet(
            row=outcomes.row.tolist(),
            bits=outcomes.bits.tolist(),
            seq=outcomes.seq.tolist(),
            learned=outcomes.learned.tolist(),
            time=outcomes.time.tolist(),
            score=self._list(outcomes.score),
            anomaly=((outcomes.bits & ANOMALY) != 0).tolist(),
            skill=self._list(outcomes.skill),
            cells=self._lists(outcomes.forecast.reshape(count, -1).T),
            ahead=self._lists(self._ahead(outcomes).T),
        )

    def _ahead(self, outcomes: Outcomes) -> Floats:
        """The time that each horizon foretells (n, K), NaN while the interval between observations is unknown."""
        interval = np.where(outcomes.interval > 0.0, outcomes.interval, np.nan)[:, None]
        time = outcomes.time[:, None]
        return np.where(self._steps > 0.0, time + self._steps * interval, time)

    def _told(self, outcomes: Outcomes) -> list[Told]:
        """The outcomes one by one, as `_one` takes them."""
        return list(
            zip(
                outcomes.seq.tolist(),
                outcomes.time.tolist(),
                self._list(outcomes.score),
                ((outcomes.bits & ANOMALY) != 0).tolist(),
                self._list(outcomes.skill),
                outcomes.learned.tolist(),
                ((outcomes.bits & WARMING) != 0).tolist(),
                self._lists(outcomes.forecast.reshape(len(outcomes), -1)),
                self._lists(self._ahead(outcomes)),
                strict=True,
            )
        )

    def _list(self, column: Floats) -> Any:
        if self._nulls and not np.isfinite(column).all():
            return [plain(number) for number in column.tolist()]
        return column.tolist()

    def _lists(self, columns: Floats) -> Any:
        if self._nulls and not np.isfinite(columns).all():
            return [[plain(number) for number in column] for column in columns.tolist()]
        return columns.tolist()

    def _one(self, topic: Topics, told: Told) -> Prediction:
        """The answer to one observation."""
        seq, time, score, anomaly, skill, learned, warming, cells, ahead = told
        forecasts = [
            Forecast(target, step, ahead[k], cells[j], cells[j + 1], cells[j + 2]) for target, step, k, j in self._cells
        ]
        return Prediction(
            topic.name,
            seq,
            topic.predictions,
            topic.lsn,
            time,
            forecasts,
            self._level,
            score,
            anomaly,
            skill,
            learned,
            warming,
        )

    def _many(self, sheet: Sheet, start: int, stop: int, topic: Topics) -> Prediction:
        """The answer to columns, observations `start` to `stop`; skill and what was learned are the last one's."""
        cells, ahead, run = sheet.cells, sheet.ahead, slice(start, stop)
        forecasts = [
            Forecast(target, step, ahead[k][run], cells[j][run], cells[j + 1][run], cells[j + 2][run])
            for target, step, k, j in self._cells
        ]
        return Prediction(
            topic.name,
            sheet.seq[run],
            topic.predictions,
            topic.lsn,
            sheet.time[run],
            forecasts,
            self._level,
            sheet.score[run],
            sheet.anomaly[run],
            sheet.skill[stop - 1],
            sheet.learned[stop - 1],
            sheet.bits[stop - 1] & WARMING != 0,
        )

    def _anomalies(self, batch: Batch, outcomes: Outcomes, lsn: Sequence[int | None], replayed: bool) -> list[Message]:
        """One message for each event that opened, worsened or closed. Rare, so one by one."""
        messages = []
        ends = np.cumsum(batch.lengths)
        for i in np.flatnonzero(outcomes.bits & _EVENTS).tolist():
            topic = self._topics[outcomes.row[i]]
            for bit, state in _STATES.items():
                if outcomes.bits[i] & bit:
                    topic.anomalies += 1
                    message = self._anomaly(outcomes, i, topic, state)
                    message.lsn = lsn[int(np.searchsorted(ends, i, "right"))]
                    message.replayed = replayed or UNSET
                    messages.append((topic.anomaly, self._body(message)))
        return messages

    def _anomaly(self, outcomes: Outcomes, i: int, topic: Topics, state: str) -> Anomaly:
        expected, actual, attribution = (
            dict(zip(self._targets, [plain(number) for number in column[i].tolist()], strict=True))
            for column in (outcomes.expected, outcomes.actual, outcomes.attribution)
        )
        most = max(self._targets, key=lambda target: attribution[target] or 0.0)
        return Anomaly(
            stream=topic.name,
            seq=int(outcomes.seq[i]),
            topic_seq=topic.anomalies,
            lsn=None,
            event_id=f"{topic.name}/{outcomes.event[i]}",
            state=state,
            time=float(outcomes.time[i]),
            started=plain(float(outcomes.started[i])),
            severity=SEVERITIES[outcomes.severity[i]],
            anomaly_score=plain(float(outcomes.score[i])),
            expected=expected,
            actual=actual,
            attribution=attribution,
            monitor=self._monitors[outcomes.monitor[i]],
            reason=reason(most, expected[most], actual[most], state == "close"),
            skill=plain(float(outcomes.skill[i])),
            learned=int(outcomes.learned[i]),
            warming_up=bool(outcomes.bits[i] & WARMING),
        )


def _topics(name: str) -> Topics:
    return Topics(name, topic_of("prediction", name), topic_of("anomaly", name))


def _mark(message: Prediction, sheet: Sheet, where: int | slice, ids: dict[int, str]) -> None:
    """Set the marks that are written only where they say something."""
    if isinstance(where, int):
        bits = sheet.bits[where]
        message.late = bits & LATE != 0 or UNSET
        message.duplicate = bits & DUPLICATE != 0 or UNSET
        message.missing = bits & MISSING != 0 or UNSET
        message.id = ids.get(where, UNSET)
        return
    run = sheet.bits[where]
    message.late = _flags(run, LATE)
    message.duplicate = _flags(run, DUPLICATE)
    message.missing = _flags(run, MISSING)
    named = [ids.get(i) for i in range(where.start, where.stop)] if ids else []
    message.id = named if any(name is not None for name in named) else UNSET


def _flags(run: list[int], bit: int) -> list[bool] | UnsetType:
    flags = [bits & bit != 0 for bits in run]
    return flags if any(flags) else UNSET


def _text(offender: bytes, cut: bool) -> tuple[str, str]:
    """As text where it is UTF-8 (a character that was cut off is left out), else as base64; and which of the two."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(offender, not cut), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(offender).decode("ascii"), "base64"
