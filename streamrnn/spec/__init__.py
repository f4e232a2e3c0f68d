"""The vocabulary of a model: what an operator may write under `[model]`, as frozen tagged Structs.

    part.py         what every part is: settings, a kind, and a stable identity under which its state is stored
    model.py        the model itself, what is known of a feature, the symbols of events
    layers.py heads.py experts.py monitors.py drift.py optimisers.py rules.py

Every Struct here is plain data with a default that works. Whether a combination is possible is decided by
`model.sizes`, which refuses with a hint. A new part is one Struct here, named in its module's `__all__`, and one entry
in the tables of `model.parts` or `model.layers`; what a new setting does to stored state is decided here too, see
part.py.
"""

from streamrnn.spec import drift, experts, heads, layers, model, monitors, optimisers, part, rules
from streamrnn.spec.drift import *
from streamrnn.spec.experts import *
from streamrnn.spec.heads import *
from streamrnn.spec.layers import *
from streamrnn.spec.model import *
from streamrnn.spec.monitors import *
from streamrnn.spec.optimisers import *
from streamrnn.spec.part import *
from streamrnn.spec.rules import *

__all__ = (
    drift.__all__
    + experts.__all__
    + heads.__all__
    + layers.__all__
    + model.__all__
    + monitors.__all__
    + optimisers.__all__
    + part.__all__
    + rules.__all__
)
