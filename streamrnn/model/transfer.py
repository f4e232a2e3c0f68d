"""How a stored row becomes a row of today's plan: slice by slice of equal name, label by label of equal size.

`Transfer` is worked out once for a pair of layouts and then moves any number of rows. What the old row has and the new
one has no place for is in `lost`; what only the new one has is in `begun` and stays as a fresh row has it, but for what
`newcomers` sets right: a member that joins a mix that has learned must not enter it as if nothing had been learned.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import SnapshotError
from streamrnn.model.former import translate
from streamrnn.model.layout import Axis, Layout, Place, Plane, axes

Numbers = NDArray[Any]
Index = slice | NDArray[np.int64]
WHOLE = ""  # as a label: all of the slice


class Part(NamedTuple):
    """What is lost or begun: a label of a slice, or WHOLE."""

    slice: str
    label: str

    def __str__(self) -> str:
        return f"{self.slice}: {self.label}" if self.label else self.slice


class Move(NamedTuple):
    """Numbers of one plane that are taken over."""

    plane: str
    source: Index
    target: Index


class Transfer(NamedTuple):
    """From rows of one layout to rows of a plan."""

    widths: dict[str, tuple[int, int]]  # of the stored planes: numbers, and bytes of each
    moves: tuple[Move, ...]
    lost: tuple[Part, ...]
    begun: tuple[Part, ...]

    def planes(self, blob: bytes, names: list[str], sizes: list[int]) -> dict[str, Numbers]:
        """The stored planes of these names; `sizes`: bytes that a number has in each. Raises SnapshotError."""
        found, start = {}, 0
        for name, size in zip(names, sizes, strict=True):
            width, itemsize = self.widths.get(name, (0, size))
            end = start + width * itemsize
            if itemsize != size or end > len(blob):
                raise misfit()
            kind = np.dtype(np.int64) if name.endswith("i64") else np.dtype(f"f{size}")
            found[name] = np.frombuffer(blob[start:end], kind)
            start = end
        return found

    def run(self, blob: bytes, targets: dict[str, Numbers]) -> None:
        """Move a stored row into the planes of a fresh one. Raises SnapshotError when it does not fit its layout."""
        found = self.planes(blob, [*targets], [target.itemsize for target in targets.values()])
        for plane, source, target in self.moves:
            if plane in targets:
                targets[plane][target] = found[plane][source]


def transfer(stored: Layout, planes: list[Plane], timezone: str) -> Transfer:
    """How rows of a stored layout become rows of these planes, of a model in this timezone."""
    old = translate(stored, timezone)
    widths = {name.removeprefix("width."): (place[0], place[1]) for name, place in old.items() if is_width(name)}
    moves: list[Move] = []
    lost: list[Part] = []
    begun: list[Part] = []
    new = {name: (plane.name, place) for plane in planes for name, place in plane.slices.items()}
    for name, place in old.items():
        if is_width(name):
            continue
        plane, into = new.get(name, ("", None))
        move = None if into is None else _match(name, place, into, lost, begun)
        if move is None:
            lost.append(Part(name, WHOLE))
        else:
            moves.append(Move(plane, *move))
    begun += [Part(name, WHOLE) for name in new if name not in old]
    return Transfer(widths, tuple(moves), tuple(lost), tuple(begun))


def is_width(name: str) -> bool:
    """Whether an entry of a layout is the width of a plane and no slice."""
    return name.startswith("width.")


def misfit() -> SnapshotError:
    """A row that its own layout does not describe."""
    return SnapshotError("a stored row does not fit its own layout", "restore the database from a backup")


def indices(place: Place, label: str | None = None) -> NDArray[np.int64]:
    """Where a slice's numbers are, axis by axis; with a label only those that stand at it, on whatever axis it is."""
    found = np.full(1, place[0], np.int64)
    for stride, axis in axes(place):
        chosen = [label] if label is not None and label in axis else list(axis)
        found = np.add.outer(found, np.concatenate([_steps(axis, each) for each in chosen] or [_none()]) * stride)
    return found.reshape(found.shape[1:])


def _match(name: str, old: Place, new: Place, lost: list[Part], begun: list[Part]) -> tuple[Index, Index] | None:
    """Where the numbers of a slice are that both have; None when they have none in common."""
    if isinstance(old[1], int) and isinstance(new[1], int):
        return (slice(old[0], old[0] + old[1]), slice(new[0], new[0] + new[1])) if old[1] == new[1] else None
    before, after = axes(old), axes(new)
    if len(before) != len(after):
        return None
    pairs = [_common(one, two) for one, two in zip(before, after, strict=True)]
    if not all(len(kept) for kept, _ in pairs):
        return None
    for (_, one), (_, two) in zip(before, after, strict=True):
        lost += [Part(name, label) for label in one if two.get(label) != one[label]]
        begun += [Part(name, label) for label in two if one.get(label) != two[label]]
    source, target = np.full(1, old[0], np.int64), np.full(1, new[0], np.int64)
    for kept, taken in pairs:
        source, target = np.add.outer(source, kept), np.add.outer(target, taken)
    return source.ravel(), target.ravel()


def _common(old: Axis, new: Axis) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets along both axes of the labels that they share."""
    shared = [label for label, count in old[1].items() if new[1].get(label) == count]
    return tuple(
        np.concatenate([_steps(axis, label) for label in shared] or [_none()]) * stride for stride, axis in (old, new)
    )  # type: ignore[return-value]


def _steps(axis: dict[str, int], label: str) -> NDArray[np.int64]:
    """Which steps of an axis a label has."""
    start = 0
    for each, count in axis.items():
        if each == label:
            return np.arange(start, start + count)
        start += count
    return _none()


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)
