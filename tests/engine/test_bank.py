"""Rows: who gets one, what it takes, and how it is stored and put back."""

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError, SnapshotError
from streamrnn.model.layout import Layout, Plane, axes, numbers, plain
from streamrnn.model.transfer import indices
from tests.engine.feed import START, STEP, batch, feed, finite, same, step, tiny, weights


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(10, 2, n)


def test_a_full_bank_says_so() -> None:
    engine = Engine(tiny(), 2)
    assert engine.admit(["a", "b", "c", "a", "c"]).tolist() == [0, 1, -1, 0, -1]
    assert engine.names == ["a", "b"]
    assert engine.outlook("c") is None


@pytest.mark.parametrize("changes", [{}, {"weights": "pooled"}, {"features": ("x", "y"), "horizons": (1, 24)}])
def test_memory_is_stated_before_use(changes: dict[str, object]) -> None:
    engine = Engine(tiny(**changes), 7)
    planes = engine._bank.planes
    own = planes.f32.nbytes + planes.f64.nbytes + planes.i64.nbytes
    assert engine.bytes_per_stream * 7 == own
    pool = planes.learned.nbytes + planes.counts.nbytes if "weights" in changes else 0
    assert engine.bytes_total == own + pool + sum(part.nbytes for scratch in engine._scratch for part in scratch)
    engine.admit(["a"])
    assert len(engine.export("a")) == engine.bytes_per_stream


def test_first_weights_depend_on_seed_and_name_alone() -> None:
    one, two, other = Engine(tiny(), 3), Engine(tiny(), 3), Engine(tiny(seed=2), 3)
    one.admit(["a", "b", "c"])
    two.admit(["c", "b"])
    other.admit(["a"])
    assert one.export("b") == two.export("b")
    assert one.export("c") == two.export("c")
    assert one.export("a") != one.export("b")
    assert (weights(one, "a") != weights(other, "a")).any()


def test_changed_streams_are_taken_once() -> None:
    engine = Engine(tiny(), 4)
    step(engine, batch(["a", "b", "c", "a"], noise(4)))
    taken = engine.take_dirty(2)
    assert len(taken) == 2
    assert sorted(taken + engine.take_dirty(5)) == ["a", "b", "c"]
    assert engine.take_dirty(5) == []
    feed(engine, noise(1), name="b", time=[START + 10 * STEP])
    assert engine.take_dirty(5) == ["b"]


def test_looking_does_not_make_a_stream_dirty() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(5))
    engine.take_dirty(1)
    engine.outlook("a")
    engine.health()
    engine.export("a")
    assert engine.take_dirty(1) == []


CHANGES = {
    "another layer": (
        {"layers": (spec.Gru(6),)},
        {"params", "good", "tape"},
        {"clock", "scale", "spread", "mix", "watch"},
    ),
    "another optimiser": ({"optimiser": spec.Sgd()}, {"optimiser"}, {"params", "good", "clock", "mix", "spread"}),
    "another horizon": (
        {"horizons": (2,)},
        {"params", "mix", "spread", "pending"},
        {"clock", "scale", "target", "watch"},
    ),
    "one more horizon": ({"horizons": (1, 2)}, set(), {"clock", "mix", "spread", "pending", "good", "optimiser"}),
    "another window": ({"rule": spec.Tbptt(8, 4)}, {"tape"}, {"params", "optimiser", "mix", "spread"}),
    "one more feature": ({"features": ("x", "y"), "targets": ("x",)}, set(), {"clock", "mix", "scale", "good"}),
}


