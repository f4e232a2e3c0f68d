"""What version 0.1.0 called the slices of a row, in today's names.

That version built names of the texts of the parts' Structs, such as `f64.mix (Last(), Profile(period=86400.0,
bins=48))('flow',)(1, 3) 2`. Such a name is read back into the parts; what a slice consists of is what it consisted of
then, whatever the records of today look like. What cannot be read keeps its name, and is dropped and reported like
anything that has no place any more.

0.1.0 named no timezone: its rows are taken for rows of today's.
"""

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from streamrnn import spec
from streamrnn.kernels.core.layout import MonitorState
from streamrnn.model import names, slices
from streamrnn.model.history import past
from streamrnn.model.layout import Axis, Layout, Plane, labels, nested, numbers, plain
from streamrnn.model.names import Names
from streamrnn.model.parts import DETECTORS, HEADS, LAYERS, MONITORS, OPTIMISERS

KINDS = {"Peephole": "lstm_peephole", "RmsProp": "rmsprop"}  # others: the class's name in lower case
Part = spec.Layer | spec.Head | spec.Expert | spec.Monitor | spec.Detector | spec.Optimiser | spec.Rule
Entries = Iterable[tuple[str, int, Sequence[Axis]]]

CLOCK = labels(("time", "interval", "elapsed")) | {"intervals": 15}
SCALE = labels(("mean", "variance", "change", "last", "scaled", "count", "odd", "widest"))
TARGET = labels(("mean", "variance", "last", "error", "count"))
ERRORS = ("count", "error", "error of last", "error of seasonal")
STATS = labels(("spread", "low", "high", "range", *ERRORS, "covered", "width", "winkler", "bounded"))
WATCH = labels(("seen", "day"))
PENDING = labels(("anchor", "unit", "mixed", "lower", "upper", "issued"))
LATEST = labels(("score", "tail", "started", "peak", "alarmed", "size", "offset"))
LOSS = labels(("latest", "sum"))
DRIFT = labels(("which", "since", "before", "after", "count", "raised"))
COUNTS = labels(("steps", "clean", "falls", "since", "rest"))
STREAM = labels(("seen", "step", "seq", "event", "ring", "phase", "lateness"))
EVENT = labels(("open", "calm", "severity", "alarms", "loudest", "held"))
TAPE = labels(("written", "position", "oldest", "newest", "labels", "fresh", "learned"))
PLACE = labels(("step", "row", "ident"))
HEAD = labels(("bins", "seconds", "steps"), 2)
FEEDBACK = labels(("event", "said", "halvings", "before", "muted"))


def translate(layout: Layout, timezone: str) -> Layout:
    """A layout in today's names; one that has them already is given back as it is."""
    try:
        if "f64.clock with elapsed time" in layout:
            return _numeric(_Old(layout), timezone)
        if any(name.startswith("f64.latest event ") for name in layout):
            return _events(_Old(layout))
    except (IndexError, KeyError, SyntaxError, ValueError, msgspec.ValidationError):
        pass  # names that no version has written
    return layout


class _Old:
    """A stored layout, slice by slice, and what has been made of it."""

    def __init__(self, layout: Layout) -> None:
        self.slices = {name: place for name, place in layout.items() if not name.startswith("width.")}
        self.widths = {name: place for name, place in layout.items() if name.startswith("width.")}
        self.pooled = any(name.startswith("pool.") for name in layout)
        self.found: Layout = {}

    def rest(self, title: str) -> str:
        """What stands behind a title; "" without such a slice."""
        return next((name.split(f".{title}", 1)[1] for name in self.slices if f".{title}" in name), "")

    def put(self, title: str, entries: Entries) -> None:
        """The slice of this title is these entries, if they have as many numbers."""
        for name, place in list(self.slices.items()):
            called = re.sub(r"^(pool\.)?[fi]\d\d\.", "", name)
            if not called.startswith(title):
                continue
            plane = Plane(name[: len(name) - len(called) - 1])
            listed = list(entries)
            if sum(_count(axes) for _, _, axes in listed) == place[1]:
                for each, at, axes in listed:
                    plane.put(each, place[0] + at, *axes)
                self.found |= plane.slices
                del self.slices[name]
            return

    def record(self, title: str, name: str, *inner: names.Labels) -> None:
        """The slice of this title is one array."""
        self.put(title, [(name, 0, nested(inner))])

    def rename(self, pattern: str, name: Callable[[re.Match[str]], str]) -> None:
        """Plain slices that only have another name."""
        for old in list(self.slices):
            if matched := re.fullmatch(r"((?:pool\.)?[fi]\d\d\.)" + pattern, old):
                self.found[matched[1] + name(matched)] = self.slices.pop(old)

    def layout(self) -> Layout:
        """All of it: what could not be read under its old name."""
        return {**self.widths, **self.found, **self.slices}


