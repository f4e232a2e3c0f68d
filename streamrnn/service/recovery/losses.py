"""Before a model takes over what another one has learned: what would be lost, of how many streams, since when.

A start and a reload refuse a loss unless an operator says that it is meant. What is only added begins anew and is no
reason to refuse; what a preset's new version has given up is told.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import structlog

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.engine.tasks import compose
from streamrnn.errors import ConfigError
from streamrnn.model import loss
from streamrnn.model.former import translate
from streamrnn.model.layout import Layout
from streamrnn.model.transfer import indices
from streamrnn.service.storage.store import Store

_HINT = (
    "put the settings back, or keep a backup (`streamrnn ctl backup`) and start once with `streamrnn run --accept-loss`"
)
_STREAMS = "length(blob) > 0 AND stream <> ''"  # neither forgotten ones nor the pool
_log = structlog.get_logger("streamrnn")


class Losses(NamedTuple):
    """What would be lost and what is only told; of how many streams; since when, in seconds (NaN: unknown)."""

    lost: tuple[str, ...]
    told: tuple[str, ...]
    streams: int
    since: float

    def __str__(self) -> str:
        since = "" if np.isnan(self.since) else f" since about {datetime.fromtimestamp(self.since, UTC):%Y-%m-%d}"
        streams = "1 stream has" if self.streams == 1 else f"{self.streams} streams have"
        return f"{', '.join(self.lost)}: what {streams} learned{since}"


NONE = Losses((), (), 0, float("nan"))


def of_store(store: Store, model: spec.Model) -> Losses:
    """What a model would lose of the rows that are stored. Raises ConfigError for a model that cannot be."""
    written = store.about().get("model")
    layouts = {key: json.loads(text) for key, text in store.read("SELECT id, slices FROM layout")}
    if written is None or not layouts:
        return NONE
    rows = dict(store.read(f"SELECT layout, count(*) FROM state WHERE {_STREAMS} GROUP BY layout"))
    before, planes = json.loads(written), compose(model).planes
    found = {key: loss.of(layout, before, model, planes) for key, layout in layouts.items()}
    losing = [key for key in rows if key in found and found[key].lost]
    times = [
        _began(translate(layouts[key], model.timezone), blob)
        for key in losing
        for (blob,) in store.read(f"SELECT blob FROM state WHERE layout = ? AND {_STREAMS}", key)
    ]
    return _join([found[key] for key in rows if key in found], sum(rows[key] for key in losing), times)


def of_engine(engine: Engine, model: spec.Model) -> Losses:
    """What a model would lose of the streams in memory."""
    if model == engine.model:
        return NONE
    before = json.loads(msgspec.json.encode(engine.model))
    found = loss.of(engine.layout, before, model, compose(model).planes)
    names = [name for name in engine.names if name]
    times = [_began(engine.layout, engine.export(name)) for name in names] if found.lost else []
    return _join([found], len(names), times)


def refuse(found: Losses, accepted: bool = False) -> None:
    """Raise ConfigError for a loss that nobody has accepted; say what is lost anyway."""
    if found.told:
        _log.warning("state given up by the preset", lost=found.told, hint="a new version of it has other members")
    if found.lost and not accepted:
        raise ConfigError(f"this model would lose {found}", _HINT)
    if found.lost:
        _log.warning("state is lost, as accepted", lost=found.lost, streams=found.streams)


def _join(found: Iterable[loss.Loss], streams: int, times: list[float]) -> Losses:
    lost = dict.fromkeys(word for each in found for word in each.lost)
    told = dict.fromkeys(word for each in found for word in each.told)
    known = [time for time in times if np.isfinite(time) and time > 0.0]
    return Losses(tuple(lost), tuple(told), streams, min(known, default=float("nan")))


def _began(layout: Layout, blob: bytes) -> float:
    """About when a stream was first seen: its last time less its observations at the usual interval; NaN: unknown."""
    clock, counts = layout.get("f64.clock"), layout.get("i64.stream")
    if clock is None or counts is None:
        return float("nan")
    start, numbers = 0, dict[str, Any]()
    for plane, kind in (("f32", np.float32), ("f64", np.float64), ("i64", np.int64)):
        width, size = layout[f"width.{plane}"]
        numbers[plane] = np.frombuffer(blob, kind if size == np.dtype(kind).itemsize else f"f{size}", width, start)
        start += width * size
    time, interval = (float(numbers["f64"][indices(clock, label)][0]) for label in ("time", "interval"))
    return time - interval * float(numbers["i64"][indices(counts, "seen")][0])
