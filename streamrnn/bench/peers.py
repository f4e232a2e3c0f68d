"""Other learners at the same job as ours, for `bench engine --against`: one stream, one pass, GRU(9 -> 32), window 16,
one thread each. They are no dependency: install them in a virtual environment of their own.

torch         PyTorch's eager mode: GRUCell, a linear readout of mean and log deviation, Gaussian likelihood, gradient
              over the last 16 rows, clipping to norm 1, Adam; an update every `stride` observations
deep-river    its RollingRegressor around a torch GRU of 32 units over a window of 16: an update at every observation
"""

import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from streamrnn.errors import ConfigError
from streamrnn.evaluation.figures import Figure, figure

INPUTS, UNITS, WINDOW = 9, 32, 16
ROUNDS = 5  # in which ours and theirs take turns
SETUP = (
    "python3 -m venv peers && peers/bin/pip install . torch deep-river pytest && peers/bin/streamrnn bench engine ..."
)


def against(name: str, ours: Callable[[int], float], seconds: float) -> list[Figure]:
    """The peer's microseconds an observation and how many times ours; `ours(stride)` measures ours, in seconds."""
    made = {"torch": _torch, "deep-river": _deep_river}.get(name)
    if made is None:
        raise ConfigError(f"--against {name!r} is not known", "torch or deep-river")
    try:
        jobs = made()
    except ImportError as error:
        raise ConfigError(f"--against {name}: {error}", SETUP) from None
    rows = []
    for stride, job in jobs.items():
        theirs, ratios = [], []
        for _ in range(ROUNDS):
            own = ours(stride)
            theirs.append(_each(job, seconds))
            ratios.append(theirs[-1] / own)
        cell = f"{name.replace('-', '_')}.gru{UNITS}.stride{stride}"
        rows += [
            figure(f"{cell}.us", 1e6 * statistics.median(theirs), "us"),
            figure(f"{cell}.ratio", statistics.median(ratios), "1"),
        ]
    return rows


def _each(job: Callable[[int], None], seconds: float) -> float:
    """Seconds an observation: the median of chunks of a stride's length."""
    spent: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(spent) < 8:
        begin = time.perf_counter()
        job(WINDOW)
        spent.append((time.perf_counter() - begin) / WINDOW)
    return statistics.median(spent[len(spent) // 4 :])


def _inputs(number: int) -> Any:
    return np.sin(number / 7 + np.arange(INPUTS)).astype(np.float32)


def _torch() -> dict[int, Callable[[int], None]]:
    import torch

    torch.set_num_threads(1)
    return {stride: _torch_job(torch, stride) for stride in (16, 1)}


def _torch_job(torch: Any, stride: int) -> Callable[[int], None]:
    """Every row is predicted once with the state carried; at an update the window is run again and back-propagated."""
    cell, readout = torch.nn.GRUCell(INPUTS, UNITS), torch.nn.Linear(UNITS, 2)
    weights = [*cell.parameters(), *readout.parameters()]
    adam = torch.optim.Adam(weights, lr=2e-3)
    states: deque[Any] = deque([torch.zeros(1, UNITS)], WINDOW + 1)
    rows: deque[Any] = deque(maxlen=WINDOW)
    count = 0

    def observe(many: int) -> None:
        nonlocal count
        for _ in range(many):
            x, y = torch.from_numpy(_inputs(count))[None], math.sin(count / 7 + 0.5)
            count += 1
            rows.append((x, y))
            if count % stride == 0:
                learn()
            with torch.no_grad():
                states.append(cell(x, states[-1]))
                readout(states[-1])

    def learn() -> None:
        h = states[max(0, len(states) - len(rows))]
        loss: Any = 0.0
        for place, (x, y) in enumerate(rows):
            h = cell(x, h)
            if place >= len(rows) - stride:
                mean, log = readout(h)[0]
                loss = loss + log + 0.5 * ((y - mean) * torch.exp(-log)) ** 2
        adam.zero_grad(set_to_none=True)
        (loss / stride).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()

    return observe


def _deep_river() -> dict[int, Callable[[int], None]]:
    import torch
    from deep_river.regression import RollingRegressor

    torch.set_num_threads(1)

    class Net(torch.nn.Module):  # type: ignore[misc] # torch is not installed where this is checked
        def __init__(self, n_features: int = INPUTS) -> None:
            super().__init__()
            self.gru = torch.nn.GRU(n_features, UNITS)
            self.readout = torch.nn.Linear(UNITS, 1)

        def forward(self, x: Any) -> Any:
            out, _ = self.gru(x)
            return self.readout(out[-1])

    model = RollingRegressor(
        module=Net(), loss_fn="mse", optimizer_fn="adam", lr=2e-3, window_size=WINDOW, append_predict=False
    )
    count = 0

    def observe(many: int) -> None:
        nonlocal count
        for _ in range(many):
            row = {f"x{place}": float(value) for place, value in enumerate(_inputs(count))}
            model.predict_one(row)
            model.learn_one(row, math.sin(count / 7 + 0.5))
            count += 1

    return {1: observe}
