"""Heads: what the outputs of the network say of a target, and by which loss they are trained."""

from typing import Annotated, ClassVar

from msgspec import Meta

from streamrnn.spec.part import ALWAYS, Fraction, Meaning, Part

__all__ = ["Binary", "Gaussian", "Head", "Quantile", "Student"]


class Gaussian(Part, frozen=True, tag="gaussian"):
    """Mean and log standard deviation per target and horizon, trained by likelihood."""


class Student(Part, frozen=True, tag="student"):
    """Location and log scale of a Student-t with `dof` degrees of freedom, by likelihood: robust to outliers."""

    meaning: ClassVar[Meaning] = {"dof": 4.0}

    dof: Annotated[float, Meta(gt=0.0, le=1000.0)] = 4.0


class Quantile(Part, frozen=True, tag="quantile"):
    """Quantiles at `levels`, which cannot cross, by pinball loss; the forecast is the median."""

    meaning: ClassVar[Meaning] = {"levels": ALWAYS}

    levels: Annotated[tuple[Fraction, ...], Meta(min_length=1, max_length=15)] = (0.05, 0.25, 0.5, 0.75, 0.95)


class Binary(Part, frozen=True, tag="binary"):
    """Probability that the label, 0 or 1, is 1; by likelihood. Task "label" alone."""


Head = Gaussian | Student | Quantile | Binary
