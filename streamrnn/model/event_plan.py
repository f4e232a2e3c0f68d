"""From a spec of task "events" to the program and the planes of its model; see plan.py, whose place it takes."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.layout import (
    Calibration,
    Contexts,
    Count,
    Entry,
    EventCount,
    EventLatest,
    EventTail,
    Lapse,
    Running,
    Session,
    Symbols,
    Updates,
)
from streamrnn.kernels.core.program import Layer, Order, Program, Reals
from streamrnn.model import names, slices
from streamrnn.model.event_refuse import refuse
from streamrnn.model.layout import Plane, labels, plain
from streamrnn.model.parts import HEADS, LAYERS, OPTIMISERS
from streamrnn.model.room import Room

PRESETS: dict[str, dict[str, Any]] = {
    "light": {
        "layers": (spec.Embedding(16), spec.Gru(32)),
        "experts": (spec.Context(longest=4, contexts=1024),),
        "rule": spec.Tbptt(16, 16),
    },
    "standard": {
        "layers": (spec.Embedding(32), spec.Gru(64)),
        "experts": (spec.Context(),),
        "rule": spec.Tbptt(16, 16),
    },
    "full": {
        "layers": (spec.Embedding(48), spec.Gru(192)),
        "experts": (spec.Context(longest=8, contexts=65536),),
        "rule": spec.Tbptt(16, 16),
    },
}
TIME_HEAD = spec.Gaussian()  # of the log of the seconds until the next event: a log-normal time
LOW_PLACES, PLACES = 62, 14  # short contexts have many successors; an entry is whole cache lines


@dataclass(frozen=True, slots=True)
class Sizes:
    """A spec with everything filled in, and the sizes that follow from it."""

    model: spec.Model
    layers: tuple[spec.Layer, ...]
    context: spec.Context
    vocabulary: spec.Vocabulary
    rule: spec.Tbptt
    optimiser: spec.Optimiser
    anomaly: spec.Anomaly
    targets: tuple[str, ...] = ()  # of numbers: there are none
    horizons: tuple[int, ...] = ()
    level: float = math.nan
    titles: tuple[str, ...] = ("context", "network")
    watched: tuple[str, ...] = ()

    @property
    def shown(self) -> int:
        """Likeliest symbols that an outcome tells."""
        return self.vocabulary.shown

    @property
    def symbols(self) -> int:
        return self.vocabulary.symbols

    @property
    def tables(self) -> int:
        return self.context.longest + 1

    @property
    def members(self) -> int:
        return self.tables + 1

    @property
    def inputs(self) -> int:
        return self.symbols + 2 * len(self.model.features) + Lapse.INPUTS

    @property
    def outputs(self) -> int:
        return self.symbols + 2

    @property
    def joined(self) -> int:
        """Units of all layers together."""
        units, total = self.inputs, 0
        for layer in self.layers:
            units = LAYERS[type(layer)].units(layer, units)
            total += units
        return total

    @property
    def kept(self) -> int:
        return max(self.rule.window, self.rule.stride) + 1

    @property
    def rows(self) -> int:
        return 2 * self.kept


@dataclass(frozen=True, slots=True)
class Plan:
    """What the kernels run, before addresses are known, and the planes it needs; as in plan.py."""

    sizes: Sizes
    table: arrays.EventPlan
    f32: Plane
    f64: Plane
    i64: Plane
    learned: Plane
    counts: Plane
    scratch: tuple[Room, Room, Room]  # of float32, float64 and int64

    @property
    def pooled(self) -> bool:
        return self.sizes.model.weights == "pooled"

    @property
    def planes(self) -> list[Plane]:
        """Those of a stream and, with pooled weights, of the pool."""
        own = [self.f32, self.f64, self.i64]
        return [*own, self.learned, self.counts] if self.pooled else own


def resolve(model: spec.Model) -> Sizes:
    """Fill in the preset's parts and refuse what cannot be. Raises ConfigError."""
    preset = PRESETS[model.preset]
    layers = model.layers or preset["layers"]
    experts = model.experts or preset["experts"]
    rule = model.rule or preset["rule"]
    refuse(model, layers, experts, rule)
    context = experts[0]
    assert isinstance(context, spec.Context) and isinstance(rule, spec.Tbptt)
    return Sizes(
        model=model,
        layers=layers,
        context=context,
        vocabulary=model.vocabulary or spec.Vocabulary(),
        rule=rule,
        optimiser=model.optimiser or spec.Adam(),
        anomaly=next((m for m in model.monitors if isinstance(m, spec.Anomaly)), spec.Anomaly()),
    )


