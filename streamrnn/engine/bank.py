"""Floor 2: the bank. Three planes, one row a stream; a name gets a row at first sight and keeps it until it is
forgotten; the row then goes to the next new name.

The planes are allocated at full capacity and touched row by row: untouched memory costs nothing. With pooled weights
the learned part is one more row, the pool's, of its own two planes. A row travels as bytes: its planes one after the
other, in the machine's own order, told apart by the layout that is stored beside it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConfigError, SnapshotError
from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.program import Program
from streamrnn.messages import Floats, Ints
from streamrnn.model import initial
from streamrnn.model.layout import Layout
from streamrnn.model.newcomers import welcome
from streamrnn.model.prior import Prior, begin
from streamrnn.model.transfer import Transfer, misfit, transfer

POOL = ""  # name of the pool's row


class Bank:
    """The planes of a plan for up to `capacity` streams."""

    def __init__(
        self, plan: Any, capacity: int, dtype: str = "float32", first: Any = initial, prior: Prior | None = None
    ) -> None:
        self.plan = plan
        self._first = first  # the module that fills new rows: model.init, or model.event_init
        self.capacity = capacity
        self.dtype = dtype
        self.names: list[str] = []  # by row; "" where a stream was forgotten
        self._rows: dict[str, int] = {}
        self._free: list[int] = []  # rows that were forgotten
        try:
            self._f32 = np.zeros((capacity, plan.f32.width), dtype)
            self._f64 = np.zeros((capacity, plan.f64.width))
            self._i64 = np.zeros((capacity, plan.i64.width), np.int64)
        except MemoryError:
            raise ConfigError(
                f"no memory for {capacity} streams of this model", "lower limits.max_streams, or use a smaller model"
            ) from None
        self._fresh = (first.real(plan), first.count(plan))
        self._prior = None if prior is None else self._given(prior)
        self.challenger = self._half(dtype) if plan.table.ints[Program.HALF_F32] else None
        self.changed = np.zeros(capacity, np.int64)  # when each row was first changed since it was taken; 0: not
        self._touches = 0
        self._pool = first.learned(plan, POOL, dtype) if plan.pooled else None
        learned, counts = self._pool or (self._f32.reshape(-1), self._i64.reshape(-1))
        self.layout = layout_of(plan, self._f32.itemsize)  # slices of a row and, with pooled weights, of the pool's
        self._read: tuple[Layout, Transfer] | None = None  # how rows of the layout that was met last are read
        self.planes = arrays.Planes(
            self._f32.reshape(-1), self._f64.reshape(-1), self._i64.reshape(-1), learned, counts
        )

    @property
    def bytes_per_stream(self) -> int:
        """What one stream's row takes."""
        return int(self._f32.itemsize * self.plan.f32.width + 8 * (self.plan.f64.width + self.plan.i64.width))

    def _half(self, dtype: str) -> tuple[NDArray[Any], Floats, Ints]:
        """A challenger that has seen nothing: half a row, in each plane; all begin with the same weights."""
        p = self.plan.table.ints
        first, (real, count) = np.zeros(int(p[Program.HALF_F32]), dtype), self._fresh
        weights, counts = self._first.learned(self.plan, "challenger", dtype)
        first[: len(weights)] = weights
        return first, real[: p[Program.HALF_F64]].copy(), np.concatenate([counts, count])[: p[Program.HALF_I64]]

    def find(self, name: str) -> int | None:
        """Row of a known stream."""
        return self._rows.get(name)

    def admit(self, names: Sequence[str]) -> Ints:
        """Row of each name; a new name gets a new row, or -1 when the bank is full."""
        known = self._rows
        return np.array([known[name] if name in known else self._enter(name) for name in names], np.int64)

    def __len__(self) -> int:
        """Streams known."""
        return len(self._rows)

    def forget(self, name: str) -> int | None:
        """Let go of a stream; the row it had, free from now on, or None for an unknown one."""
        row = self._rows.pop(name, None)
        if row is not None:
            self._f32[row], self._f64[row], self._i64[row] = 0, 0, 0
            self.names[row], self.changed[row] = "", 0
            self._free.append(row)
        return row

    def reset(self, name: str) -> bool:
        """Make a stream as it was before its first observation; False for an unknown one."""
        row = self._rows.get(name)
        if row is None:
            return False
        self._f32[row], self._i64[row] = 0, 0
        self._begin(row, name)
        self.changed[row] = self.stamp()
        return True

    def _enter(self, name: str) -> int:
        row = self._place(name)
        if row >= 0:
            self._begin(row, name)
        return row

    def _place(self, name: str) -> int:
        """A row of zeros for a new stream; -1 when the bank is full."""
        row = self._free.pop() if self._free else len(self.names)
        if row >= self.capacity:
            return -1
        self._rows[name] = row
        if row == len(self.names):
            self.names.append(name)
        else:
            self.names[row] = name
        return row

    def _begin(self, row: int, name: str) -> None:
        """The state before the first observation, into a row of zeros."""
        base = int(self.plan.table.ints[Program.BASE_I64])
        if self._pool is None:
            weights, counts = self._prior or self._first.learned(self.plan, name, self.dtype)
            self._f32[row, : len(weights)] = weights
            self._i64[row, :base] = counts
        self._f64[row], self._i64[row, base:] = self._fresh
        self._first.individual(self.plan, name, self._i64[row, base:])

    def _given(self, prior: Prior) -> tuple[NDArray[Any], Ints]:
        """Weights and counts of every new stream; what else it is given is written into the fresh row."""
        weights, counts = self._first.learned(self.plan, "", self.dtype)
        begin(self.plan, prior, weights, self._fresh[0], counts)
        return weights, counts

    def stamp(self) -> int:
        """The mark to put into `changed` for rows that change now and were not changed since they were last taken."""
        self._touches += 1
        return self._touches

    def has_changed(self, name: str) -> bool:
        """Whether a stream changed since it was last taken or settled."""
        row = self._rows.get(name)
        return row is not None and bool(self.changed[row])

    def settle(self, name: str) -> None:
        """Count a stream as unchanged from now on."""
        if (row := self._rows.get(name)) is not None:
            self.changed[row] = 0

    def take_dirty(self, limit: int) -> list[str]:
        """Names of at most `limit` changed streams, the longest changed first; they count as unchanged from now on."""
        rows = np.flatnonzero(self.changed[: len(self.names)])
        rows = rows[np.argsort(self.changed[rows], kind="stable")[:limit]]
        self.changed[rows] = 0
        return [self.names[row] for row in rows]

    def export(self, name: str) -> bytes:
        """A row's planes as bytes; POOL is the pool's row. Raises KeyError for an unknown stream."""
        if name == POOL and self._pool is not None:
            return b"".join(part.tobytes() for part in self._pool)
        row = self._rows[name]
        return b"".join(plane[row].tobytes() for plane in (self._f32, self._f64, self._i64))

    def restore(self, name: str, blob: bytes, layout: Layout) -> list[str]:
        """Put a row back that was exported under `layout`; what means something else now is left fresh.

        Returns what was dropped, slices or labels of them. Raises SnapshotError when the bytes do not fit the layout or
        the bank is full.
        """
        if name == POOL:
            if self._pool is None:
                return [place for place in layout if place.startswith("pool.")]
            return self._move(blob, layout, {"pool.f32": self._pool[0], "pool.i64": self._pool[1]})
        new = name not in self._rows
        row = self._place(name) if new else self._rows[name]
        if row < 0:
            raise SnapshotError(f"no room for stream {name!r}", f"raise limits.max_streams above {self.capacity}")
        rows = [self._f32[row], self._f64[row], self._i64[row]]
        if layout == self.layout:  # nearly always: at a start no weights are drawn that would be written over
            _fill(blob, rows)
            return []
        if new:
            self._begin(row, name)
        return self._move(blob, layout, dict(zip(("f32", "f64", "i64"), rows, strict=True)))

    def _move(self, blob: bytes, layout: Layout, planes: dict[str, NDArray[Any]]) -> list[str]:
        """Take over what a stored row has in common with one of ours."""
        if self._read is None or self._read[0] != layout:
            self._read = layout, transfer(layout, self.plan.planes, self.plan.sizes.model.timezone)
        moves = self._read[1]
        moves.run(blob, planes)
        welcome(self.plan, moves, planes)
        pooled = "pool.f32" in planes
        return [str(part) for part in moves.lost if part.slice.startswith("pool.") == pooled]


def _fill(blob: bytes, targets: list[NDArray[Any]]) -> None:
    """Copy a row that was exported under the same layout."""
    start = 0
    if len(blob) != sum(target.nbytes for target in targets):
        raise misfit()
    for target in targets:
        target[:] = np.frombuffer(blob, target.dtype, len(target), start)
        start += target.nbytes


def layout_of(plan: Any, itemsize: int = 4) -> Layout:
    """What `Bank.layout` is for a bank of this plan, without making one; `itemsize`: bytes of the network's numbers."""
    widths = {f"width.{each.name}": [each.width, itemsize if each.name.endswith("f32") else 8] for each in plan.planes}
    return {**widths, **{name: place for each in plan.planes for name, place in each.slices.items()}}
