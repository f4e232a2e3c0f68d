"""Drift: what watches the loss, and what is done when it changes."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from streamrnn.spec.part import ALWAYS, Fraction, Meaning, NonNegative, Part, Positive

__all__ = ["Adwin", "Detector", "Drift", "PageHinkley"]


class Adwin(Part, frozen=True, tag="adwin"):
    """Drift detector: a window that ends where its mean has changed (Bifet and Gavalda 2007).

    `delta` is the probability of a false detection at each look.
    """

    delta: Fraction = 0.002


class PageHinkley(Part, frozen=True, tag="page_hinkley"):
    """Drift detector: a sum of deviations from the mean beyond `delta` (Page 1954).

    It is faded by `alpha` at each step, and a drift where it moves by `threshold` from its extreme.
    """

    meaning: ClassVar[Meaning] = {"delta": ALWAYS, "alpha": ALWAYS}

    delta: NonNegative = 0.05
    threshold: Positive = 10.0
    alpha: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.9999


class Drift(Part, frozen=True, tag="drift"):
    """What watches the standardised loss for a change to the worse, and what is done when it comes."""

    detectors: tuple[Adwin | PageHinkley, ...] = (Adwin(),)
    reactions: tuple[Literal["rate", "scaler", "forget", "challenger"], ...] = ("rate", "forget")


Detector = Adwin | PageHinkley