def compose(model: spec.Model) -> Plan:
    """Lay a row out. Addresses of parts are not in the table yet: see `link`. Raises ConfigError."""
    sizes = resolve(model)
    ints = np.zeros(Program.WIDTH, np.int64)
    f32, f64, i64 = Plane("f32"), Plane("f64"), Plane("i64")
    pooled = model.weights == "pooled"
    learned, counts = (Plane("pool.f32"), Plane("pool.i64")) if pooled else (f32, i64)
    layers = _layers(sizes)
    _learned(sizes, layers, ints, learned)
    orders = _counted(sizes, ints, counts)
    bases = (learned.close(), counts.close())
    ints[Program.BASE_F32], ints[Program.BASE_I64] = (0, 0) if pooled else bases
    blocks = _net(sizes, layers, ints, f32)
    _own(sizes, ints, f64, i64)
    scratch = _scratch(sizes, layers, ints)
    ints[[Program.WIDTH_F32, Program.WIDTH_F64, Program.WIDTH_I64]] = f32.close(), f64.close(), i64.close()
    ints[[Program.WIDTH_LEARNED, Program.WIDTH_COUNTS]] = learned.width, counts.width
    _numbers(sizes, ints)
    table = arrays.EventPlan(ints=ints, layers=layers, orders=orders, blocks=blocks, reals=_reals(sizes))
    return Plan(sizes, table, f32, f64, i64, learned, counts, scratch)


def link(plan: Plan, dtype: str) -> None:
    """Compile the parts this plan uses, or load them from the cache, and write their addresses into the table."""
    sizes, table = plan.sizes, plan.table
    for row, layer in zip(table.layers, sizes.layers, strict=True):
        kind = LAYERS[type(layer)]
        row[Layer.FORWARD], row[Layer.BACKWARD] = kind.forward.address(dtype), kind.backward.address(dtype)
    table.ints[Program.HEAD_GRAD] = HEADS[type(TIME_HEAD)].grad.address(dtype)
    table.ints[Program.OPTIMISE] = OPTIMISERS[type(sizes.optimiser)].update.address(dtype)


def _layers(sizes: Sizes) -> NDArray[np.int64]:
    """Shape and place of the parameters of every layer."""
    table = np.zeros((len(sizes.layers), Layer.WIDTH), np.int64)
    inputs, params = sizes.inputs, 0
    for number, (row, layer) in enumerate(zip(table, sizes.layers, strict=True)):
        kind = LAYERS[type(layer)]
        units, own = kind.units(layer, inputs), kind.own(layer)
        row[Layer.PARAMS] = params
        row[Layer.SHAPE :] = inputs, units, sizes.rows, own, int(number > 0)
        params += kind.params(inputs, units, own)
        inputs = units
    return table


def _shape(layer: NDArray[np.int64]) -> tuple[int, int, int]:
    """Inputs, units and own setting from a row of the layers' table."""
    inputs, units, _, own, _ = layer[Layer.SHAPE :].tolist()
    return inputs, units, own


def _net_name(sizes: Sizes) -> str:
    """What the meaning of the weights depends on."""
    return names.event_network(sizes.layers, sizes.symbols, sizes.model.features)


def _learned(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64], f32: Plane) -> None:
    last, m, o = layers[-1], sizes.joined, sizes.outputs
    readout = int(last[Layer.PARAMS]) + LAYERS[type(sizes.layers[-1])].params(*_shape(last))
    length, name = readout + (m + 1) * o, _net_name(sizes)
    kind = OPTIMISERS[type(sizes.optimiser)]
    ints[Program.JOINED], ints[Program.READOUT], ints[Program.PARAMS_LENGTH] = m, readout, length
    ints[Program.PARAMS] = f32.add(f"params {name}", length)
    ints[Program.OPTIMISER] = f32.add(f"optimiser {sizes.optimiser.identity()} {name}", kind.state * length)
    ints[Program.OPTIMISER_LENGTH] = kind.state * length
    ints[Program.GOOD] = f32.add(f"good {name}", length)
    on, tables = names.vocabulary(sizes.symbols), sizes.tables
    ints[Program.MIXER] = f32.record(f"mix {on}", *slices.contexts_mix(tables, Contexts.STATES))
    ints[Program.ESCAPE] = f32.record(f"escape {on}", labels(slices.contexts(tables)), plain(Contexts.ESCAPES * 2))
    ints[Program.BELIEF] = f32.record(f"last round {on}", slices.EVENT_ROUND)
    ints[Program.LAPSE] = f32.add("lapse", 3)
    ints[Program.CALIBRATION] = f32.add("calibration", Calibration.WIDTH * EventTail.WIDTH)
    ints[Program.RUNNING] = f32.record(f"running {on}", slices.contexts_running(tables, Running.WIDTH))


