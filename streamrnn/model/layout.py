"""Widths, offsets and names of a row: the only arithmetic on where things are.

A *slice* is a named array inside a plane. Its axes are either plain (so many numbers) or labelled: what stands along
them has names of its own, such as horizons, targets, experts or the fields of a record. State is matched by these names
(`transfer`): a slice of equal name takes over what it has in common with the stored one, label by label. So names and
labels rest on identities alone (`spec.part`), never on the order or the text of code. A slice is written down as

    [offset, length]                                           plain, its numbers side by side
    [offset, [[stride, [[label, count], ...]], ...]]           one entry an axis; `count` steps of `stride` a label

which is what a checkpoint stores.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ALIGN = 16  # numbers; rows begin on a cache line

Axis = tuple[int, dict[str, int]]  # numbers between two steps; label -> how many steps
Place = list[Any]  # a slice as it is written down
Layout = dict[str, Place]  # all slices of a row, and the widths of its planes


@dataclass(slots=True)
class Plane:
    """One plane's slices in order; `add` and `room` return where the numbers begin."""

    name: str
    width: int = 0
    slices: Layout = field(default_factory=dict)

    def add(self, name: str, length: int) -> int:
        """A plain slice."""
        offset = self.room(length)
        self._enter(name, [offset, length])
        return offset

    def record(self, name: str, *axes: dict[str, int]) -> int:
        """A slice whose axes stand one inside the other, the last one side by side."""
        offset = self.room(numbers(axes))
        self.put(name, offset, *nested(axes))
        return offset

    def room(self, length: int) -> int:
        """Room that `put` gives names to."""
        self.width += length
        return self.width - length

    def block(self, entries: Iterable[tuple[str, int, Sequence[Axis]]], length: int) -> int:
        """Room with the names of what stands in it, each from the block's begin. Returns where it begins."""
        start = self.room(length)
        for name, place, inner in entries:
            self.put(name, start + place, *inner)
        return start

    def put(self, name: str, offset: int, *axes: Axis) -> None:
        """Name numbers that have their room already."""
        self._enter(name, [offset, [[int(stride), [[*pair] for pair in axis.items()]] for stride, axis in axes]])

    def close(self) -> int:
        """Pad to the next cache line; returns the width."""
        self.width = -(-self.width // ALIGN) * ALIGN
        return self.width

    def _enter(self, name: str, place: Place) -> None:
        title = f"{self.name}.{name}"
        assert title not in self.slices, title
        if all(sum(axis.values()) for _, axis in axes(place)):  # what has no numbers needs no name
            self.slices[title] = place


def axes(place: Place) -> list[Axis]:
    """The axes of a slice as it is written down."""
    if isinstance(place[1], int):
        return [(1, {"": place[1]})]
    return [(stride, dict(labels)) for stride, labels in place[1]]


def nested(inner: Sequence[dict[str, int]]) -> list[Axis]:
    """Axes that stand one inside the other, the last one side by side."""
    return [(numbers(inner[place + 1 :]), axis) for place, axis in enumerate(inner)]


def numbers(inner: Sequence[dict[str, int]]) -> int:
    """How many numbers nested axes have."""
    return math.prod(sum(axis.values()) for axis in inner)


def plain(count: int) -> dict[str, int]:
    """An axis without labels."""
    return {"": count}


def labels(names: Iterable[str], count: int = 1) -> dict[str, int]:
    """An axis of these labels, `count` steps each."""
    return dict.fromkeys(names, count)


def fields(places: Mapping[str, int], width: int) -> dict[str, int]:
    """The axis of a record's fields, given where each begins; the order is that of the places, not of the code."""
    ordered = sorted(places.items(), key=lambda pair: pair[1])
    ends = [place for _, place in ordered[1:]] + [width]
    assert ordered[0][1] == 0, "a record has unnamed numbers in front"
    return {label: end - place for (label, place), end in zip(ordered, ends, strict=True)}


def each(axis: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    """Label, first step and number of steps of everything on an axis."""
    start = 0
    for label, count in axis.items():
        yield label, start, count
        start += count


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """The names, later ones of equal names numbered."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return tuple(found)


def digest(value: Any) -> str:
    """A short name for plain data."""
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()
