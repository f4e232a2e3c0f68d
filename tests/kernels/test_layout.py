"""The records of kernels/core: every field has a meaning, no name is bare, and Numba takes a field for a constant."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

from streamrnn import kernels
from streamrnn.kernels.core import layout, outcomes, program
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Count, EventCount, Tail
from streamrnn.kernels.core.record import Record, many

RECORDS = [
    (module, name)
    for module in (program, layout, outcomes)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, Record) and found is not Record
]


class Example(Record):
    FIRST: int
    RING: int = many(3)
    BEHIND: int = many(0)
    LENGTH = 7


class Longer(Example):
    MORE: int


@jit
def fields(x):
    return x[Example.RING] + x[Longer.MORE], Longer.WIDTH


def test_fields_are_numbered_in_their_order() -> None:
    assert (Example.FIRST, Example.RING, Example.BEHIND, Example.WIDTH, Example.LENGTH) == (0, 1, 4, 4, 7)
    assert (Longer.RING, Longer.MORE, Longer.WIDTH) == (1, 4, 5)
    assert (Clock.RING, Clock.WIDTH, Clock.INTERVALS) == (4, 19, 15)
    assert EventCount.IN_SESSION == Count.WIDTH
    assert (Tail.ENVELOPE - Tail.HISTOGRAM, Tail.WIDTH - Tail.ENVELOPE) == (Tail.BINS, 2 * Tail.HOURS)


def test_compiled_code_takes_them_for_constants() -> None:
    assert fields(np.arange(5.0)) == (5.0, 5)


def test_a_name_of_a_record_stands_for_one_record() -> None:
    names = [name for module, name in RECORDS if getattr(module, name).__module__ == module.__name__]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("module", "name"), RECORDS)
def test_every_field_has_a_place_of_its_own(module: object, name: str) -> None:
    record = getattr(module, name)
    own = inspect.get_annotations(record)
    places = [getattr(record, field) for field in own]
    assert places == sorted(places)
    if module is not outcomes:
        assert not [field for field in own for base in record.__bases__ if hasattr(base, field)]


@pytest.mark.parametrize("path", sorted(Path(kernels.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_no_kernel_imports_places_without_their_record(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == f"{kernels.__name__}.core":
            assert not {name.name for name in node.names} & {"program", "layout", "outcomes"}, path
