"""Benchmarks: what the engine reaches on tasks that others have published figures for. Not collected by pytest.

Rules
- One command each: `python -m tests.benchmarks.NAME`, which runs the module's `main()`; the module's docstring says the
  task, the protocol, where its reference figures come from, and is the command's help.
- `--data DIRECTORY` where the recorded data lie (default: `../shared/data/...`; without them the command stops with one
  sentence), `--json FILE` writes every figure, `--seeds N` and `--steps N` where there is chance, and a length.
- Rows are named `task.variant.measure` in lower case, with the unit beside the value; the machine stands in the file.
- Everything goes through `Engine.step`, as in service: test, then train; nothing per file, nothing seen twice.
- A goal stands beside the figure and is never asserted here.
"""
