"""The slices of a row that stand inside one another, as (name, where its numbers begin, axes) from the block's begin.

`plan` gives these blocks their room; `former` finds in them what older versions wrote under other names. The order of
the numbers is the kernels': one target after the other, and inside a target or a pending place one part after another.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from streamrnn import spec
from streamrnn.model.history import Past
from streamrnn.model.layout import Axis, each, labels, nested, numbers, plain
from streamrnn.model.names import COUNTS, ERRORS, HEAD, NETWORK, PENDING, PLACE, STATS, Labels, Names
from streamrnn.model.parts import EXPERTS, Piece

Entry = tuple[str, int, list[Axis]]
RECORD = labels(("weight", "regret", "squares", "largest"))  # of a round of the mix
EVENT_ROUND = labels(("mix", NETWORK, "longest context"))  # of the last round over symbols


class Weights(NamedTuple):
    """Where what stands among the parameters: first those of the inputs, so many rows of `wide` numbers."""

    inputs: int
    wide: int
    readout: int
    top: int

    def length(self, outputs: int) -> int:
        """Numbers of all of them."""
        return self.readout + (self.top + 1) * outputs


def weights(title: str, copies: int, on: Names, shape: Weights) -> Iterator[Entry]:
    """`copies` numbers of every weight, named by what the weight belongs to."""
    axis, head, own = on.outputs, on.head.identity(), shape.inputs * shape.wide
    count = sum(axis.values())
    outer = (shape.length(count), plain(copies))
    if own:
        yield f"{title} inputs {on.network}", 0, [outer, (shape.wide, on.inputs), (1, plain(shape.wide))]
    yield f"{title} layers {on.network}", own, [outer, (1, plain(shape.readout - own))]
    yield f"{title} readout {on.network} {head}", shape.readout, [outer, (shape.top, axis), (1, plain(shape.top))]
    yield f"{title} bias {on.network} {head}", shape.readout + shape.top * count, [outer, (1, axis)]


def counts(network: str, optimiser: spec.Optimiser, record: Labels = COUNTS) -> Iterator[Entry]:
    """Counts beside the weights; the steps are the optimiser's."""
    for label, place, count in each(record):
        rest = f"{optimiser.identity()} {network}" if label == "steps" else network
        yield f"{label} {rest}", place, [(1, plain(count))]


def pieces(on: Names, past: Past) -> list[list[Piece]]:
    """What the state of each expert consists of."""
    return [EXPERTS[type(expert)].state(expert, past, on.on_horizons) for expert in on.experts]


def experts(on: Names, past: Past) -> Iterator[Entry]:
    """State of the experts."""
    found = [
        (on.zoned(f"{name} {title}"), inner)
        for name, own in zip(on.members, pieces(on, past), strict=True)
        for title, inner in own
    ]
    return _side_by_side(found, on.on_targets)


def history(on: Names, past: Past, head: Labels = HEAD) -> Iterator[Entry]:
    """The last values, the profiles of both seasons, the last regressors of the linear experts."""
    found: list[Piece] = [(f"seasons {on.season}", [head]), (f"values {past.ring}", [plain(past.ring)])]
    found += [(f"profile {n + 1} {on.season}", [plain(past.bins[n]), plain(2)]) for n in range(2)]
    scales = ("plain", "root") if past.rooted else ("plain",)
    found += [(f"regressors {on.zoned(past.name)} {scale}", [plain(past.kept)]) for scale in scales]
    return _side_by_side(found, on.on_targets)


def mix(on: Names) -> Iterator[Entry]:
    """Both rounds of the mix."""
    members, last = len(on.experts), len(on.on_last_round)
    outer = _records(on, 4 * (members + last))
    yield "mix", 0, [*outer, (members, RECORD), (1, on.on_members)]
    yield f"last round {on.network}", 4 * members, [*outer, (last, RECORD), (1, on.on_last_round)]


def stats(on: Names, level: float, record: Labels = STATS) -> Iterator[Entry]:
    """Errors and intervals."""
    for label, place, count in each(record):
        name = label if label in ERRORS else f"{label} at level {level:g}"
        yield name, place, [*_records(on, sum(record.values())), (1, plain(count))]


def monitors(on: Names, watching: Iterable[str], lengths: Sequence[int]) -> Iterator[Entry]:
    """State of the monitors behind the score."""
    found: list[Piece] = [(name, [plain(length)]) for name, length in zip(watching, lengths, strict=True)]
    return _side_by_side(found, on.on_targets)


def pending(on: Names, slots: int, record: Labels = PENDING) -> Iterator[Entry]:
    """Pending forecasts, at each place one of every target: what was said, by whom."""
    parts = [("pending", record), ("pending by expert", on.on_members), ("pending of last round", on.on_last_round)]
    if on.gated:
        parts.append(("pending gate", on.on_members))
    width = sum(sum(axis.values()) for _, axis in parts)
    outer, place = [(len(on.targets) * width, on.on_slots(slots)), (width, on.on_targets)], 0
    for name, axis in parts:
        yield name, place, [*outer, (1, axis)]
        place += sum(axis.values())


def places(on: Names, slots: int, record: Labels = PLACE) -> Iterator[Entry]:
    """Of every pending place: the step and the row of the tape that it was filled at, and the id of its message."""
    yield f"slot of {slots}", 0, [(1, plain(1))]
    for label, place, _ in each(record):
        name = f"{label} of forecasts"
        width = sum(record.values())
        yield f"{name} {on.tape}" if label == "row" else name, 1 + place, [(width, on.on_slots(slots))]


def contexts(tables: int) -> list[str]:
    """The members of the mix over symbols, beside the network."""
    return [f"context of {k}" for k in range(tables)]


def contexts_mix(tables: int, states: int) -> tuple[Labels, ...]:
    """Axes of the weights of that mix: by the longest context that was found, by its state, of each member."""
    found = contexts(tables)
    return labels(("nothing", *found)), plain(states), labels((*found, NETWORK))


def contexts_running(tables: int, figures: int) -> Labels:
    """The axis of the running bits of each of those members, and of the figures of the mix."""
    return labels((*contexts(tables), NETWORK)) | {"figures": figures}


def _records(on: Names, width: int) -> list[Axis]:
    """Axes of records of every target and horizon."""
    return [(len(on.horizons) * width, on.on_targets), (width, on.on_horizons)]


def _side_by_side(found: Sequence[Piece], targets: Labels) -> Iterator[Entry]:
    """Pieces one after the other, those of one target behind those of the one before."""
    length, place = sum(numbers(inner) for _, inner in found), 0
    for name, inner in found:
        yield name, place, [(length, targets), *nested(inner)]
        place += numbers(inner)
