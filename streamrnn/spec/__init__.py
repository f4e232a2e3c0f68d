"""The vocabulary of a model: what an operator may write under `[model]`, as frozen tagged Structs.

    part.py         what every part is: settings, a kind, and a stable identity under which its state is stored
    model.py        the model itself, what is known of a feature, the symbols of events
    layers.py heads.py experts.py monitors.py drift.py optimisers.py rules.py

Every Struct here is plain data with a default that works. Whether a combination is possible is decided by
`model.sizes`, which refuses with a hint. A new part is one Struct here and one entry in the tables of `model.parts`;
what a new setting does to stored state is decided here too, see part.py.
"""

from streamrnn.spec.drift import Adwin, Detector, Drift, PageHinkley
from streamrnn.spec.experts import (
    INPUTS,
    Change,
    Context,
    Expert,
    Last,
    Level,
    Linear,
    Profile,
    Season,
    Seasonal,
    Smooth,
)
from streamrnn.spec.heads import Binary, Gaussian, Head, Quantile, Student
from streamrnn.spec.layers import (
    Attention,
    Conv,
    Dense,
    Dropout,
    Elman,
    Embedding,
    Gru,
    GruBefore,
    Layer,
    Lru,
    Lstm,
    Memory,
    Norm,
    Peephole,
)
from streamrnn.spec.model import Feature, Model, Name, Steps, Vocabulary, Window
from streamrnn.spec.monitors import Anomaly, Conformal, Flat, Hours, Mean, Monitor, Residual
from streamrnn.spec.optimisers import Adam, Descent, Ekf, Obgd, Optimiser, RmsProp, Sgd
from streamrnn.spec.part import ALWAYS, Part, kind
from streamrnn.spec.rules import Immediate, Rtrl, Rule, Snap1, Tbptt

__all__ = [
    "ALWAYS",
    "INPUTS",
    "Adam",
    "Adwin",
    "Anomaly",
    "Attention",
    "Binary",
    "Change",
    "Conformal",
    "Context",
    "Conv",
    "Dense",
    "Descent",
    "Detector",
    "Drift",
    "Dropout",
    "Ekf",
    "Elman",
    "Embedding",
    "Expert",
    "Feature",
    "Flat",
    "Gaussian",
    "Gru",
    "GruBefore",
    "Head",
    "Hours",
    "Immediate",
    "Last",
    "Layer",
    "Level",
    "Linear",
    "Lru",
    "Lstm",
    "Mean",
    "Memory",
    "Model",
    "Monitor",
    "Name",
    "Norm",
    "Obgd",
    "Optimiser",
    "PageHinkley",
    "Part",
    "Peephole",
    "Profile",
    "Quantile",
    "Residual",
    "RmsProp",
    "Rtrl",
    "Rule",
    "Season",
    "Seasonal",
    "Sgd",
    "Smooth",
    "Snap1",
    "Steps",
    "Student",
    "Tbptt",
    "Vocabulary",
    "Window",
    "kind",
]
