"""Canaries behind every section of the scratch that engines of tests work in, and behind their outcomes: pointers are
not checked."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from streamrnn.engine.tasks import TASKS
from streamrnn.model import room

SPARE = 16
CANARY = -123456.0


def guarded(scratch: Callable[[Any, str], Any], made: list[Any]) -> Callable[[Any, str], Any]:
    """The scratch with canaries in what the plan has to spare."""

    def make(plan: Any, dtype: str) -> Any:
        arrays = scratch(plan, dtype)
        for array, sections in zip(arrays, plan.scratch, strict=True):
            spare = np.concatenate([np.arange(end, end + room.SPARE) for end in sections.ends])
            array[spare] = CANARY
            made.append((array, spare))
        return arrays

    return make


def walled(room: Callable[[Any, int], Any], made: list[Any]) -> Callable[[Any, int], Any]:
    """Outcomes with a row of canaries behind the last one."""

    def make(plan: Any, n: int) -> Any:
        told = room(plan, n + 1)
        for array in (told.ints, told.reals):
            array[n] = CANARY
            made.append((array, n))
        return replace(told, ints=told.ints[:n], reals=told.reals[:n])

    return make


@pytest.fixture(autouse=True)
def canaries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing writes behind a section of the scratch, or behind the outcomes."""
    made: list[Any] = []
    monkeypatch.setattr(room, "SPARE", SPARE)
    for name, task in TASKS.items():
        monkeypatch.setitem(
            TASKS, name, task._replace(scratch=guarded(task.scratch, made), room=walled(task.room, made))
        )
    yield
    for array, spare in made:
        assert (array[spare] == CANARY).all(), "a kernel writes behind its room"
