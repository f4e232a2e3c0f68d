"""The table of layers: a new one is a file of kernels and one entry here, with its sizes and its first weights."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from streamrnn import spec
from streamrnn.kernels.layers import (
    attention,
    conv,
    dense,
    dropout,
    elman,
    embedding,
    gru,
    gru_before,
    lru,
    lstm,
    memory,
    norm,
    peephole,
)
from streamrnn.kernels.learning import rtrl_lru, snap1_elman, snap1_gru, snap1_lstm
from streamrnn.model import weights
from streamrnn.model.weights import Weights


class Trace(NamedTuple):
    """How a recurrent layer learns forward in time: its part, and its sizes for I inputs and H units."""

    follow: Any
    size: Callable[[int, int], int]
    scratch: Callable[[int], int]  # H
    exact: bool  # whether nothing is left out: rule `rtrl`; otherwise it is SnAp-1


class Layer(NamedTuple):
    """A layer kind: its two parts; its sizes, in numbers, for I inputs, H units and its own setting M; what M is.

    All that a plan needs to know of a kind stands in its one entry.
    """

    forward: Any
    backward: Any
    first: Weights  # its first weights
    params: Callable[[int, int, int], int]
    state: Callable[[int, int, int], int]  # what the layer carries from row to row; its output comes first
    tape: Callable[[int, int, int], tuple[int, ...]]  # width of each block of the tape
    scratch: Callable[[int, int, int, int], int]  # for that many rows back, I, H, M
    own: Callable[[Any], int] = lambda it: 0
    units: Callable[[Any, int], int] = lambda it, inputs: int(it.size)
    by_input: bool = True  # its weights begin with a matrix (I, m H), and its first block of the tape is its inputs
    groups: Callable[[int], int] | None = None  # for the filter: weight i of group u is number i groups + u; None: not
    memory: Literal["state", "inputs", "nothing"] = "state"  # what it knows of the rows before
    trace: Trace | None = None  # how it learns forward in time
    train: Any = None  # instead of `forward` when a window is run again (the rule's `recompute`)


def by_unit(units: int) -> int:
    """A group a unit."""
    return units


LAYERS: dict[type[Any], Layer] = {
    spec.Elman: Layer(
        forward=elman.forward,
        backward=elman.backward,
        first=weights.gated(1),
        params=lambda i, h, m: (i + h + 1) * h,
        state=lambda i, h, m: h,
        tape=lambda i, h, m: (i, h, h),
        scratch=lambda rows, i, h, m: (rows + 1) * h,
        groups=by_unit,
        trace=Trace(snap1_elman.follow, lambda i, h: (i + h + 1) * h, lambda h: 3 * h, False),
    ),
    spec.Gru: Layer(
        forward=gru.forward,
        backward=gru.backward,
        first=weights.gru,
        params=lambda i, h, m: (i + h + 1) * 3 * h + h,
        state=lambda i, h, m: h,
        tape=lambda i, h, m: (i, h, 3 * h, h),
        scratch=lambda rows, i, h, m: (6 * rows + 7) * h,
        groups=by_unit,
        trace=Trace(snap1_gru.follow, lambda i, h: (i + h + 1) * 3 * h + h, lambda h: 15 * h, False),
    ),
    spec.Lstm: Layer(
        forward=lstm.forward,
        backward=lstm.backward,
        first=weights.gated(4),
        params=lambda i, h, m: (i + h + 1) * 4 * h,
        state=lambda i, h, m: 2 * h,
        tape=lambda i, h, m: (i, h, h, 4 * h, h),
        scratch=lambda rows, i, h, m: (4 * rows + 6) * h,
        groups=by_unit,
        trace=Trace(snap1_lstm.follow, lambda i, h: (i + h + 1) * 7 * h, lambda h: 13 * h, False),
    ),
    spec.GruBefore: Layer(
        forward=gru_before.forward,
        backward=gru_before.backward,
        first=weights.gru_before,
        params=lambda i, h, m: (i + h + 1) * 3 * h,
        state=lambda i, h, m: h,
        tape=lambda i, h, m: (i, h, 2 * h, h, h),
        scratch=lambda rows, i, h, m: (3 * rows + 3) * h,
        by_input=False,
        groups=by_unit,
    ),
    spec.Peephole: Layer(
        forward=peephole.forward,
        backward=peephole.backward,
        first=weights.peephole,
        params=lambda i, h, m: (i + h + 1) * 4 * h + 3 * h,
        state=lambda i, h, m: 2 * h,
        tape=lambda i, h, m: (i, h, h, 4 * h, h, h),
        scratch=lambda rows, i, h, m: (4 * rows + 4) * h,
        groups=by_unit,
    ),
    spec.Dense: Layer(
        forward=dense.forward,
        backward=dense.backward,
        first=weights.dense,
        params=lambda i, h, m: (i + 1) * h,
        state=lambda i, h, m: h,
        tape=lambda i, h, m: (i, h),
        scratch=lambda rows, i, h, m: (rows + 1) * h,
        own=lambda it: {"tanh": dense.TANH, "relu": dense.RELU, "linear": dense.LINEAR}[it.activation],
        groups=by_unit,
        memory="nothing",
    ),
    spec.Conv: Layer(
        forward=conv.forward,
        backward=conv.backward,
        first=weights.conv,
        params=lambda i, h, m: (i * m + 1) * h,
        state=lambda i, h, m: h + (m - 1) * i,
        tape=lambda i, h, m: (i * m, h),
        scratch=lambda rows, i, h, m: (rows + 1) * h + 2 * m * i,
        own=lambda it: int(it.span),
        by_input=False,
        groups=by_unit,
        memory="inputs",
    ),
    spec.Attention: Layer(
        forward=attention.forward,
        backward=attention.backward,
        first=weights.attention,
        params=lambda i, h, m: i * i + m + (2 * i + 1) * h,
        state=lambda i, h, m: h + (m - 1) * (i + 1),
        tape=lambda i, h, m: (m * i, i, i, m, i, h),
        scratch=lambda rows, i, h, m: (rows + 1) * (h + i) + (2 * i + 2) * m,
        own=lambda it: int(it.span),
        by_input=False,
        memory="inputs",
    ),
    spec.Memory: Layer(
        forward=memory.forward,
        backward=memory.backward,
        first=weights.memory,
        params=lambda i, h, m: i * i + (2 * i + 1) * h,
        state=lambda i, h, m: h + i + 1 + m * (2 * i + 1),
        tape=lambda i, h, m: (i, i, i, i, *2 * (memory.READS * i,), *2 * (memory.READS,), 1, h),
        scratch=lambda rows, i, h, m: (rows + 1) * (h + i) + 3 * i + m * (2 * i + 1),
        own=lambda it: int(it.slots),
        by_input=False,
        memory="inputs",
    ),
    spec.Norm: Layer(
        forward=norm.forward,
        backward=norm.backward,
        first=weights.norm,
        params=lambda i, h, m: 2 * i,
        state=lambda i, h, m: i,
        tape=lambda i, h, m: (i, 1),
        scratch=lambda rows, i, h, m: 0,
        units=lambda it, inputs: inputs,
        by_input=False,
        groups=by_unit,
        memory="nothing",
    ),
    spec.Dropout: Layer(
        forward=dropout.forward,
        backward=dropout.backward,
        first=weights.none,
        params=lambda i, h, m: 0,
        state=lambda i, h, m: i,
        tape=lambda i, h, m: (i,),
        scratch=lambda rows, i, h, m: 0,
        own=lambda it: round(it.share * dropout.UNITS),
        units=lambda it, inputs: inputs,
        train=dropout.train,
        by_input=False,
        memory="nothing",
    ),
    spec.Lru: Layer(
        forward=lru.forward,
        backward=lru.backward,
        first=weights.ring,
        params=lambda i, h, m: (i + 1) * h,
        state=lambda i, h, m: h,
        tape=lambda i, h, m: (i, h, h),
        scratch=lambda rows, i, h, m: (rows + 4) * h,
        groups=lambda h: h // 2,
        trace=Trace(rtrl_lru.follow, lambda i, h: (i + 2) * h, lambda h: 5 * h, True),
    ),
    spec.Embedding: Layer(
        forward=embedding.forward,
        backward=embedding.backward,
        first=weights.embedding,
        params=lambda i, h, m: i * h,
        state=lambda i, h, m: h,
        tape=lambda i, h, m: (i,),
        scratch=lambda rows, i, h, m: 0,
    ),
}
