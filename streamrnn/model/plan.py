"""From a spec to the plan that the kernels run: defaults, refusals, offsets, addresses."""

from dataclasses import dataclass

import numpy as np

from streamrnn import spec
from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.program import Detector, Expert, Layer, Monitor, Program
from streamrnn.model import covariates, offsets, settings, traces
from streamrnn.model.layout import Plane
from streamrnn.model.parts import DETECTORS, EXPERTS, HEADS, LAYERS, MONITORS, OPTIMISERS, REACTIONS
from streamrnn.model.room import Room
from streamrnn.model.sizes import Sizes, resolve


@dataclass(frozen=True, slots=True)
class Plan:
    """What the kernels run, before addresses are known, and the planes it needs."""

    sizes: Sizes
    table: arrays.Plan
    f32: Plane
    f64: Plane
    i64: Plane
    learned: Plane  # f32 and i64 themselves when weights are private
    counts: Plane
    scratch: tuple[Room, Room]  # of float32 and float64

    @property
    def pooled(self) -> bool:
        return self.sizes.model.weights == "pooled"

    @property
    def planes(self) -> list[Plane]:
        """Those of a stream and, with pooled weights, of the pool."""
        own = [self.f32, self.f64, self.i64]
        return [*own, self.learned, self.counts] if self.pooled else own


def compose(model: spec.Model) -> Plan:
    """Lay a row out. Addresses of parts are not in the table yet: see `link`. Raises ConfigError."""
    sizes = resolve(model)
    ints = np.zeros(Program.WIDTH, np.int64)
    f32, f64, i64 = Plane("f32"), Plane("f64"), Plane("i64")
    pooled = model.weights == "pooled"
    learned, counts = (Plane("pool.f32"), Plane("pool.i64")) if pooled else (f32, i64)
    layers = offsets.layer_table(sizes)
    offsets.learned(sizes, layers, ints, learned, counts)
    bases = (learned.close(), counts.close())
    ints[Program.BASE_F32], ints[Program.BASE_I64] = (0, 0) if pooled else bases
    blocks = offsets.network(sizes, layers, ints, f32)
    experts, monitors = offsets.reals(sizes, ints, f64)
    detectors, tuning = offsets.drift(sizes, ints, f64)
    slots = offsets.counts(sizes, ints, i64)
    scratch = offsets.scratch(sizes, layers, ints)
    if challenged(model):
        offsets.halves(sizes, ints, f32, f64, i64)
    ints[[Program.WIDTH_F32, Program.WIDTH_F64, Program.WIDTH_I64]] = f32.close(), f64.close(), i64.close()
    ints[[Program.WIDTH_LEARNED, Program.WIDTH_COUNTS]] = learned.width, counts.width
    settings.write_numbers(sizes, ints)
    table = arrays.Plan(
        ints=ints,
        layers=layers,
        experts=experts,
        settings=np.array([EXPERTS[type(expert)].reals(expert) for expert in sizes.experts]),
        past=sizes.past.ints,
        priors=settings.priors(sizes),
        targets=settings.targets(sizes),
        horizons=np.array(sizes.horizons, np.int64),
        slots=slots,
        blocks=blocks,
        reals=settings.rates(sizes),
        monitors=monitors,
        rates=np.array([getattr(monitor, "rate", 0.0) for monitor in sizes.watching]),
        limits=covariates.limits(model, sizes.targets),
        detectors=detectors,
        tuning=tuning,
        reactions=np.zeros(int(ints[Program.REACTIONS]), np.int64),
        coming=np.array(sizes.coming, np.int64),
    )
    return Plan(sizes, table, f32, f64, i64, learned, counts, scratch)


def challenged(model: spec.Model) -> bool:
    """Whether a drift begins a challenger."""
    return model.drift is not None and "challenger" in model.drift.reactions


def link(plan: Plan, dtype: str) -> None:
    """Compile the parts this plan uses, or load them from the cache, and write their addresses into the table."""
    sizes, table = plan.sizes, plan.table
    for row, layer in zip(table.layers, sizes.layers, strict=True):
        kind = LAYERS[type(layer)]
        row[Layer.FORWARD], row[Layer.BACKWARD] = kind.forward.address(dtype), kind.backward.address(dtype)
        row[Layer.TRAIN] = (kind.train or kind.forward).address(dtype)
        trace = traces.trace(sizes.rule, layer)
        row[Layer.FOLLOW] = trace.follow.address(dtype) if trace else 0
    for row, expert in zip(table.experts, sizes.experts, strict=True):
        part = EXPERTS[type(expert)]
        row[Expert.SETTLE], row[Expert.FORECAST] = part.settle.address(dtype), part.forecast.address(dtype)
        row[Expert.HASTEN] = part.hasten.address(dtype) if part.hasten and sizes.model.drift else 0
    for row, monitor in zip(table.monitors, sizes.watching, strict=True):
        watch = MONITORS[type(monitor)]
        row[Monitor.DEVIATE], row[Monitor.ADOPT] = watch.deviate.address(dtype), watch.adopt.address(dtype)
    if drift := sizes.model.drift:
        for row, one in zip(table.detectors, drift.detectors, strict=True):
            row[Detector.UPDATE] = DETECTORS[type(one)].update.address(dtype)
        table.reactions[:] = [REACTIONS[name].address(dtype) for name in offsets.reactions(drift)]
    head = HEADS[type(sizes.model.head)]
    table.ints[Program.HEAD_GRAD], table.ints[Program.HEAD_READ] = head.grad.address(dtype), head.read.address(dtype)
    if sizes.filtered:
        table.ints[Program.HEAD_INNOVATE] = head.innovate.address(dtype)
    else:
        table.ints[Program.OPTIMISE] = OPTIMISERS[type(sizes.optimiser)].update.address(dtype)
