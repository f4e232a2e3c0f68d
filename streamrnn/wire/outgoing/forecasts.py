"""What is said of task "forecast" and "label": the values to come, intervals, and what stands out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import UNSET, Struct, UnsetType, defstruct

from streamrnn.messages import ANOMALY, SEVERITIES, WARMING, Batch, Floats, Outcomes
from streamrnn.wire.outgoing.marks import MARKS, SILENT, feedback, mark
from streamrnn.wire.outgoing.messages import Anomaly, Forecast, Prediction, plain
from streamrnn.wire.outgoing.reason import reason, silence_reason
from streamrnn.wire.topics import Topics

Number = float | None
# One outcome: seq, time, score, is it an anomaly, p-value, skill, learned, warming up, cells (T * K * 3),
# time ahead (K), shares (T, kinds), actual (T), expected (T)
Told = tuple[
    int,
    float,
    Number,
    bool,
    Number,
    Number,
    int,
    bool,
    list[Number],
    list[Number],
    list[list[float]],
    list[Number],
    list[Number],
]
Answer = tuple[bytes, Prediction]
Answers = list[Answer]


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
    tail: list[float | None]
    skill: list[float | None]
    cells: list[list[float | None]]  # (T * K * 3) lists: yhat, yhat_lower, yhat_upper of each target and horizon
    ahead: list[list[float | None]]  # (K) lists: the time that is predicted
    actual: list[list[float | None]]  # (T) lists
    expected: list[list[float | None]]  # (T) lists


class Forecasts:
    """`nulls`: what is not finite has to be None, since the format would write it as it is."""

    def __init__(
        self, targets: Sequence[str], horizons: Sequence[int], level: float, monitors: Sequence[str], nulls: bool,
        experts: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._targets = tuple(targets)
        self._steps = np.array(horizons, np.float64)  # (K)
        self._level = level
        self._monitors = tuple(monitors)
        self._nulls = nulls
        self._kinds = tuple(dict.fromkeys(experts))
        self._share = defstruct("Share", self._kinds, gc=False)  # half the price of a dict
        fields = {f"t{i}": target for i, target in enumerate(self._targets)}
        self._values = defstruct("Values", tuple(fields), gc=False, rename=fields)
        self._of_kind = np.array([[kind == one for kind in self._kinds] for one in experts], np.float64)
        pairs = [(target, step, k) for target in targets for k, step in enumerate(horizons)]
        self._cells = [(target, step, k, 3 * i) for i, (target, step, k) in enumerate(pairs)]

    def answers(
        self, batch: Batch, outcomes: Outcomes, topics: list[Topics], lsn: Sequence[int | None], replayed: bool
    ) -> Answers:
        """One a run, in order."""
        marked = bool(np.bitwise_or.reduce(outcomes.bits) & (MARKS | SILENT)) or replayed or bool(batch.ids)
        if marked or True in batch.columnar:
            return self._mixed(batch, outcomes, topics, lsn, replayed, marked)
        return self._plain(outcomes, topics, lsn)

    def again(self, topic: Topics, outcomes: Outcomes) -> Prediction:
        """A stream's last answer."""
        message = self._one(topic, self._told(outcomes)[0])
        mark(message, outcomes.bits.tolist(), 0, {})
        return message

    def silence(self, outcomes: Outcomes, i: int, topic: Topics) -> Anomaly:
        """Nothing came when something was due: what was expected, and no score."""
        message = self.anomaly(None, outcomes, i, topic, "silence")
        message.monitor, message.reason = "silence", silence_reason(float(outcomes.interval[i]))
        message.anomaly_score = message.p_value = None
        return message

    def anomaly(self, _: Batch | None, outcomes: Outcomes, i: int, topic: Topics, state: str) -> Anomaly:
        """An event opened, worsened or closed; its place in the journal is not known here."""
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
            p_value=plain(float(outcomes.tail[i])),
            expected=expected,
            actual=actual,
            attribution=attribution,
            monitor=self._monitors[outcomes.monitor[i]],
            reason=reason(most, expected[most], actual[most], state == "close"),
            skill=plain(float(outcomes.skill[i])),
            learned=int(outcomes.learned[i]),
            warming_up=bool(outcomes.bits[i] & WARMING),
            feedback=feedback(topic.name, outcomes, i),
        )

    def _plain(self, outcomes: Outcomes, topics: list[Topics], lsn: Sequence[int | None]) -> Answers:
        """The answers to single observations with nothing to mark, which is what most batches are."""
        one, messages = self._one, list[Answer]()
        for row, position, told in zip(outcomes.row.tolist(), lsn, self._told(outcomes), strict=True):
            topic = topics[row]
            topic.lsn = position
            topic.predictions += 1
            messages.append((topic.prediction, one(topic, told)))
        return messages

    def _mixed(
        self,
        batch: Batch,
        outcomes: Outcomes,
        topics: list[Topics],
        lsn: Sequence[int | None],
        replayed: bool,
        marked: bool,
    ) -> Answers:
        """The answers to a batch with columns, marks or late labels in it."""
        sheet, last = self._sheet(outcomes), np.cumsum(batch.lengths) - 1
        shares = dict(zip(last.tolist(), self._shares(outcomes.shares[last]), strict=True))
        rows = None if all(batch.columnar) else self._told(outcomes)
        messages: Answers = []
        start = 0
        for length, columnar, position in zip(batch.lengths.tolist(), batch.columnar, lsn, strict=True):
            topic = topics[sheet.row[start]]
            topic.lsn = position
            for i in range(start, start + (1 if columnar else length)):
                if sheet.bits[i] & SILENT:
                    continue
                topic.predictions += 1
                if rows and not columnar:
                    message = self._one(topic, rows[i])
                else:
                    message = self._many(sheet, i, i + length, topic)
                    message.shares = self._by_kind(shares[i + length - 1])
                if marked:
                    mark(message, sheet.bits, slice(i, i + length) if columnar else i, batch.ids)
                    message.replayed = replayed or UNSET
                messages.append((topic.prediction, message))
            start += length
        return messages

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
            tail=self._list(outcomes.tail),
            skill=self._list(outcomes.skill),
            cells=self._lists(outcomes.forecast.reshape(count, -1).T),
            ahead=self._lists(self._ahead(outcomes).T),
            actual=self._lists(outcomes.actual.T),
            expected=self._lists(outcomes.expected.T),
        )

    def _ahead(self, outcomes: Outcomes) -> Floats:
        """The time that each horizon predicts (n, K), NaN while the interval between observations is unknown."""
        interval = np.where(outcomes.interval > 0.0, outcomes.interval, np.nan)[:, None]
        time = outcomes.time[:, None]
        return np.where(self._steps > 0.0, time + np.maximum(outcomes.leads, self._steps) * interval, time)

    def _shares(self, shares: Floats) -> list[list[list[float]]]:
        """Shares (n, T, E + 1) by kind (n, T, kinds), in thousandths: what a reader is told of who predicts."""
        if not self._kinds:
            return [[]] * len(shares)
        rounded: list[list[list[float]]] = (shares @ self._of_kind).round(3).tolist()
        return rounded

    def _by_kind(self, shares: list[list[float]]) -> dict[str, Struct] | UnsetType:
        if not self._kinds:
            return UNSET
        share = self._share
        return {target: share(*row) for target, row in zip(self._targets, shares, strict=True)}

    def _told(self, outcomes: Outcomes) -> list[Told]:
        """The outcomes one by one, as `_one` takes them."""
        return list(
            zip(
                outcomes.seq.tolist(),
                outcomes.time.tolist(),
                self._list(outcomes.score),
                ((outcomes.bits & ANOMALY) != 0).tolist(),
                self._list(outcomes.tail),
                self._list(outcomes.skill),
                outcomes.learned.tolist(),
                ((outcomes.bits & WARMING) != 0).tolist(),
                self._lists(outcomes.forecast.reshape(len(outcomes), -1)),
                self._lists(self._ahead(outcomes)),
                self._shares(outcomes.shares),
                self._lists(outcomes.actual),
                self._lists(outcomes.expected),
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
        seq, time, score, anomaly, tail, skill, learned, warming, cells, ahead, shares, actual, expected = told
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
            tail,
            skill,
            learned,
            warming,
            self._by_kind(shares),
            self._values(*actual),
            self._values(*expected),
        )

    def _many(self, sheet: Sheet, start: int, stop: int, topic: Topics) -> Prediction:
        """The answer to columns, observations `start` to `stop`; skill and learned are those of the last."""
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
            sheet.tail[run],
            sheet.skill[stop - 1],
            sheet.learned[stop - 1],
            sheet.bits[stop - 1] & WARMING != 0,
            actual=self._values(*(column[run] for column in sheet.actual)),
            expected=self._values(*(column[run] for column in sheet.expected)),
        )