def _counted(sizes: Sizes, ints: NDArray[np.int64], i64: Plane) -> NDArray[np.int64]:
    """Counts, vocabulary and context tables. Returns the tables' own table; its places are in 32-bit words."""
    symbols, name = sizes.symbols, names.vocabulary(sizes.symbols)
    buckets = 1 << (2 * symbols - 1).bit_length()
    i64.block(slices.counts(_net_name(sizes), sizes.optimiser), Updates.WIDTH)
    ints[Program.KNOWN_SYMBOLS] = i64.add(f"known {name}", 1)
    ints[Program.KEYS] = i64.add(f"keys {name}", symbols)
    ints[Program.BUCKETS] = i64.add(f"buckets {name}", buckets)
    ints[Program.BUCKET_MASK] = buckets - 1
    ints[Program.WAITING] = i64.add(f"waiting {name}", Symbols.WAITERS)
    ints[Program.TEXTS] = i64.add(f"texts {name}", symbols * Symbols.TEXT)
    i64.close()
    orders = np.zeros((sizes.tables, Order.WIDTH), np.int64)
    for k, row in enumerate(orders):
        contexts = 1 << math.ceil(
            math.log2(max(Contexts.PROBES, min(sizes.context.contexts, symbols**k if k < 4 else 2**20)))
        )
        places = LOW_PLACES if k < Contexts.SHORT else PLACES
        words = contexts * (Entry.SUCCESSORS + places)
        row[:] = k, 2 * i64.add(f"table {k} {contexts} {places} {name}", words // 2), contexts - 1, places
    return orders


def _net(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64], f32: Plane) -> NDArray[np.int64]:
    """Hidden state, inputs and tape. Returns the tape's blocks."""
    base, rows, outputs = int(ints[Program.BASE_F32]), sizes.rows, sizes.outputs
    name = f"{_net_name(sizes)} {rows} rows"
    blocks: list[tuple[int, int]] = []

    def block(title: str, width: int) -> int:
        offset = f32.add(f"tape {title} {name}", rows * width) - base
        blocks.append((offset, width))
        return offset

    ints[Program.MEMORY_F32] = f32.width - base
    for row, layer in zip(layers, sizes.layers, strict=True):
        state = LAYERS[type(layer)].state(*_shape(row))
        row[Layer.STATE] = f32.add(f"state {row[Layer.PARAMS]} {name}", state) - base
    ints[Program.MEMORY_LENGTH] = f32.width - base - ints[Program.MEMORY_F32]
    ints[Program.INPUT] = f32.add(f"input {name}", sizes.inputs) - base
    ints[Program.KEEP], ints[Program.GRADIENT] = block("keep", 1), block("gradient", outputs)
    ints[Program.TOPS], ints[Program.RAW] = block("top", sizes.joined), block("output", outputs)
    for row, layer in zip(layers, sizes.layers, strict=True):
        row[Layer.TAPE] = f32.width - base
        for number, width in enumerate(LAYERS[type(layer)].tape(*_shape(row))):
            block(f"{row[Layer.PARAMS]}.{number}", width)
    ints[Program.BLOCKS] = len(blocks)
    return np.array(blocks, np.int64)


