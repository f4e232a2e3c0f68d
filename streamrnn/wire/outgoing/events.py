"""What is said of task "events": the likeliest next symbols, and how surprising the one that came was."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType

from streamrnn.messages import ANOMALY, END, FROZEN, LEARNED, SEVERITIES, WARMING, Batch, EventOutcomes
from streamrnn.wire.incoming.forms import Symbol
from streamrnn.wire.outgoing.marks import MARKS, SILENT, feedback, mark
from streamrnn.wire.outgoing.messages import Anomaly, EventPrediction, Next, Session, plain
from streamrnn.wire.outgoing.reason import event_reason, session_reason, silence_reason
from streamrnn.wire.topics import Topics

Name = Callable[[int, int], Symbol | None]  # the symbol of a row and a number; None: "unseen"
Answers = Iterator[tuple[bytes, EventPrediction]]


@dataclass(slots=True)
class Sheet:
    """The outcomes as lists, one entry an event; numbers that are not finite are null."""

    row: list[int]
    bits: list[int]
    seq: list[int]
    time: list[float]
    event: list[Symbol | None]
    expected: list[Symbol | None]
    probability: list[float | None]
    rank: list[int | None]
    surprise: list[float | None]
    score: list[float | None]
    anomaly: list[bool]
    tail: list[float | None]
    unseen: list[bool]


class Events:
    """`name` is the engine's, which knows the vocabularies."""

    def __init__(self, name: Name) -> None:
        self._name = name

    def answers(
        self, batch: Batch, outcomes: EventOutcomes, topics: list[Topics], lsn: Sequence[int | None], replayed: bool
    ) -> Answers:
        """One a run, in order."""
        assert batch.event is not None
        sheet = self._sheet(outcomes, [batch.symbols.get(number) for number in batch.event.tolist()])
        seen = int(np.bitwise_or.reduce(outcomes.bits))
        marked = bool(seen & MARKS) or replayed or bool(batch.ids)
        ended = (batch.bits & END != 0).tolist() if (batch.bits & END).any() else None
        start = 0
        for length, columnar, position in zip(batch.lengths.tolist(), batch.columnar, lsn, strict=True):
            topic = topics[sheet.row[start]]
            topic.lsn = position
            parts = [slice(start, start + length)] if columnar else range(start, start + length)
            for where in parts:
                if isinstance(where, int) and sheet.bits[where] & SILENT:
                    continue
                topic.predictions += 1
                message = self._say(topic, sheet, where, outcomes)
                if ended:
                    message.session = _sessions(outcomes, ended, where)
                if marked:
                    mark(message, sheet.bits, where, batch.ids)
                    message.replayed = replayed or UNSET
                yield topic.prediction, message
            start += length

    def again(self, topic: Topics, outcomes: EventOutcomes) -> EventPrediction:
        """A stream's last answer; of an event that did not enter the vocabulary the name is not known any more."""
        row, came = int(outcomes.row[0]), int(outcomes.symbol[0])
        bits = outcomes.bits | (LEARNED if outcomes.seq[0] else 0)
        return self._say(topic, self._sheet(outcomes, [self._name(row, came)], bits.tolist()), 0, outcomes)

    def anomaly(self, batch: Batch, outcomes: EventOutcomes, i: int, topic: Topics, state: str) -> Anomaly:
        """An event opened, worsened or closed, or a session was strange; its place in the journal is not known here."""
        if state == "session":
            return self._strange(outcomes, i, topic)
        assert batch.event is not None
        one = EventOutcomes(outcomes.ints[i : i + 1], outcomes.reals[i : i + 1])
        sheet = self._sheet(one, [batch.symbols[int(batch.event[i])]])
        by_time = float(one.by_time[0])
        expected = {"event": sheet.expected[0], "probability": plain(float(one.predicted_share[0]))}
        actual = {
            "event": sheet.event[0],
            "probability": sheet.probability[0],
            "rank": sheet.rank[0],
            "bits": sheet.surprise[0],
        }
        late = float(one.lateness[0]) if by_time > 0.5 else None
        return Anomaly(
            stream=topic.name,
            seq=sheet.seq[0],
            topic_seq=topic.anomalies,
            lsn=None,
            event_id=f"{topic.name}/{one.event[0]}",
            state=state,
            time=sheet.time[0],
            started=plain(float(one.started[0])),
            severity=SEVERITIES[one.severity[0]],
            anomaly_score=sheet.score[0],
            p_value=sheet.tail[0],
            expected=expected,
            actual=actual,
            attribution={"event": plain(1.0 - by_time), "time": plain(by_time)},
            monitor="event" if late is None else "time",
            reason=event_reason(expected, actual, late, state == "close"),
            skill=plain(float(one.skill[0])),
            learned=int(one.learned[0]),
            warming_up=bool(sheet.bits[0] & WARMING),
            feedback=feedback(topic.name, outcomes, i),
        )

    def silence(self, outcomes: EventOutcomes, i: int, topic: Topics) -> Anomaly:
        """No event came when one was due: which was expected, and no score."""
        predicted = self._name(int(outcomes.row[i]), int(outcomes.predicted[i]))
        return Anomaly(
            stream=topic.name,
            seq=int(outcomes.seq[i]),
            topic_seq=topic.anomalies,
            lsn=None,
            event_id=f"{topic.name}/{outcomes.event[i]}",
            state="silence",
            time=float(outcomes.time[i]),
            started=plain(float(outcomes.started[i])),
            severity=SEVERITIES[outcomes.severity[i]],
            anomaly_score=None,
            p_value=None,
            expected={"event": predicted, "probability": plain(float(outcomes.predicted_share[i]))},
            actual={"event": None, "probability": None, "rank": None, "bits": None},
            attribution={"event": 0.0, "time": 1.0},
            monitor="silence",
            reason=silence_reason(float(outcomes.interval[i])),
            skill=plain(float(outcomes.skill[i])),
            learned=int(outcomes.learned[i]),
            warming_up=False,
            feedback=feedback(topic.name, outcomes, i),
        )

    def _strange(self, outcomes: EventOutcomes, i: int, topic: Topics) -> Anomaly:
        """A session that ended was surprising as a whole: its worst event, and what was expected instead."""
        row, seq = int(outcomes.row[i]), int(outcomes.seq[i])
        bits = plain(float(outcomes.worst[i]))
        by_worst = float(outcomes.by_worst[i])
        expected = {
            "event": self._name(row, int(outcomes.worst_predicted[i])),
            "probability": plain(float(outcomes.worst_predicted_share[i])),
        }
        actual = {
            "event": self._name(row, int(outcomes.worst_symbol[i])),
            "probability": None if bits is None else 2.0**-bits,
            "bits": bits,
            "place": int(outcomes.worst_place[i]),
            "events": int(outcomes.length[i]),
            "session_bits": plain(float(outcomes.sum[i])),
        }
        return Anomaly(
            stream=topic.name,
            seq=seq,
            topic_seq=topic.anomalies,
            lsn=None,
            event_id=f"{topic.name}/session-{seq}",
            state="session",
            time=float(outcomes.time[i]),
            started=plain(float(outcomes.began[i])),
            severity=SEVERITIES[outcomes.session_severity[i]],
            anomaly_score=plain(float(outcomes.session_score[i])),
            p_value=plain(float(outcomes.session_tail[i])),
            expected=expected,
            actual=actual,
            attribution={"session": plain(1.0 - by_worst), "event": plain(by_worst)},
            monitor="session",
            reason=session_reason(expected, actual),
            skill=plain(float(outcomes.skill[i])),
            learned=int(outcomes.learned[i]),
            warming_up=bool(outcomes.bits[i] & WARMING),
            feedback=feedback(topic.name, outcomes, i),
        )

    def _say(self, topic: Topics, sheet: Sheet, where: Any, outcomes: EventOutcomes) -> EventPrediction:
        """The answer to one event, or to those of a slice; what does not differ from one to the next is the last's."""
        last = where.stop - 1 if isinstance(where, slice) else where
        return EventPrediction(
            topic.name,
            sheet.seq[where],
            topic.predictions,
            topic.lsn,
            sheet.time[where],
            sheet.event[where],
            sheet.expected[where],
            sheet.probability[where],
            sheet.rank[where],
            sheet.surprise[where],
            self._next(sheet.row[last], outcomes, last),
            plain(float(outcomes.expected[last])),
            plain(float(outcomes.overdue[last])),
            sheet.score[where],
            sheet.anomaly[where],
            sheet.tail[where],
            plain(float(outcomes.skill[last])),
            int(outcomes.learned[last]),
            int(outcomes.known[last]) - 1,
            sheet.bits[last] & WARMING != 0,
            _unseen(sheet.unseen[where]),
        )

    def _next(self, row: int, outcomes: EventOutcomes, i: int) -> list[Next]:
        pairs = zip(outcomes.following[i].tolist(), outcomes.shares[i].tolist(), strict=True)
        return [Next(self._name(row, number), share) for number, share in pairs if number >= 0]

    def _sheet(self, outcomes: EventOutcomes, sent: Sequence[Symbol | None], bits: list[int] | None = None) -> Sheet:
        """`sent`: the symbols that came."""
        name, row = self._name, outcomes.row.tolist()
        bits = outcomes.bits.tolist() if bits is None else bits
        learned = [each & (LEARNED | FROZEN) != 0 for each in bits]

        def told(column: Any) -> list[Any]:
            values = column.tolist()
            return [plain(value) if new else None for value, new in zip(values, learned, strict=True)]

        return Sheet(
            row=row,
            bits=bits,
            seq=outcomes.seq.tolist(),
            time=outcomes.time.tolist(),
            event=list(sent),
            expected=[
                name(r, number) if new else None
                for r, number, new in zip(row, outcomes.predicted.tolist(), learned, strict=True)
            ],
            probability=told(outcomes.share),
            rank=told(outcomes.rank),
            surprise=told(outcomes.surprise),
            score=told(outcomes.score),
            anomaly=[bool(each & ANOMALY) and new for each, new in zip(bits, learned, strict=True)],
            tail=told(outcomes.tail),
            unseen=[number == 0 and new for number, new in zip(outcomes.symbol.tolist(), learned, strict=True)],
        )


def _sessions(outcomes: EventOutcomes, ended: list[bool], where: int | slice) -> Any:
    """The sessions that ended."""
    if isinstance(where, int):
        return _session(outcomes, where) if ended[where] else UNSET
    found = [_session(outcomes, i) if ended[i] else None for i in range(where.start, where.stop)]
    return found if any(found) else UNSET


def _session(outcomes: EventOutcomes, i: int) -> Session:
    total, worst, score = (plain(float(column[i])) for column in (outcomes.sum, outcomes.worst, outcomes.session_score))
    return Session(int(outcomes.length[i]), total, worst, score)


def _unseen(flags: bool | list[bool]) -> bool | list[bool] | UnsetType:
    return flags if (any(flags) if isinstance(flags, list) else flags) else UNSET
