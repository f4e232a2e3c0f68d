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
from streamrnn.model.layout import Layout
from streamrnn.model.transfer import indices, transfer

HINT = "make it with `streamrnn state export --prior` from streams of this very model, or leave model.prior out"
NETWORK = ("params ", "good ", "optimiser ", "schedule ", "steps ", "clean ", "falls ", "since ", "rest ")


class Prior(Struct, frozen=True):
    """A stream's row as it was exported: its planes one after the other, and where the slices are."""

    stream: str
    layout: Layout
    row: bytes


def begin(plan: Any, prior: Prior, f32: NDArray[Any], f64: NDArray[np.float64], i64: NDArray[np.int64]) -> None:
    """Write a prior into rows of a stream that has seen nothing. Raises ConfigError for a prior of another model."""
    moved = transfer(prior.layout, plan.planes, plan.sizes.model.timezone)
    short = {part.slice for part in moved.begun}
    given: dict[str, NDArray[Any]] = {
        "f32": np.zeros(plan.f32.width, np.float32),
        "f64": np.zeros(plan.f64.width),
        "i64": np.zeros(plan.i64.width, np.int64),
    }
    planes: dict[str, NDArray[Any]] = dict(zip(given, (f32, f64, i64), strict=True))
    moved.run(prior.row, given)
    for plane in (plan.f32, plan.f64, plan.i64):
        for name, place in plane.slices.items():
            if not _given(name.removeprefix(f"{plane.name}.")):
                continue
            if name in short:
                raise ConfigError(f"the prior from stream {prior.stream!r} has no `{name}` like this model's", HINT)
            chosen = indices(place)
            planes[plane.name][chosen] = given[plane.name][chosen]


def check(plan: Any, prior: Prior) -> None:
    """Raise ConfigError for a prior of another model."""
    begin(
        plan, prior, np.zeros(plan.f32.width, np.float32), np.zeros(plan.f64.width), np.zeros(plan.i64.width, np.int64)
    )


def answers(plan: Any, prior: Prior) -> float:
    """Settled forecasts that its mix rests on: the least over targets and horizons."""
    row = np.zeros(plan.f64.width)
    transfer(prior.layout, [plan.f64], plan.sizes.model.timezone).run(
        prior.row, {"f32": np.zeros(0, np.float32), "f64": row}
    )
    return float(row[indices(plan.f64.slices["f64.count"])].min())


def _given(name: str) -> bool:
    """Whether a slice is taken over; of the experts those whose numbers have no unit, the linear ones."""
    linear = tuple(f"expert {kind.__struct_config__.tag}(" for kind in (spec.Linear, spec.Echo))
    intervals = name.startswith(("low at ", "high at "))
    return intervals or name == "mix" or name.startswith((*NETWORK, *linear, "last round ", "hours "))