def _count(axes: Sequence[Axis]) -> int:
    return numbers([axis for _, axis in axes])


def _numeric(old: _Old, timezone: str) -> Layout:
    on = _names(old, timezone)
    before = past(on.experts, on.horizons, int(_units(old.rest("experts "))[3]), len(on.coming))
    targets, horizons = on.on_targets, on.on_horizons
    _learned(old, on)
    _network(old, on)
    old.record("clock with elapsed time", "clock", CLOCK)
    old.record("scale with doubt", "scale", on.on_features, SCALE)
    old.record("target ", "target", targets, TARGET)
    old.put("experts ", slices.experts(on, before))
    old.put("history ", slices.history(on, before, HEAD))
    old.put("mix ", slices.mix(on))
    old.put("stats ", slices.stats(on, _units(old.rest("stats "))[0].level, STATS))
    if hours := old.rest("hours "):
        old.record(
            "hours ", on.zoned(f"hours {int(_units(hours)[0])}"), targets, horizons, plain(int(_units(hours)[0]))
        )
    old.record("watch ", "watch", targets, WATCH)
    watching = _units(old.rest("monitors "))[0]
    own = [MonitorState.OWN + MONITORS[type(each)].state(each) for each in watching]
    old.put("monitors ", slices.monitors(on, on.monitors(watching), own))
    slots = int(_units(old.rest("pending "))[3])
    old.put("pending ", slices.pending(on, slots, PENDING))
    shares = on.on_members | {names.NETWORK: 1}
    inner = [("latest", [LATEST]), ("latest of targets", [labels(("expected", "actual", "share")), targets])]
    old.put("latest ", _row([*inner, ("shares", [targets, shares])]))
    old.record("losses ", f"losses {on.head.identity()}", LOSS)
    if drift := old.rest("drift "):
        detectors = [(f"detector {each.identity()}", [plain(DETECTORS[type(each)].state)]) for each in _units(drift)[0]]
        old.put(
            "drift ",
            _row([("drift", [DRIFT]), ("drift of targets", [targets, labels(("error", "count"))]), *detectors]),
        )
    old.record("stream", "stream", STREAM)
    old.record("event ", "event", EVENT)
    old.put("places ", slices.places(on, slots, PLACE))
    old.record("feedback ", "feedback", FEEDBACK)
    old.rename(r"drawn .*", lambda _: "drawn")
    return old.layout()


def _names(old: _Old, timezone: str) -> Names:
    layers, features, targets, horizons, head, *more = _units(old.rest("params "))
    experts = _units(old.rest("experts "))[0]
    seasons = _units(old.rest("history "))[0]
    coming = next((each for each in more if each and isinstance(each[0], int)), ())
    rule: spec.Rule = spec.Tbptt(recompute=bool(old.rest("tape past ")))
    if traced := old.rest("traced "):
        rule = _part(traced.split(" ")[0], {})
    return Names(
        layers=layers,
        by_input=LAYERS[type(layers[0])].by_input,
        head=head,
        width=HEADS[type(head)].width(head),
        rule=rule,
        features=features,
        targets=targets,
        horizons=horizons,
        experts=experts,
        gated=any(each and not isinstance(each[0], int) for each in more),
        coming=tuple(features[place] for place in coming),
        rows=int(_units(old.rest("tape keep "))[-2]),
        seasons=seasons or (),
        timezone=timezone,
    )


def _learned(old: _Old, on: Names) -> None:
    """Weights and their counts."""
    inputs, count = sum(on.inputs.values()), 0
    for layer in on.layers:
        kind = LAYERS[type(layer)]
        units = kind.units(layer, inputs)
        count += kind.params(inputs, units, kind.own(layer))
        inputs = units
    first, size = LAYERS[type(on.layers[0])], LAYERS[type(on.layers[0])].units(on.layers[0], sum(on.inputs.values()))
    wide = first.params(2, size, 0) - first.params(1, size, 0) if on.by_input else 0
    shape = slices.Weights(sum(on.inputs.values()), wide, count, inputs)
    length = shape.length(sum(on.outputs.values()))
    kind_of, schedule = old.rest("optimiser ").split(" ")[:2]
    optimiser = _part(kind_of, {})
    copies = OPTIMISERS[type(optimiser)].state
    old.put("params ", slices.weights("params", 1, on, shape))
    old.put("good ", slices.weights("good", 1, on, shape))
    moments = list(slices.weights(f"optimiser {optimiser.identity()}", copies, on, shape)) if copies else []
    old.put("optimiser ", [*moments, (f"schedule {schedule} {on.network}", copies * length, [(1, plain(5))])])
    old.put("counts ", slices.counts(on.network, optimiser, COUNTS))


