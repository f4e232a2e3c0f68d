"""Observations out of order: each stream's own function of time, whatever the batches, streams and restarts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from streamrnn.engine.reorder import MOST, Reorder
from streamrnn.kernels.step.door import MOST_LATE
from streamrnn.messages import END, Batch
from tests.columns import batch_of

NAMES = ("a", "b")


def told(batch: Batch) -> list[tuple[str, float]]:
    names = np.repeat(np.array(batch.names, object), batch.lengths)
    return list(zip(names.tolist(), batch.time.tolist(), strict=True))


def take(order: Reorder, times: list[tuple[str, float]], size: int = 1, bits: int = 0) -> list[tuple[str, float]]:
    """What is let go when these come in batches of a size."""
    out: list[tuple[str, float]] = []
    for start in range(0, len(times), size):
        part = times[start : start + size]
        batch = batch_of(part, bits)
        got, lsns = order.pass_on(batch, list(range(len(part))))
        assert len(lsns) == len(got.names) == len(got.columnar) == len(got.lengths)
        assert int(got.lengths.sum()) == len(got)
        out += told(got)
    return out


def one(order: Reorder, *times: float) -> list[float]:
    return [time for _, time in take(order, [("a", time) for time in times])]


def test_what_is_younger_waits_for_what_is_older() -> None:
    order = Reorder(5.0)
    assert one(order, 10.0, 12.0, 11.0, 9.0) == []
    assert order.held == 4
    assert one(order, 16.0) == [9.0, 10.0, 11.0]
    assert one(order, 17.0) == [12.0]
    assert order.held == 2


def test_equal_times_keep_the_order_in_which_they_came() -> None:
    order = Reorder(1.0)
    batch = batch_of([("a", 1.0)] * 3 + [("a", 9.0)])
    batch.values[:, 0] = [7.0, 8.0, 9.0, 0.0]
    assert order.pass_on(batch, [1, 2, 3, 4])[0].values[:, 0].tolist() == [7.0, 8.0, 9.0]


def test_what_is_too_late_goes_straight_on_and_moves_nothing() -> None:
    order = Reorder(2.0)
    assert one(order, 10.0, 12.0, 9.0, 11.0) == [10.0, 9.0]
    assert one(order, 14.0) == [11.0, 12.0]


def test_a_clock_that_was_set_back_is_followed() -> None:
    order = Reorder(2.0)
    one(order, *(1000.0 + k for k in range(10)))
    back = [10.0 + k for k in range(MOST_LATE + 1)]
    assert one(order, *back) == back
    last = back[-1]
    assert one(order, last + 2.0, last + 1.0, last + 3.5) == [last + 1.0]


def test_a_time_from_the_future_holds_up_nothing() -> None:
    order = Reorder(2.0)
    assert one(order, 10.0, 11.0, 1e9) == [10.0, 11.0]
    assert one(order, 12.0, 13.0) == [12.0, 13.0]


def test_no_stream_holds_more_than_its_bound() -> None:
    order = Reorder(1e9)
    times = [float(k) for k in range(MOST + 10)]
    assert one(order, *times) == times[:10]
    assert order.held == MOST


def test_an_end_lets_go_all_that_is_not_younger() -> None:
    order = Reorder(100.0)
    assert one(order, 3.0, 1.0, 8.0) == []
    assert take(order, [("a", 5.0)], bits=END) == [("a", 1.0), ("a", 3.0), ("a", 5.0)]
    assert order.held == 1


def test_columns_are_let_go_as_columns_and_singles_as_singles() -> None:
    order = Reorder(1.0)
    batch = batch_of([("a", 1.0), ("a", 2.0), ("a", 3.0), ("b", 5.0), ("b", 9.0)], columns=True)
    got, lsns = order.pass_on(batch, [7, 8])
    assert (got.names, got.lengths.tolist(), got.columnar, lsns) == (["a", "b"], [2, 1], [True, True], [7, 8])
    got, lsns = order.pass_on(batch_of([("a", 10.0)]), [9])
    assert (got.names, got.lengths.tolist(), got.columnar, lsns) == (["a"], [1], [False], [9])
    got, lsns = order.pass_on(batch_of([("a", 30.0)]), [10])
    assert told(got) == [("a", 10.0)]


def test_everything_about_an_observation_comes_through() -> None:
    order = Reorder(1.0)
    batch = batch_of([("a", 5.0), ("a", 4.0), ("a", 9.0)])
    batch.values[:] = [[1.0], [np.nan], [3.0]]
    batch.seq[:], batch.ident[:] = [2, 1, 3], [22, 11, 33]
    batch.ids.update({0: "two", 1: "one"})
    got, _ = order.pass_on(batch, [1, 2, 3])
    assert got.seq.tolist() == [1, 2]
    assert got.ident.tolist() == [11, 22]
    assert got.ids == {0: "one", 1: "two"}
    assert np.array_equal(got.values, [[np.nan], [1.0]], equal_nan=True)


def test_without_lateness_nothing_is_touched() -> None:
    order = Reorder(0.0)
    batch = batch_of([("a", 5.0), ("a", 4.0)])
    assert order.pass_on(batch, [1, 2])[0] is batch
    assert not order.active


def test_when_it_is_switched_off_what_is_held_goes_with_the_next_message() -> None:
    order = Reorder(10.0)
    one(order, 5.0, 4.0)
    order.lateness = 0.0
    assert one(order, 6.0) == [4.0, 5.0, 6.0]


def test_a_forgotten_stream_leaves_nothing() -> None:
    order = Reorder(10.0)
    one(order, 5.0, 4.0)
    order.forget("a")
    assert (order.held, order.export("a")) == (0, b"")


@settings(max_examples=200, deadline=None)
@given(
    times=some.lists(some.tuples(some.sampled_from(NAMES), some.integers(0, 60).map(float)), max_size=80),
    lateness=some.integers(1, 20).map(float),
    size=some.integers(1, 9),
    stop=some.integers(0, 80),
)
def test_a_stream_is_a_function_of_its_own_messages_alone(
    times: list[tuple[str, float]], lateness: float, size: int, stop: int
) -> None:
    """Not of batches, of other streams, nor of being stored and put back at any moment."""
    whole = take(Reorder(lateness), times)
    assert len(whole) <= len(times)
    for name in NAMES:
        alone = take(Reorder(lateness), [pair for pair in times if pair[0] == name])
        assert alone == [pair for pair in whole if pair[0] == name]
        batched = take(Reorder(lateness), times, size)
        assert alone == [pair for pair in batched if pair[0] == name]
    before, after = Reorder(lateness), Reorder(lateness)
    out = take(before, times[:stop])
    for name in NAMES:
        after.restore(name, before.export(name))
    assert after.held == before.held
    assert out + take(after, times[stop:]) == whole


@given(times=some.lists(some.integers(0, 50).map(float), max_size=60), lateness=some.integers(1, 20).map(float))
def test_what_is_within_the_lateness_comes_in_order_and_nothing_is_lost(times: list[float], lateness: float) -> None:
    order = Reorder(lateness)
    newest, kept = -1.0, []
    for time in times:  # only what is never too late
        newest = max(newest, time)
        if time > newest - lateness:
            kept.append(time)
    out = one(order, *kept)
    assert out == sorted(out)
    assert len(out) + order.held == len(kept)


@pytest.mark.parametrize("lateness", [3.0, 30.0])
def test_the_counts_are_right(lateness: float) -> None:
    order = Reorder(lateness)
    one(order, 10.0, 12.0, 11.0, 13.0, 12.5)
    assert order.reordered == 2
