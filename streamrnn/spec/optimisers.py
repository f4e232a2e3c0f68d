"""Optimisers, with what they share: limits on an update and the schedule of the learning rate."""

from typing import Annotated, Literal

from msgspec import Meta

from streamrnn.spec.part import Fraction, NonNegative, Part, Positive

__all__ = ["Adam", "Descent", "Ekf", "Obgd", "Optimiser", "RmsProp", "Sgd"]


class Descent(Part, frozen=True, kw_only=True):
    """What all optimisers share: limits on the mean gradient and on a weight's move (0: none), and the rate's schedule.

    `period` counts updates: until "sqrt" sets in, or between two looks of "plateau".
    """

    clip: Positive = 1.0
    clip_value: NonNegative = 0.0
    cap: NonNegative = 0.0
    schedule: Literal["constant", "sqrt", "plateau"] = "constant"
    period: Annotated[int, Meta(ge=10, le=100_000)] = 500


class Adam(Descent, frozen=True, tag="adam"):
    """Adam (Kingma and Ba 2015) after clipping the gradient to norm `clip`; with `decay`, AdamW."""

    rate: Positive = 2e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    decay: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0


class RmsProp(Descent, frozen=True, tag="rmsprop"):
    """RMSProp (Tieleman and Hinton 2012) after clipping the gradient to norm `clip`."""

    rate: Positive = 1e-3
    decay: Fraction = 0.9


class Sgd(Descent, frozen=True, tag="sgd"):
    """Gradient descent with momentum after clipping the gradient to norm `clip`."""

    rate: Positive = 1e-2
    momentum: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.9


class Obgd(Descent, frozen=True, tag="obgd"):
    """Overshoot-bounded gradient descent (Elsayed et al. 2024), made for an update at every observation."""

    rate: Positive = 1.0
    kappa: Annotated[float, Meta(ge=1.0)] = 2.0


class Ekf(Part, frozen=True, kw_only=True, tag="ekf"):
    """Decoupled extended Kalman filter (Puskorius and Feldkamp 1994): second order, an update for every label.

    `weights` and `readout` are the first variances of a weight of the layers and of the readout, `noise` is added to
    every variance at a label, errors are cut at `clip` of their own deviations, and where squared errors are
    `threshold` times what the filter expects, each of them counting for at most 9, it doubts its weights again (0:
    never).
    """

    weights: Positive = 0.3
    readout: Positive = 10.0
    noise: NonNegative = 1e-7
    clip: Positive = 3.0
    threshold: NonNegative = 7.0


Optimiser = Adam | RmsProp | Sgd | Obgd | Ekf
