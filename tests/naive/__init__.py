"""Naive twins: every kernel again in plain float64 Python, slow and without cleverness, straight from its equations.

Rules
- Nothing of ours is imported but the vocabulary (`spec`) and named settings.
- Arguments mean what they mean in the kernel; a twin returns what the kernel writes.
- Settings that are found by trial (how fast is forgotten, where is clipped) are read from the kernel when it names
  them: the twin checks what is done with them.
- tanh and sigmoid are the true ones: twin and kernel differ by the rational approximation, about 1e-7.

The tables at the end of `cells`, `experts`, `optim` and `heads` name the twin of every part by its spec; the
contract tests look parts up there and fail when one has none.
"""
