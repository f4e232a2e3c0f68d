"""Floor 1: from a spec to a plan. Plain Python; here and nowhere else is decided what is where in a row.

parts.py        the tables of parts: a new expert, head, monitor or optimiser is one entry
layers.py       the table of layers, with their sizes
weights.py      their first weights
plan.py         the plan of a numeric model, put together from
presets.py      parts of a model that names none of its own
sizes.py        the spec with its defaults filled in, and the sizes that follow
offsets.py      where everything of a row stands
settings.py     settings as the numbers that kernels read
event_plan.py   the same for task "events"
event_refuse.py  what such a model cannot be
refuse.py       combinations that cannot be
history.py      what the experts of a target share: its last values, the regressors of the linear ones
traces.py       what the rules that learn forward in time need
covariances.py  what the filter needs of a row: groups of weights, their covariances
covariates.py   what is known of features, and what comes beside an observation
room.py         the sections of the scratch
layout.py       widths and offsets of slices, their axes
names.py        what slices and their labels are called; begin here to give a new part's state a name
slices.py       the slices that stand inside one another
transfer.py     a stored row as a row of today's plan
loss.py         what a stored row would lose under today's plan
newcomers.py    what joins a row that has learned
former.py       the names of version 0.1.0
initial.py      the first content of a row, seeded by (seed, stream): the order of arrival does not matter
event_initial.py  the same for task "events"
prior.py        what a trained stream gives new ones

A slice's name says everything its meaning depends on, so that a stored row can be taken over slice by slice when the
spec has changed: equal name, equal meaning; inside a slice label by label, so that a model with one more expert,
horizon or feature keeps what it has learned of the others. Names rest on identities (`spec.part`). Rejected: a version
number per spec, which keeps all or nothing; names made of the text of Structs, which every new setting changes.
"""
