"""An engine of a few lines: it predicts the last value. What it does is easy to say, so the service can be judged."""

import faulthandler
import json
import os
import signal
from collections.abc import Sequence

import numpy as np

from streamrnn import messages, spec
from streamrnn.errors import ConfigError, SnapshotError
from streamrnn.messages import Batch, Health, Ints, Outcomes
from tests.columns import outcomes


def allocate(capacity: int, horizon: int) -> None:
    """Where memory could be short; nothing here needs any."""


class Engine:
    """The engine's interface. A flow of -999 is a bug of ours, and one of -998 too, but without an exception."""

    kernel_digest = "fake"
    bytes_per_stream = 100

    def __init__(self, model: spec.Model, capacity: int, threads: int = 1, **given: object) -> None:
        if model.seed == 666:
            raise ConfigError("no such plan")
        allocate(capacity, max(model.horizons))
        self.model = model
        self.capacity = capacity
        self.targets = tuple(model.targets or model.features)
        self.horizons = model.horizons
        self.level = 0.9
        self.monitors = ("residual",)
        self.experts: tuple[str, ...] = ()
        self.bytes_total = capacity * self.bytes_per_stream
        self.names: list[str] = []
        self.layout = {name: [place, 1] for place, name in enumerate(("seq", "sender", "time", *model.features))}
        self._state: dict[str, dict[str, float]] = {}
        self._dirty: dict[str, None] = {}
        self.frozen = model.frozen

    def freeze(self, on: bool) -> None:
        self.frozen = on

    def alone(self) -> None:
        """There are no threads."""

    def known(self, name: str) -> bool:
        return name in self._state

    def admit(self, names: Sequence[str]) -> Ints:
        for name in names:
            if name not in self._state and len(self._state) < self.capacity:
                if "" in self.names:
                    self.names[self.names.index("")] = name
                else:
                    self.names.append(name)
                self._state[name] = dict.fromkeys(self.layout, -1.0) | {"seq": 0.0}
        return np.array([self.names.index(name) if name in self._state else -1 for name in names], np.int64)

    def step(self, batch: Batch, rows: Ints) -> Outcomes:
        out = outcomes(len(batch), len(self.targets), len(self.horizons))
        names = [name for name, length in zip(batch.names, batch.lengths, strict=True) for _ in range(length)]
        for i, name in enumerate(names):
            if (batch.values[i] == -999.0).any():
                raise ZeroDivisionError("a bug")
            if (batch.values[i] == -998.0).any():
                faulthandler.disable()
                os.kill(os.getpid(), signal.SIGSEGV)
            state = self._state[name]
            duplicate = 0 <= batch.seq[i] <= state["sender"]
            if not duplicate:
                self._dirty[name] = None
            if not duplicate and not self.frozen:
                state["seq"] += 1
                state["sender"] = max(state["sender"], float(batch.seq[i]))
                state["time"] = float(batch.time[i])
                state |= dict(zip(self.model.features, batch.values[i].tolist(), strict=True))
            self._tell(out, i, name)
            fate = messages.FROZEN if self.frozen else messages.LEARNED
            out.bits[i] = messages.DUPLICATE if duplicate else fate
        out.row[:] = np.repeat(rows, batch.lengths)
        return out

    def outlook(self, name: str) -> Outcomes | None:
        if name not in self._state:
            return None
        out = outcomes(1, len(self.targets), len(self.horizons))
        out.row[0] = self.names.index(name)
        self._tell(out, 0, name)
        return out

    def take_dirty(self, limit: int) -> list[str]:
        taken = list(self._dirty)[:limit]
        for name in taken:
            del self._dirty[name]
        return taken

    def changed(self, name: str) -> bool:
        return name in self._dirty

    def settle(self, name: str) -> None:
        self._dirty.pop(name, None)

    def export(self, name: str) -> bytes:
        return json.dumps(self._state[name]).encode()

    def restore(self, name: str, blob: bytes, layout: dict[str, list[int]]) -> list[str]:
        if self.admit([name])[0] < 0:
            raise SnapshotError("no room")
        stored = json.loads(blob)
        self._state[name] |= {key: value for key, value in stored.items() if key in self.layout}
        return [key for key in stored if key not in self.layout]

    @property
    def streams(self) -> int:
        return len(self._state)

    def forget(self, name: str) -> int | None:
        if name not in self._state:
            return None
        row = self.names.index(name)
        self.names[row] = ""
        del self._state[name]
        self._dirty.pop(name, None)
        return row

    def reset(self, name: str) -> bool:
        self._state[name] = dict.fromkeys(self.layout, -1.0) | {"seq": 0.0}
        self._dirty[name] = None
        return True

    def health(self) -> Health:
        unknown = np.full(len(self.horizons), np.nan)
        known = np.full(len(self.horizons), 0.5)
        return Health(self.horizons, known, known, unknown, known, known, known, known, self.level)

    def _tell(self, out: Outcomes, i: int, name: str) -> None:
        state = self._state[name]
        out.seq[i], out.time[i], out.interval[i] = state["seq"], state["time"], 1.0
        for target, feature in enumerate(self.targets):
            out.forecast[i, target] = state[feature]
