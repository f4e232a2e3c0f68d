"""Values beside what had been forecast for them: long rows, one for every value of a target and horizon."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from streamrnn.messages import ANOMALY, DUPLICATE, LATE, SETTLED, UNMATCHED, Outcomes

NO_VALUE = LATE | DUPLICATE | SETTLED | UNMATCHED


class LongRows:
    """What every stream forecast in its last observations, as many as the longest horizon has steps."""

    COLUMNS = ["stream", "target", "step", "time", "y", "yhat", "lower", "upper", "score", "event"]  # noqa: RUF012

    def __init__(self, targets: tuple[str, ...], horizons: tuple[int, ...]) -> None:
        self._targets, self._horizons = targets, horizons
        self._past: dict[int, deque[Any]] = {}

    def rows(self, outcomes: Outcomes, names: list[str]) -> Iterator[list[Any]]:
        """The rows that a batch brings; None is unknown or missing."""
        rows, forecasts, actual = outcomes.row.tolist(), outcomes.forecast.tolist(), outcomes.actual.tolist()
        for i, (row, bits) in enumerate(zip(rows, outcomes.bits.tolist(), strict=True)):
            if bits & NO_VALUE:
                continue
            past = self._past.setdefault(row, deque(maxlen=max(self._horizons)))
            score, number = float(outcomes.score[i]), int(outcomes.event[i])
            told = [_known(score), f"{names[row]}/{number}" if bits & ANOMALY else None]
            for t, target in enumerate(self._targets):
                for k, step in enumerate(self._horizons):
                    made = past[-step][t][k] if step <= len(past) else (None, None, None)
                    moment = [names[row], target, step, float(outcomes.time[i]), _known(actual[i][t])]
                    yield [*moment, *map(_known, made), *told]
            past.append(forecasts[i])


def _known(x: float | None) -> float | None:
    return None if x is None or x != x else x
