"""Floor 1: from a spec to a plan. Plain Python; here and nowhere else is decided what is where in a row.

layout.py   widths, offsets and names of all slices of a row
plan.py     the tables of parts, defaults of the presets, refusal of impossible combinations, the plan the kernels run
init.py     the first content of a row, seeded by (seed, stream): the order of arrival does not matter

A slice's name says everything its meaning depends on, so that a stored row can be taken over slice by slice when the
spec has changed: equal name, equal meaning. Rejected: a version number per spec, which keeps all or nothing.
"""
