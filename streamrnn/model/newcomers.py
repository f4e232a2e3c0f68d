"""What joins a row that has learned: it must not disturb what is there.

- Weights at inputs that are new are 0: the network says what it said before, and learns to use them.
- A member that is new in a round of the mix begins at its prior weight, and the others share the rest as they did. Its
  regret is set so that the next update leaves it there; its rate is what the others' rates are in the mean.
- In a forecast that was pending, a new member says what the mix said: so it neither gains nor loses when it is settled.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.kernels.core.layout import Clock, Stats
from streamrnn.kernels.core.program import Program, Reals
from streamrnn.kernels.experts import mix
from streamrnn.kernels.monitors import conformal
from streamrnn.model.layout import Layout, axes
from streamrnn.model.transfer import WHOLE, Part, Transfer, indices

Numbers = NDArray[Any]
WEIGHTS = ("f32.params inputs ", "f32.good inputs ", "pool.f32.params inputs ", "pool.f32.good inputs ")
MIX, LAST, PENDING, ROUND = "f64.mix", "f64.last round ", "f64.pending by expert", "f64.pending of last round"


def welcome(plan: Any, moved: Transfer, planes: dict[str, Numbers]) -> None:
    """Set right what has begun anew inside slices of which something was taken over; `planes`: the row, by plane."""
    slices: Layout = {name: place for plane in plan.planes for name, place in plane.slices.items()}
    _silence(slices, moved, planes)
    if "f64" not in planes or MIX not in slices:
        return
    experts, last = len(plan.sizes.experts), next(name for name in slices if name.startswith(LAST))
    for name, first, n in ((MIX, 0, experts), (last, experts, plan.sizes.last_round)):
        if any(part.slice == name and part.label != WHOLE for part in (*moved.begun, *moved.lost)):
            _enter(plan, planes["f64"], first, n, _places(slices[name], moved.begun, name))
    base = indices(slices[ROUND], "base")
    for part in moved.begun:
        if part.slice in (PENDING, ROUND) and part.label in axes(slices[part.slice])[-1][1]:
            planes["f64"][indices(slices[part.slice], part.label)] = planes["f64"][base]


def _silence(slices: Layout, moved: Transfer, planes: dict[str, Numbers]) -> None:
    """What is new in weights that were taken over says nothing yet: its weights are zero."""
    for part in moved.begun:
        plane = part.slice.rpartition("32.")[0] + "32" if part.slice.startswith(WEIGHTS) else ""
        if part.label != WHOLE and plane in planes:
            planes[plane][indices(slices[part.slice], part.label)] = 0.0


def _places(place: list[Any], begun: tuple[Part, ...], name: str) -> NDArray[np.int64]:
    """Which members of a round are new."""
    new = {part.label for part in begun if part.slice == name}
    return np.array([number for number, label in enumerate(axes(place)[-1][1]) if label in new], np.int64)


def _enter(plan: Any, row: Numbers, first: int, n: int, new: NDArray[np.int64]) -> None:
    """Set the round of n members, whose records begin at number 4 `first`, of every target and horizon of a row."""
    p, horizons = plan.table.ints, plan.table.horizons
    behind = len(plan.table.priors) - n if first == 0 and row[p[Program.CLOCK] + Clock.INTERVAL] > mix.FINE else first
    priors = plan.table.priors[behind : behind + n]  # the bet: see mix.bets
    kept = np.setdiff1d(np.arange(n), new)
    count = len(plan.sizes.targets) * len(horizons)
    records = row[int(p[Program.MIX]) :][: count * int(p[Program.MIX_WIDTH])].reshape(count, -1)[
        :, 4 * first : 4 * (first + n)
    ]
    stats = row[int(p[Program.STATS]) :][: count * Stats.WIDTH].reshape(count, -1)
    for number, (record, seen) in enumerate(zip(records, stats[:, Stats.COUNT], strict=True)):
        w, regret, squares, largest = record.reshape(4, n)
        ahead = 1 if p[Program.LABEL_TASK] else int(horizons[number % len(horizons)])
        age = (plan.table.reals[Reals.AGE] + seen) / (1.0 + ahead / conformal.PATIENCE)
        bet = mix.MELT / (mix.MELT + age)
        share = w[kept] / w[kept].sum() if w[kept].sum() > 0.0 else np.full(len(kept), 1.0 / len(kept))
        squares[new], largest[new] = share @ squares[kept], share @ largest[kept]
        rate = np.minimum(0.5 / largest, np.sqrt(np.log(max(n, 2)) / squares)) / np.sqrt(ahead)
        w[new] = np.exp(priors[new])
        w[kept] = share * (1.0 - w[new].sum())
        r = kept[np.argmax(w[kept])]
        level = np.log(w[r]) - np.log(rate[r]) - rate[r] * regret[r] - bet * priors[r]
        regret[new] = (np.log(w[new]) - np.log(rate[new]) - bet * priors[new] - level) / rate[new]