@pytest.mark.parametrize(("changes", "gone", "kept"), CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_spec_keeps_what_still_means_the_same(
    changes: dict[str, object], gone: set[str], kept: set[str]
) -> None:
    before, after = Engine(tiny(), 1), Engine(tiny(**changes), 1)
    feed(before, noise(100))
    dropped = after.restore("a", before.export("a"), before.layout)
    titles = {name.split(".", 1)[1].split(" ")[0] for name in dropped}
    assert gone <= titles
    assert not kept & titles
    assert before.layout.keys() - after.layout.keys() <= set(dropped)
    if "params" in kept:
        assert (weights(after) == weights(before)).all()
    width = len(after.model.features)
    told = feed(after, np.tile(noise(50, 1)[:, None], width), time=START + STEP * np.arange(100, 150))
    assert finite(told)
    assert told.seq[0] == 101
    assert told.interval[0] == STEP
    assert np.isfinite(weights(after)).all()


KINDS = {"f32": np.float32, "f64": np.float64, "i64": np.int64}
Slices = dict[str, np.ndarray]


def slices(blob: bytes, layout: Layout) -> Slices:
    """A stored row, taken apart."""
    found, start = {}, 0
    for plane, kind in KINDS.items():
        width, size = layout[f"width.{plane}"]
        row = np.frombuffer(blob[start : start + width * size], kind)
        start += width * size
        found |= {name: row[indices(place)].ravel() for name, place in layout.items() if name.startswith(f"{plane}.")}
    return found


def laid_out(row: Slices, like: Layout) -> tuple[bytes, Layout]:
    """A row as a version with these slices would have stored it: each with its axes, where it has as many numbers."""
    blob, layout = b"", Layout()
    for each, kind in KINDS.items():
        plane = Plane(each)
        names = [name for name in row if name.startswith(f"{each}.")]
        for name in names:
            inner = [axis for _, axis in axes(like[name])] if name in like else []
            fits = inner and numbers(inner) == len(row[name])
            plane.record(name.removeprefix(f"{each}."), *(inner if fits else [plain(len(row[name]))]))
        layout |= {**plane.slices, f"width.{each}": [plane.width, np.dtype(kind).itemsize]}
        blob += b"".join(row[name].astype(kind).tobytes() for name in names)
    return blob, layout


OTHER_VERSIONS = {
    "it did not have one": lambda row, name: {each: row[each] for each in row if each != name},
    "it had one more": lambda row, name: {f"{name[:4]}old": np.full(7, 3), **row},
    "one was longer": lambda row, name: {**row, name: np.append(row[name], 3)},
    "one was shorter": lambda row, name: {**row, name: row[name][:-1]},
    "another order": lambda row, name: dict(reversed(row.items())),
}


@pytest.mark.parametrize("plane", KINDS)
@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_a_row_of_a_version_with_another_layout_keeps_what_fits(version: str, plane: str) -> None:
    """What is lost is the longest slice of a plane, where the other version had none or a different one."""
    before, after, fresh = Engine(tiny(), 1), Engine(tiny(), 1), Engine(tiny(), 1)
    feed(before, noise(100))
    fresh.admit(["a"])
    row, first = (slices(engine.export("a"), engine.layout) for engine in (before, fresh))
    name = max((name for name in row if name.startswith(f"{plane}.")), key=lambda name: len(row[name]))
    other = OTHER_VERSIONS[version](row, name)
    dropped = after.restore("a", *laid_out(other, before.layout))
    lost = {each for each in row if each not in other or len(other[each]) != len(row[each])}
    assert set(dropped) == (lost | (other.keys() - row.keys())) & other.keys()
    restored = slices(after.export("a"), after.layout)
    for each, kept in restored.items():
        np.testing.assert_array_equal(kept, first[each] if each in lost else row[each])
    told, wanted = (feed(each, noise(50, 1), time=START + STEP * np.arange(100, 150)) for each in (after, before))
    assert finite(told)
    if not lost:
        same(told, wanted)


def test_restoring_into_a_full_bank_is_refused() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(5))
    with pytest.raises(SnapshotError, match="no room"):
        engine.restore("b", engine.export("a"), engine.layout)


def test_a_row_cut_short_is_refused() -> None:
    engine, other = Engine(tiny(), 1), Engine(tiny(), 1)
    feed(engine, noise(5))
    with pytest.raises(SnapshotError):
        other.restore("a", engine.export("a")[:-8], engine.layout)


def test_a_row_of_another_precision_is_refused() -> None:
    engine, other = Engine(tiny(), 1), Engine(tiny(), 1, "float64")
    feed(other, noise(5))
    with pytest.raises(SnapshotError):
        engine.restore("a", other.export("a"), other.layout)


def test_a_restored_stream_tells_its_last_outcome_again() -> None:
    engine, other = Engine(tiny(), 1), Engine(tiny(), 1)
    feed(engine, noise(50))
    assert other.restore("a", engine.export("a"), engine.layout) == []
    one, two = engine.outlook("a"), other.outlook("a")
    assert one is not None
    assert two is not None
    same(one, two)


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ()},
        {"features": ("x", "x")},
        {"targets": ("y",)},
        {"targets": ()},
        {"horizons": ()},
        {"horizons": (3, 1)},
        {"horizons": (1, 1)},
        {"layers": ()},
        {"experts": ()},
        {"task": "label", "horizons": (2,)},
        {"task": "label", "targets": ("x",)},
        {"task": "label", "experts": (spec.Seasonal(),)},
        {"monitors": (spec.Anomaly(), spec.Anomaly())},
        {"experts": (spec.Linear(lags=3), spec.Linear(lags=4))},
        {"seasons": ()},
        {"seasons": (7.0, 3.0)},
    ],
    ids=repr,
)
def test_what_cannot_be_is_refused_with_a_hint(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        Engine(tiny(**changes), 1)
    assert caught.value.hint


def test_an_empty_batch_has_no_outcomes() -> None:
    assert len(Engine(tiny(), 1).step(batch([], []), np.zeros(0, np.int64))) == 0


def test_a_forgotten_row_goes_to_the_next_name_without_a_trace() -> None:
    used, other = Engine(tiny(), 2), Engine(tiny(), 3)
    step(used, batch(["a", "b"] * 20, noise(40)))
    feed(other, noise(40)[1::2], name="b", time=START + STEP * np.arange(1, 40, 2))
    assert used.forget("a") == 0
    assert used.forget("a") is None
    assert (used.streams, used.names) == (1, ["", "b"])
    assert used.take_dirty(9) == ["b"]
    assert used.outlook("a") is None
    assert used.admit(["c", "d"]).tolist() == [0, -1]
    other.admit(["c"])
    for name in "bc":
        assert used.export(name) == other.export(name)
    for engine in (used, other):
        feed(engine, noise(30, 1), name="c")
    assert used.export("c") == other.export("c")


def test_a_stream_that_is_reset_is_as_it_was_before_its_first_observation() -> None:
    engine, fresh = Engine(tiny(), 2), Engine(tiny(), 2)
    step(engine, batch(["a", "b"] * 20, noise(40)))
    engine.take_dirty(9)
    assert engine.reset("b")
    assert not engine.reset("nobody")
    assert engine.take_dirty(9) == ["b"]
    fresh.admit(["b"])
    assert engine.export("b") == fresh.export("b")
