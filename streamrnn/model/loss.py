"""What a changed model would lose of what was learned, in words an operator knows.

What is *learned* took its time: weights, experts, the mix, scales, intervals, what monitors find usual, vocabularies
and contexts. The rest fills again by itself (hidden state, tape, pending forecasts, an optimiser's moments) and is no
loss. What is only added is none either.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from streamrnn import spec
from streamrnn.model.former import translate
from streamrnn.model.layout import Layout, Plane, axes
from streamrnn.model.parts import MONITORS
from streamrnn.model.presets import by_filter, unnamed
from streamrnn.model.transfer import WHOLE, Part, transfer

_PART = r"(\w+(?:\([^)]*\))?)"
NETWORK, VOCABULARY = "the network", "the vocabulary"
WORDS = (  # of slices that are lost as a whole; \1 is what the name goes on with
    (r"params (?:readout|bias) ", "the outputs of the network"),
    (r"params ", NETWORK),
    (rf"(expert {_PART}) (?:P|weights|changes|spread)", r"\1"),
    (rf"(monitor {_PART})", r"\1"),
    (r"low at level (\S+)", r"the intervals of level \1"),
    (r"hours (\d+)", r"the hours of the intervals (\1)"),
    (r"profile [12] ", "the profiles of the seasons"),
    (r"keys ", VOCABULARY),
    (r"table (\d+) ", r"the contexts of \1 symbols"),
    (r"calibration", "what is a usual surprise"),
)
LABELLED = (
    "mix",
    "scale",
    "target",
    "numbers",
)  # slices whose lost labels are lost horizons, targets, features and experts


class Loss(NamedTuple):
    """What is lost, and of it what a preset's new version has given up: that is told, and no reason to refuse."""

    lost: tuple[str, ...]
    told: tuple[str, ...]


def of(stored: Layout, before: dict[str, Any], after: spec.Model, planes: list[Plane]) -> Loss:
    """What rows of a stored layout would lose in these planes; `before`: the model that wrote them, as plain data."""
    old = translate(stored, after.timezone)
    moves = transfer(old, planes, after.timezone)
    words = dict.fromkeys((*_labels(old, planes), *_whole(moves.lost)))
    if NETWORK in words:
        words.pop("the outputs of the network", None)
    told = tuple(word for word in words if VOCABULARY not in words and _by_preset(word, before, after))
    return Loss(tuple(word for word in words if word not in told), told)


def _whole(lost: Iterable[Part]) -> Iterator[str]:
    """Words for slices that are gone."""
    for part in lost:
        name = re.sub(r"^(pool\.)?[fi]\d\d\.", "", part.slice)
        found = next((match.expand(word) for pattern, word in WORDS if (match := re.match(pattern, name))), None)
        if part.label == WHOLE and found:
            yield found


def _labels(old: Layout, planes: list[Plane]) -> Iterator[str]:
    """Labels that are gone from the slices that have one for everything that is learned."""
    new = {name: place for plane in planes for name, place in plane.slices.items()}
    for title in LABELLED:
        before, after = (axes(layout[f"f64.{title}"]) if f"f64.{title}" in layout else [] for layout in (old, new))
        if len(before) == len(after):
            for (_, one), (_, two) in zip(before, after, strict=True):
                yield from (label for label in one if label not in two and " " in label)


def _unchanged(before: dict[str, Any], after: spec.Model) -> bool:
    """Whether the operator changed nothing: then a network with other inputs has them from its preset's new members."""
    try:
        return unnamed(msgspec.convert(before, spec.Model)) == unnamed(after)
    except msgspec.ValidationError:
        return False


def _retrained(before: dict[str, Any], after: spec.Model) -> bool:
    """Whether Adam trained the preset's network, which 0.1.0 named where nobody had, and the filter does now."""
    known = before.get("optimiser") in (None, msgspec.to_builtins(spec.Adam()))
    return known and before.get("layers") is None and before.get("rule") is None and by_filter(after)


def _by_preset(word: str, before: dict[str, Any], after: spec.Model) -> bool:
    """Whether it was the preset's choice to have this member, and is its choice now to have it no more."""
    if before.get("preset") != after.preset or before.get("task") != after.task:
        return False
    if word.startswith(("expert ", "the contexts of ")):
        return before.get("experts") is None and after.experts is None
    if word == NETWORK:
        return _retrained(before, after) or (after.experts is None and _unchanged(before, after))
    named = {str(kind.__struct_config__.tag) for kind in MONITORS}
    chosen = {each["kind"] for each in before.get("monitors", ())} | {spec.kind(each) for each in after.monitors}
    return word.startswith("monitor ") and not named & chosen
