"""Naive twins: every kernel again in plain float64 Python, slow and without cleverness, straight from its equations.

Rules
- Nothing of ours is imported but the places in a record (`kernels.table`) and the vocabulary (`spec`).
- Arguments mean what they mean in the kernel; a twin returns what the kernel writes.
- tanh and sigmoid are the true ones: twin and kernel differ by the rational approximation, about 1e-7.

The tables at the end of `cells`, `experts`, `optim` and `gaussian` name the twin of every part by its spec; the
contract tests look parts up there and fail when one has none.
"""
