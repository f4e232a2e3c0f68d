"""What the outcomes of a replay suggest to set, told at its end."""

from typing import TYPE_CHECKING, Any

import numpy as np

from streamrnn.messages import EventOutcomes, Outcomes

if TYPE_CHECKING:
    from streamrnn.engine.engine import Engine
    from streamrnn.spec import Model

NEW = 0.5  # share of events outside the vocabulary above which they are no kinds of events


class Watch:
    """Least values and forecasts of each target, and how many events were new."""

    def __init__(self, engine: "Engine") -> None:
        self._targets: tuple[str, ...] = getattr(engine, "targets", ())
        self._least = np.full(len(self._targets), np.inf)
        self._below = np.zeros(len(self._targets), np.int64)  # forecasts below 0
        self._forecasts = np.zeros(len(self._targets), np.int64)
        self._events = self._unseen = 0

    def add(self, outcomes: Any) -> None:
        """Look at a batch."""
        if isinstance(outcomes, EventOutcomes):
            self._events += len(outcomes)
            self._unseen += int((outcomes.symbol == 0).sum())
        elif isinstance(outcomes, Outcomes) and len(outcomes):
            self._least = np.fmin(self._least, np.fmin.reduce(outcomes.actual, axis=0))
            forecast = outcomes.forecast[..., 0]
            self._below += (forecast < 0.0).sum(axis=(0, 2))
            self._forecasts += np.isfinite(forecast).sum(axis=(0, 2))

    def hints(self, model: "Model") -> list[str]:
        """A sentence each."""
        found = []
        if self._unseen > NEW * max(self._events, 1):
            share = self._unseen / self._events
            found.append(
                f"{share:.0%} of the events are new, so nothing is learned of them: of log lines say --as templates, "
                "which leaves numbers and names out; or raise the symbols of model.vocabulary"
            )
        for target, least, below, n in zip(self._targets, self._least, self._below, self._forecasts, strict=True):
            known = model.feature.get(target)
            if least >= 0.0 and below and (known is None or known.lower is None):
                found.append(
                    f"{target} is never negative, {int(below) / max(int(n), 1):.0%} of its forecasts are: "
                    f"set lower = 0.0 under [model.feature.{target}]"
                )
        return found
