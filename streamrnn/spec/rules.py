"""Learning rules: how far back a gradient goes, and how often there is an update."""

from typing import Annotated, ClassVar

from msgspec import Meta

from streamrnn.spec.part import Meaning, Part, Stride

__all__ = ["Immediate", "Rtrl", "Rule", "Snap1", "Tbptt"]


class Tbptt(Part, frozen=True, tag="tbptt"):
    """Truncated back-propagation through time, BPTT(h; h') of Williams and Peng 1990: h = `window`, h' = `stride`.

    `recompute` runs each window again under the weights of the update before it goes back through it.
    """

    meaning: ClassVar[Meaning] = {"recompute": False}

    window: Annotated[int, Meta(ge=1, le=512)] = 16
    stride: Stride = 8
    recompute: bool = False


class Rtrl(Part, frozen=True, tag="rtrl"):
    """Exact real-time recurrent learning (Williams and Zipser 1989) of diagonal recurrences, an update every `stride`.

    The whole history counts, at a cost that does not grow with it; exact per layer when layers are stacked.
    """

    stride: Stride = 1


class Snap1(Part, frozen=True, tag="snap1"):
    """SnAp-1 (Menick et al. 2021): RTRL in which a parameter acts on its own unit alone, an update every `stride`."""

    stride: Stride = 1


class Immediate(Part, frozen=True, tag="immediate"):
    """No history: the gradient through the current step alone (arXiv 2603.28750), an update every `stride`."""

    stride: Stride = 1


Rule = Tbptt | Rtrl | Snap1 | Immediate