def _own(sizes: Sizes, ints: NDArray[np.int64], f64: Plane, i64: Plane) -> None:
    """What a stream has for itself besides the network's state."""
    base = int(ints[Program.BASE_I64])
    on = names.vocabulary(sizes.symbols)
    ints[Program.CLOCK] = f64.record("clock", names.CLOCK)
    ints[Program.NUMERIC] = f64.record("numbers", labels(map(names.feature, sizes.model.features)), plain(3))
    ints[Program.SESSION] = f64.add(f"session of {on}", Session.WIDTH)
    ints[Program.LATEST] = f64.add(f"latest of {on}", EventLatest.WIDTH)
    i64.record("stream", names.STREAM)
    i64.record("event", names.EVENT)
    i64.record(f"tape {_net_name(sizes)} {sizes.rows} rows", names.TAPE)
    i64.add("session", EventCount.WIDTH - Count.SLOT)
    ints[Program.FEEDBACK] = i64.record("feedback", names.FEEDBACK) - base
    ints[Program.RECENT] = i64.add(f"history of {on}", Contexts.REACH) - base


def _scratch(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64]) -> tuple[Room, Room, Room]:
    """Room for one update and for all members' distributions."""
    rows, symbols = sizes.rows, sizes.symbols
    widest = max(sizes.joined, *(int(size) for row in layers for size in row[Layer.SHAPE : Layer.SHAPE + 2]))
    pairs = zip(layers, sizes.layers, strict=True)
    own = max(LAYERS[type(layer)].scratch(rows, *_shape(row)) for row, layer in pairs)
    f32, f64, i64 = Room(ints, align=16), Room(ints), Room(ints)
    f32.section(Program.SCRATCH_GRADIENT, int(ints[Program.PARAMS_LENGTH]))
    f32.section(Program.SCRATCH_DY, rows * widest)
    f32.section(Program.SCRATCH_DX, rows * widest)
    f32.section(Program.SCRATCH_LAYER, own)
    f32.section(Program.SCRATCH_DELTA, rows * max(sizes.outputs, widest))
    f32.section(Program.SCRATCH_SHARES, (sizes.members + 1) * symbols)
    f32.section(Program.SCRATCH_LOGS, sizes.members * symbols)
    f32.section(Program.SCRATCH_MIXED, symbols)
    f32.section(Program.SCRATCH_FINAL, symbols)
    f64.section(None, 1 + len(sizes.model.features))
    i64.section(None, 3 + 2 * sizes.tables)
    return f32, f64, i64


def _numbers(sizes: Sizes, ints: NDArray[np.int64]) -> None:
    """The sizes and settings that are plain numbers."""
    values = {
        Program.INPUTS: sizes.inputs,
        Program.LAYERS: len(sizes.layers),
        Program.OUTPUTS: sizes.outputs,
        Program.ROWS: sizes.rows,
        Program.KEPT: sizes.kept,
        Program.WINDOW: sizes.rule.window,
        Program.STRIDE: sizes.rule.stride,
        Program.POOLED: int(sizes.model.weights == "pooled"),
        Program.WARMUP: sizes.anomaly.warmup,
        Program.QUIET: sizes.anomaly.quiet,
        Program.SYMBOLS: sizes.symbols,
        Program.NUMBERS: len(sizes.model.features),
        Program.TABLES: sizes.tables,
        Program.SHOWN: sizes.vocabulary.shown,
    }
    for place, value in values.items():
        ints[place] = value


def _reals(sizes: Sizes) -> NDArray[np.float64]:
    """Rates and levels."""
    optimiser = sizes.optimiser
    assert isinstance(optimiser, spec.Descent)
    reals = np.concatenate([np.zeros(Reals.HEAD), HEADS[type(TIME_HEAD)].reals(TIME_HEAD)])
    reals[Reals.ALERTS], reals[Reals.RATE], reals[Reals.CLIP] = (
        sizes.vocabulary.alert_rate,
        optimiser.rate,
        optimiser.clip,
    )
    own = OPTIMISERS[type(optimiser)].reals(optimiser)
    reals[Reals.FIRST : Reals.FIRST + len(own)] = own
    reals[Reals.VALUE], reals[Reals.CAP] = optimiser.clip_value, optimiser.cap or np.inf
    reals[Reals.SILENCE_AFTER], reals[Reals.HALF_LIFE] = sizes.model.silence, sizes.model.half_life
    reals[Reals.SCALE_RATE] = sizes.model.scale_rate
    reals[Reals.START_QUANTILE] = statistics.NormalDist().inv_cdf(1.0 - sizes.vocabulary.alert_rate)
    return reals