def _network(old: _Old, on: Names) -> None:
    """Hidden state and tape."""
    whole, head, rows = on._replace(by_input=False).tape, on.head.identity(), plain(on.rows)
    old.rename(r"state (\d+) .*", lambda found: f"state {found[2]} {on.network}")
    old.record("input ", f"input {on.tape}", on.inputs)
    for title, named, axis in (
        ("gradient", f"gradient {head}", on.outputs),
        ("output", f"output {head}", on.outputs),
        ("past", "past", on.inputs),
        ("answers", "answers", on.answers),
        *([("0.0", "0.0", on.inputs)] if on.by_input else []),
    ):
        old.record(f"tape {title} ", f"tape {named} {on.tape}", rows, axis)
    for name, place in list(old.slices.items()):
        if found := re.match(r"f32\.tape (\S+) ", name):
            old.record(f"tape {found[1]} ", f"tape {found[1]} {on.tape}", rows, plain(place[1] // on.rows))
    old.record("tape ", f"tape {on.tape}", TAPE)
    old.rename(r"trace \w+ (\d+) .*", lambda found: f"trace {found[2]} {whole}")
    old.rename(r"traced .*", lambda _: f"traced {whole}")


def _events(old: _Old) -> Layout:
    layers, features, symbols = _units(old.rest("params events "))
    on, net = names.vocabulary(symbols), names.event_network(layers, symbols, features)
    tape = f"{net} {_units(old.rest('tape keep events '))[-2]} rows"
    optimiser = _part(old.rest("optimiser ").split(" ")[0], {})
    tables = sum(".table " in name for name in old.slices)
    for title in ("params", "good"):
        old.rename(f"{title} .*", lambda _, title=title: f"{title} {net}")  # type: ignore[misc]
    old.rename("optimiser .*", lambda _: f"optimiser {optimiser.identity()} {net}")
    old.record("mixer ", f"mix {on}", *slices.contexts_mix(tables, 3))
    old.record("escape ", f"escape {on}", labels(slices.contexts(tables)), plain(128))
    old.record("belief ", f"last round {on}", slices.EVENT_ROUND)
    old.record("running ", f"running {on}", slices.contexts_running(tables, 5))
    old.rename("(lapse|calibration)", lambda found: found[2])
    old.put("counts ", slices.counts(net, optimiser, COUNTS))
    old.rename(r"(known|keys|buckets|waiting|texts) \d+", lambda found: f"{found[2]} {on}")
    old.rename(r"(table \d+ \d+ \d+) \d+", lambda found: f"{found[2]} {on}")
    old.rename(r"(state|tape) (\S+) events .*", lambda found: f"{found[2]} {found[3]} {tape}")
    old.rename("input events .*", lambda _: f"input {tape}")
    old.record("clock", "clock", CLOCK)
    old.record("numeric ", "numbers", labels(map(names.feature, features)), plain(3))
    old.rename("session", lambda _: f"session of {on}")
    old.rename(r"latest event .*", lambda _: f"latest of {on}")
    counters = [("stream", [STREAM]), ("event", [EVENT]), (f"tape {tape}", [TAPE])]
    old.put("event counters ", _row([*counters, ("session", [plain(2)])]))
    old.rename(r"history .*", lambda _: f"history of {on}")
    return old.layout()


def _row(parts: Sequence[tuple[str, Sequence[names.Labels]]]) -> list[tuple[str, int, list[Axis]]]:
    """Arrays that stand side by side."""
    found, place = [], 0
    for name, inner in parts:
        found.append((name, place, nested(inner)))
        place += numbers(inner)
    return found


def _units(text: str) -> list[Any]:
    """The values that are written one after the other in a name."""
    units, depth, quote = [""], 0, ""
    for letter in text:
        ended = not depth and (letter == " " or (letter == "(" and re.fullmatch(r"None|\d+", units[-1])))
        if ended or (not depth and units[-1].endswith((")", "]"))):
            units.append("")
        escaped = units[-1].endswith("\\")
        units[-1] += letter
        if quote:
            quote = "" if letter == quote and not escaped else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "([") - (letter in ")]")
    return [_value(ast.parse(unit.strip(), mode="eval").body) for unit in units if unit.strip()]


def _value(node: ast.expr) -> Any:
    """A literal, a tuple of values, or a part."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _part(node.func.id, {each.arg: _value(each.value) for each in node.keywords if each.arg})
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(each) for each in node.elts)
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def _part(name: str, settings: dict[str, Any]) -> Any:
    """The part whose class had this name."""
    kind = KINDS.get(name, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return msgspec.convert({"kind": kind, **settings}, Part)
