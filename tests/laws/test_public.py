"""The public face: a few names, each with a docstring and types, and an import that costs nothing."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import streamrnn

NAMES = {"Engine", "Model", "Producer", "Subscriber", "batch", "events", "load_config"}


def test_the_public_names_are_listed_and_have_docstrings() -> None:
    assert set(dir(streamrnn)) == NAMES == set(streamrnn.__all__)
    for name in NAMES:
        found = getattr(streamrnn, name)
        assert inspect.getdoc(found), name
        assert not inspect.isfunction(found) or all(inspect.get_annotations(found).values()), name


def test_an_import_loads_no_compiler() -> None:
    code = (
        "import sys, streamrnn; print([name for name in ('numba', 'zmq', 'numpy', 'msgspec') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'engine_of_doom'"):
        _ = streamrnn.engine_of_doom


def test_a_batch_of_numbers_has_a_row_an_observation() -> None:
    made = streamrnn.batch(["a", "b"], [[1.0, 2.0], [3.0, np.nan]], time=[0.0, 1.0], end=[False, True])
    assert (len(made), made.values.shape, made.bits.tolist()) == (2, (2, 2), [0, 1])
    with pytest.raises(ValueError, match="column"):
        streamrnn.batch(["a", "b"], [[1.0], [2.0]], time=[0.0])


def test_the_example_of_the_package_runs() -> None:
    engine = streamrnn.Engine(streamrnn.Model(features=("flow",), preset="light"), capacity=1)
    seen = streamrnn.batch(["pump-1"] * 3, [[1.0], [2.0], [3.0]], time=[0.0, 60.0, 120.0])
    assert len(engine.step(seen, engine.admit(seen.names)).time) == 3


def test_the_map_of_the_code_has_no_dead_link() -> None:
    page = Path(streamrnn.__file__).parent / "README.md"
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []
