"""A prior: what a trained stream gives a new one to begin with.

Taken over is what has no unit: the network's weights (they see standardised values) with their optimiser, the linear
experts (changes over the spread), the weights of the mix and how far they have come, and the bounds of the intervals in
usual errors. Scales, levels, profiles, histories, thresholds and what monitors find usual are in the units of a stream
and begin anew, as does the hidden state.

A prior is fixed data, like the seed: a stream's results depend on its own messages and on nothing that others do
meanwhile. Rejected: an average over streams. Networks that began from different weights have no common coordinates.
"""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.layout import Stats
from streamrnn.kernels.core.program import Expert, Program

HINT = "make it with `streamrnn state export --prior` from streams of this very model, or leave model.prior out"
NETWORK = ("f32.params ", "f32.optimiser ", "f32.good ", "i64.counts ")
OWN = ("f64.experts ", "f64.mix ", "f64.stats ", "f64.hours ")


class Prior(Struct, frozen=True):
    """A stream's row as it was exported: its planes one after the other, and where the slices are."""

    stream: str
    layout: dict[str, list[int]]
    row: bytes

    def slice(self, name: str) -> NDArray[Any]:
        """One slice of the row."""
        start = 0
        for plane, kind in (("f32", np.float32), ("f64", np.float64), ("i64", np.int64)):
            width, size = self.layout[f"width.{plane}"]
            if name.startswith(f"{plane}."):
                offset, length = self.layout[name]
                return np.frombuffer(self.row, kind, length, start + offset * size)
            start += width * size
        raise KeyError(name)


def begin(plan: Any, prior: Prior, f32: NDArray[Any], f64: NDArray[np.float64], i64: NDArray[np.int64]) -> None:
    """Write a prior into rows of a stream that has seen nothing. Raises ConfigError for a prior of another model."""
    planes: list[tuple[Any, NDArray[Any]]] = [(plan.f32, f32), (plan.f64, f64), (plan.i64, i64)]
    for plane, row in planes:
        for name, (offset, length) in plane.slices.items():
            if not name.startswith(NETWORK + OWN):
                continue
            if prior.layout.get(name, [0, 0])[1] != length:
                raise ConfigError(
                    f"the prior from stream {prior.stream!r} has no {name.split()[0]} like this model's", HINT
                )
            found, into = prior.slice(name), row[offset : offset + length]
            if name.startswith("f64.experts "):
                _experts(plan, found, into)
            elif name.startswith("f64.stats "):
                given, fresh = (each.reshape(-1, Stats.WIDTH) for each in (found, into))
                fresh[:, [Stats.LOW, Stats.HIGH]] = given[:, [Stats.LOW, Stats.HIGH]]
            else:
                into[:] = found


def check(plan: Any, prior: Prior) -> None:
    """Raise ConfigError for a prior of another model."""
    begin(
        plan, prior, np.zeros(plan.f32.width, np.float32), np.zeros(plan.f64.width), np.zeros(plan.i64.width, np.int64)
    )


def answers(prior: Prior) -> float:
    """Settled forecasts that its mix rests on: the least over targets and horizons."""
    name = next((name for name in prior.layout if name.startswith("f64.stats ")), None)
    return float(prior.slice(name).reshape(-1, Stats.WIDTH)[:, Stats.COUNT].min()) if name else 0.0


def _experts(plan: Any, found: NDArray[Any], into: NDArray[Any]) -> None:
    """The linear experts of every target; the gains of its kept rows are of no more use and do no harm."""
    length = int(plan.table.ints[Program.EXPERT_LENGTH])
    starts = [*plan.table.experts[:, Expert.STATE].tolist(), length]
    for expert, start, end in zip(plan.sizes.experts, starts, starts[1:], strict=False):
        if isinstance(expert, spec.Linear):
            into.reshape(-1, length)[:, start:end] = found.reshape(-1, length)[:, start:end]
