"""What `check` says of memory is what the machine will see."""

import subprocess
import sys
from pathlib import Path

import pytest

STREAMS, ROUNDS = 4000, 90  # so many that the tape has been filled
PROGRAM = f"""
import os
import numpy as np
from streamrnn import spec
from streamrnn.cli.check import memory
from streamrnn.engine.engine import Engine
from streamrnn.model.plan import compose
from tests.engine.feed import START, batch

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

model = spec.Model(features=("x",), preset="light")
names = [f"stream-{{number}}" for number in range({STREAMS})]
rows, values = np.arange({STREAMS}), np.random.default_rng(0).normal(0, 1, {STREAMS})
engine = Engine(model, {STREAMS})
made = [batch(names, values, time=np.full({STREAMS}, START + 60.0 * i)) for i in range({ROUNDS})]
before = resident()
engine.admit(names)
for each in made:
    engine.step(each, rows)
print((resident() - before) / memory(compose(model), {STREAMS})["total_bytes"])
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_what_is_resident_is_what_was_stated() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert float(run.stdout) == pytest.approx(1.0, abs=0.05)
