"""Makes batches and feeds them to an engine."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.program import Program
from streamrnn.messages import Batch, Outcomes
from tests.columns import COLUMNS

START = 1_700_000_000.0
STEP = 60.0  # seconds between observations unless a test says otherwise


def batch(names: Sequence[str], values: Any, **columns: Any) -> Batch:
    """Single observations, one a name; columns time, label, ident, seq and bits where a test needs them."""
    n = len(names)
    given = np.array(values, np.float64).reshape(n, -1 if n else 1)
    defaults: dict[str, Any] = {
        "time": START + STEP * np.arange(n),
        "label": np.full(n, np.nan),
        "ident": np.zeros(n, np.int64),
        "seq": np.full(n, -1, np.int64),
        "bits": np.zeros(n, np.int64),
    }
    kinds = {name: value.dtype for name, value in defaults.items()}
    filled = {name: np.asarray(columns.get(name, value), kinds[name]) for name, value in defaults.items()}
    return Batch(list(names), np.ones(n, np.int64), [False] * n, values=given, **filled)


def step(engine: Engine, messages: Batch) -> Outcomes:
    """Admit and observe."""
    return engine.step(messages, engine.admit(messages.names))


def feed(engine: Engine, values: Any, name: str = "a", **columns: Any) -> Outcomes:
    """A series of one stream in one batch."""
    return step(engine, batch([name] * len(values), values, **columns))


def part(messages: Batch, start: int, end: int) -> Batch:
    """Observations start..end-1 of a batch of single ones."""
    columns = {name: getattr(messages, name)[start:end] for name in ("time", "values", "label", "ident", "seq", "bits")}
    lengths = messages.lengths[start:end]
    return replace(
        messages, names=messages.names[start:end], lengths=lengths, columnar=[False] * len(lengths), **columns
    )


def join(outcomes: Sequence[Outcomes]) -> Outcomes:
    """Outcomes of batches one after the other."""
    ints, reals = (np.concatenate([getattr(o, name) for o in outcomes]) for name in ("ints", "reals"))
    return replace(outcomes[0], ints=ints, reals=reals)


def pick(outcomes: Outcomes, rows: Any) -> Outcomes:
    """Some of the outcomes."""
    return replace(outcomes, ints=outcomes.ints[rows], reals=outcomes.reals[rows])


def same(one: Outcomes, other: Outcomes, but: Sequence[str] = ("row",)) -> None:
    """Bit for bit, and named where they are not; the row is the bank's affair."""
    for name in COLUMNS:
        if name not in but:
            a, b = np.ascontiguousarray(getattr(one, name)), np.ascontiguousarray(getattr(other, name))
            assert a.tobytes() == b.tobytes(), f"{name}: first difference at {_first(a, b)}"


def _first(a: NDArray[Any], b: NDArray[Any]) -> Any:
    differ = ~((a == b) | ((a != a) & (b != b)))
    return np.argwhere(differ)[:1].tolist() or "the bits of NaN or 0"


def has(outcomes: Outcomes, bit: int) -> NDArray[np.bool_]:
    """Which outcomes carry a bit."""
    return (outcomes.bits & bit) != 0


def weights(engine: Engine, name: str = "a") -> NDArray[Any]:
    """A stream's network parameters, writable where they stand; "" is the pool's."""
    p, bank = engine._plan.table.ints, engine._bank
    row = 0 if p[Program.POOLED] else bank.find(name)
    start = int(row * p[Program.WIDTH_LEARNED] + p[Program.PARAMS])
    return bank.planes.learned[start : start + p[Program.PARAMS_LENGTH]]


def real(engine: Engine, place: int, length: int, name: str = "a") -> NDArray[np.float64]:
    """Numbers of a stream's f64 row from a place in the plan on."""
    p, bank = engine._plan.table.ints, engine._bank
    start = int(bank.find(name) * p[Program.WIDTH_F64] + p[place])
    return bank.planes.f64[start : start + length]


def count(engine: Engine, place: int, name: str = "a") -> int:
    """A number of a stream's i64 row at a place in the plan."""
    p, bank = engine._plan.table.ints, engine._bank
    return int(bank.planes.i64[bank.find(name) * p[Program.WIDTH_I64] + p[Program.BASE_I64] + p[place]])


def tiny(**changes: Any) -> spec.Model:
    """A small model of one feature that scores early."""
    fields: dict[str, Any] = {
        "features": ("x",),
        "layers": (spec.Elman(4),),
        "experts": (spec.Last(),),
        "rule": spec.Tbptt(4, 2),
        "monitors": (spec.Conformal(), spec.Anomaly(warmup=20)),
    }
    return spec.Model(**{**fields, **changes})


def finite(outcomes: Outcomes) -> bool:
    """Every forecast is a number."""
    return bool(np.isfinite(outcomes.forecast[..., 0]).all())
