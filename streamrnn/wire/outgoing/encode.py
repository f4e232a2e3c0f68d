"""Outcomes in, messages out: (topic, body) each, ready to be sent.

What is said of an observation is the task's own (`forecasts`, `events`); topics, their numbers and what the service
says are the same for all.
"""

import base64
import codecs
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from msgspec import UNSET

from streamrnn.messages import CLOSED, OPENED, REGIME, SILENCE, STRANGE, WORSENED, Batch
from streamrnn.spec import Drift
from streamrnn.wire.formats import FORMATS
from streamrnn.wire.frames import Refusal
from streamrnn.wire.outgoing.drifts import DRIFTS, drift
from streamrnn.wire.outgoing.marks import SILENT
from streamrnn.wire.outgoing.messages import Anomaly, DeadLetter, EventPrediction, Prediction, plain
from streamrnn.wire.outgoing.text import text
from streamrnn.wire.topics import DEAD_LETTER, STATUS, Topics, topics_of

Message = tuple[bytes, bytes]
Told = Any  # Outcomes or EventOutcomes, as the form takes them

_EVENTS = SILENCE | OPENED | WORSENED | CLOSED | REGIME | STRANGE
STATES = {  # an anomaly message each
    SILENCE: "silence",
    OPENED: "open",
    WORSENED: "worsen",
    CLOSED: "close",
    REGIME: "regime_change",
    STRANGE: "session",
}


class Form(Protocol):
    """What a task says of its observations."""

    def answers(
        self, batch: Batch, outcomes: Told, topics: list[Topics], lsn: Sequence[int | None], replayed: bool
    ) -> Iterable[tuple[bytes, Prediction | EventPrediction]]: ...

    def again(self, topic: Topics, outcomes: Told) -> Prediction | EventPrediction: ...

    def anomaly(self, batch: Batch, outcomes: Told, i: int, topic: Topics, state: str) -> Anomaly: ...

    def silence(self, outcomes: Told, i: int, topic: Topics) -> Anomaly: ...


class Encoder:
    """Writes predictions, anomalies, drifts, status and dead letters, and numbers the messages of each topic.

    `drift` is the model's: what it names stands in the messages.
    """

    def __init__(self, form: Form, format: str = "json", drift: Drift | None = None) -> None:
        self._form = form
        self._drift = drift
        self._body = FORMATS[format].codec.Encoder().encode
        self._topics: list[Topics] = []  # by row
        self._stale: set[int] = set()  # rows whose stream was forgotten
        self._statuses = 0
        self._dead_letters = 0

    def go_on_from(self, before: "Encoder", names: list[str]) -> None:
        """Number on where another encoder of the same streams has left off, in these rows; that one is done."""
        known = {topic.name: topic for topic in before._topics}
        self._topics = [known.get(name) or topics_of(name) for name in names]
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

    def pass_over(self, batch: Batch, outcomes: Told, names: list[str], lsn: Sequence[int | None]) -> int:
        """Count the messages that `encode` would write, which were sent before or which nobody would hear."""
        topics, start, count = self._known(names), 0, 0
        rows, bits = outcomes.row.tolist(), outcomes.bits.tolist()
        seen = int(np.bitwise_or.reduce(outcomes.bits))
        for length, columnar, position in zip(batch.lengths.tolist(), batch.columnar, lsn, strict=True):
            topic, answers = topics[rows[start]], 1 if columnar else length
            if seen & SILENT:
                answers = sum(not each & SILENT for each in bits[start : start + answers])
            topic.lsn = position
            topic.predictions += answers
            start, count = start + length, count + answers
        for i in np.flatnonzero(outcomes.bits & _EVENTS).tolist() if seen & _EVENTS else ():
            states = sum(bool(bits[i] & bit) for bit in STATES)
            topics[rows[i]].anomalies += states
            count += states
        return count + (int(np.count_nonzero(outcomes.bits & DRIFTS)) if self._drift else 0)

    def encode(
        self, batch: Batch, outcomes: Told, names: list[str], lsn: Sequence[int | None], replayed: bool
    ) -> list[Message]:
        """Predictions in order of the runs, anomalies, drifts. `names` by row; `lsn` of the frame of each run."""
        if not len(outcomes):
            return []
        told = self._form.answers(batch, outcomes, self._known(names), lsn, replayed)
        messages = [(topic, self._body(message)) for topic, message in told]
        if np.bitwise_or.reduce(outcomes.bits) & _EVENTS:
            messages += self._anomalies(batch, outcomes, lsn, replayed)
        if self._drift and np.bitwise_or.reduce(outcomes.bits) & DRIFTS:
            ends = np.cumsum(batch.lengths)
            for i in np.flatnonzero(outcomes.bits & DRIFTS).tolist():
                topic, position = self._topics[outcomes.row[i]], lsn[int(np.searchsorted(ends, i, "right"))]
                told_of = drift(self._drift, outcomes, i, topic, position, replayed)
                messages.append((topic.drift, self._body(told_of)))
        return messages

    def silences(self, outcomes: Told, names: list[str], lsn: Sequence[int], replayed: bool) -> list[Message]:
        """One message for each outcome of a stream that fell silent; `lsn` (n) of the orders that say so."""
        topics = self._known(names)
        fallen = np.flatnonzero(outcomes.bits & SILENCE).tolist()
        return [self._anomaly(None, outcomes, i, topics[outcomes.row[i]], SILENCE, (lsn[i], replayed)) for i in fallen]

    def retained(self, name: str, outcomes: Told) -> Message:
        """The last value of a stream's prediction topic again, for a new subscriber; `outcomes` of one observation.

        It repeats the number of the topic's last message, so that it hides no gap.
        """
        row = int(outcomes.row[0])
        topic = self._topics[row] if row < len(self._topics) and row not in self._stale else topics_of(name)
        message = self._form.again(topic, outcomes)
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
            self._topics += [topics_of(name) for name in names[len(self._topics) :]]
        for row in [row for row in self._stale if names[row]]:
            self._topics[row] = topics_of(names[row])
            self._stale.discard(row)
        return self._topics

    def _anomalies(self, batch: Batch, outcomes: Told, lsn: Sequence[int | None], replayed: bool) -> list[Message]:
        """One message for each event that opened, worsened or closed, and each strange session. Rare, so one by one."""
        messages = []
        ends = np.cumsum(batch.lengths)
        for i in np.flatnonzero(outcomes.bits & _EVENTS).tolist():
            topic = self._topics[outcomes.row[i]]
            for bit in STATES:
                if outcomes.bits[i] & bit:
                    place = lsn[int(np.searchsorted(ends, i, "right"))]
                    messages.append(self._anomaly(batch, outcomes, i, topic, bit, (place, replayed)))
        return messages

    def _anomaly(
        self, batch: Any, outcomes: Told, i: int, topic: Topics, bit: int, journaled: tuple[int | None, bool]
    ) -> Message:
        """`journaled`: where in the journal, and whether this is a replay."""
        topic.anomalies += 1
        message = (
            self._form.silence(outcomes, i, topic)
            if bit == SILENCE
            else self._form.anomaly(batch, outcomes, i, topic, STATES[bit])
        )
        message.text = text(message, float(outcomes.tail[i]), float(outcomes.interval[i]))
        message.lsn, message.replayed = journaled[0], journaled[1] or UNSET
        return topic.anomaly, self._body(message)


def _text(offender: bytes, cut: bool) -> tuple[str, str]:
    """As text where it is UTF-8 (a character that was cut off is left out), else as base64; and which of the two."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(offender, not cut), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(offender).decode("ascii"), "base64"
