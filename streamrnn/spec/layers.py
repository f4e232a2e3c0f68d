"""Layers of the network: recurrent ones, ones that look back over a span, and what stands between them."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from streamrnn.spec.part import ALWAYS, Fraction, Meaning, Part, Size

__all__ = [
    "Attention",
    "Conv",
    "Dense",
    "Dropout",
    "Elman",
    "Embedding",
    "Gru",
    "GruBefore",
    "Layer",
    "Lru",
    "Lstm",
    "Memory",
    "Norm",
    "Peephole",
]


class Elman(Part, frozen=True, tag="elman"):
    """Vanilla recurrent layer, tanh (Elman 1990)."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS}

    size: Size = 16


class Gru(Part, frozen=True, tag="gru"):
    """Gated recurrent unit, reset-after form (Cho et al. 2014; the variant of cuDNN)."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS}

    size: Size = 16


class GruBefore(Part, frozen=True, tag="gru_before"):
    """Gated recurrent unit, reset-before form, as first published (Cho et al. 2014)."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS}

    size: Size = 16


class Lstm(Part, frozen=True, tag="lstm"):
    """Long short-term memory with forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000)."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS}

    size: Size = 16


class Peephole(Part, frozen=True, tag="lstm_peephole"):
    """Long short-term memory whose gates see the cell (Gers, Schraudolph, Schmidhuber 2002)."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS}

    size: Size = 16


class Lru(Part, frozen=True, tag="lru"):
    """Linear recurrent unit: `size` / 2 complex numbers that turn and shrink (Orvieto et al. 2023).

    At first their factors lie on the ring from `r_min` to `r_max`, at angles up to `phase` (radians).
    """

    meaning: ClassVar[Meaning] = {"size": ALWAYS}

    size: Size = 16
    r_min: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    r_max: Fraction = 0.99
    phase: Annotated[float, Meta(ge=0.0, le=6.2832)] = 3.1416


class Dense(Part, frozen=True, tag="dense"):
    """Dense layer with an `activation`; carries nothing from row to row."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS, "activation": "tanh"}

    size: Size = 16
    activation: Literal["tanh", "relu", "linear"] = "tanh"


class Conv(Part, frozen=True, tag="conv"):
    """Causal convolution over the last `span` inputs, tanh."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS, "span": ALWAYS}

    size: Size = 16
    span: Annotated[int, Meta(ge=1, le=64)] = 4


class Attention(Part, frozen=True, tag="attention"):
    """What the layer below said beside a mean of its last `span` outputs, weighted by likeness (Luong et al. 2015)."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS, "span": ALWAYS}

    size: Size = 16
    span: Annotated[int, Meta(ge=2, le=64)] = 16


class Memory(Part, frozen=True, tag="memory"):
    """What the layer below said beside what came after outputs like its own, from `slots` keys and values."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS, "slots": ALWAYS}

    size: Size = 16
    slots: Annotated[int, Meta(ge=2, le=4096)] = 64


class Norm(Part, frozen=True, tag="norm"):
    """Layer normalisation (Ba, Kiros, Hinton 2016); as many units as the layer below."""


class Dropout(Part, frozen=True, tag="dropout"):
    """Leaves out a `share` of what the layer below says, in training alone (Srivastava et al. 2014).

    Needs a rule that recomputes: what is published stands on the whole network.
    """

    share: Fraction = 0.1


class Embedding(Part, frozen=True, tag="embedding"):
    """A row of weights per symbol, and per number of its context (Bengio et al. 2003); the first layer for events."""

    meaning: ClassVar[Meaning] = {"size": ALWAYS}

    size: Size = 32


Layer = Elman | Gru | GruBefore | Lstm | Peephole | Lru | Dense | Conv | Attention | Memory | Norm | Dropout | Embedding
