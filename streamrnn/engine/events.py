"""Task "events" for the engine: the compiled step, the outcomes' room, how well events are predicted, generating.

`generate` goes on with a stream as its distributions say; what it moves on the way is put back.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from streamrnn import spec
from streamrnn.engine.bank import Bank
from streamrnn.engine.symbols import Symbols
from streamrnn.errors import ConfigError
from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.layout import Running
from streamrnn.kernels.core.outcomes import EventInt, EventReal
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.step import event_loop
from streamrnn.kernels.step import generate as sampling
from streamrnn.messages import WARMING, Batch, EventHealth, EventOutcomes, Floats, Ints
from streamrnn.model.event_plan import Plan


def scratch(plan: Plan, dtype: str) -> arrays.EventScratch:
    """Room to work in, for one thread."""
    f32, f64, own = plan.scratch
    return arrays.EventScratch(np.zeros(f32.width, dtype), np.zeros(f64.width), np.zeros(own.width, np.int64))


def ident(batch: Batch) -> Ints:
    """(n) what tells observations apart: the digests of their symbols; a verdict on an alarm has none."""
    return batch.ident if batch.event is None else batch.event


def room(plan: Plan, n: int) -> EventOutcomes:
    """Outcomes for n events, to be filled."""
    shown = plan.sizes.vocabulary.shown
    return EventOutcomes(np.empty((n, EventInt.NEXT + shown), np.int64), np.empty((n, EventReal.NEXT_SHARES + shown)))


def run(
    bank: Bank, places: tuple[Ints, Any], order: Ints, columns: arrays.Batch, told: EventOutcomes, stamp: int
) -> None:
    """Observe the events in `order`, in one compiled call."""
    event_loop.run(*places, order, columns, bank.changed, stamp, told.ints, told.reals)


def due(model: spec.Model, outcomes: EventOutcomes) -> Floats:
    """Seconds (n) after each event in which another should come; infinite where none is due."""
    awaited = (outcomes.bits & WARMING == 0) & ~np.isnan(outcomes.overdue) & (model.silence > 0.0)
    return np.where(awaited, model.silence * (outcomes.overdue - outcomes.time), np.inf)


def health(plan: Plan, bank: Bank) -> EventHealth:
    """How well events are predicted now: running figures, medians over the rows that learn (or the pool's own)."""
    p, tables = plan.table.ints, plan.sizes.tables
    width = plan.sizes.members + Running.WIDTH
    n = 1 if plan.pooled else len(bank.names)
    plane = bank.planes.learned.reshape(-1, plan.learned.width)[:n]
    known = bank.planes.counts.reshape(-1, plan.counts.width)[:n, int(p[Program.KNOWN_SYMBOLS])]
    running = plane[:, int(p[Program.RUNNING]) :][:, :width].astype(np.float64)
    running = running[running[:, tables + 1 + Running.COUNT] > 0]
    if not len(running):
        none = float("nan")
        return EventHealth(none, none, none, none, none, none, 0, none)
    figures = np.median(running[:, tables + 1 :], axis=0)
    best = running[:, :tables].min(axis=1)
    return EventHealth(
        bits=float(figures[Running.MIXED]),
        bits_network=float(np.median(running[:, tables])),
        bits_table=float(np.median(best)),
        top1=float(figures[Running.TOP1]),
        topk=float(figures[Running.TOPK]),
        unseen=float(figures[Running.UNSEEN]),
        symbols=int(known.max()) - 1,
        skill=float(np.median(1.0 - running[:, tables + 1 + Running.MIXED] / np.maximum(best, 1e-9))),
    )


class Drawing(NamedTuple):
    """How symbols are drawn: `length` of them by `seed`; `temperature` sharpens (below 1) or flattens the
    distributions, and of each the likeliest symbols that have together `top_p` take part."""

    length: int
    seed: int
    temperature: float
    top_p: float


def generate(bank: Bank, symbols: Symbols, places: tuple[Ints, Any], row: int, drawing: Drawing,
             prime: Sequence[str | int]) -> list[str | int | None]:  # fmt: skip
    """Symbols that may follow in a row after those of `prime`. Raises ConfigError for what cannot be drawn."""
    if not (drawing.temperature > 0.0 and 0.0 < drawing.top_p <= 1.0 and drawing.length >= 0):
        hint = "temperature is above 0, top_p above 0 and at most 1, length not below 0"
        raise ConfigError(f"cannot generate with {drawing.temperature}, {drawing.top_p}, {drawing.length}", hint)
    name = bank.names[row]
    known = {symbols.text(row, number): number for number in range(1, symbols.count(row))}
    for symbol in prime:
        if symbol not in known:
            raise ConfigError(f"{symbol!r} is not in the vocabulary of {name!r}", "prime with symbols it has seen")
    given = np.array([known[symbol] for symbol in prime], np.int64)
    drawn = np.zeros(drawing.length, np.int64)
    chance = np.random.Generator(np.random.Philox(drawing.seed)).random(drawing.length)
    before = bank.export(name)
    try:
        sampling.imagine(*places, row, given, chance, drawing.temperature, drawing.top_p, drawn)
    finally:
        bank.restore(name, before, bank.layout)
    return [symbols.text(row, int(number)) for number in drawn]
