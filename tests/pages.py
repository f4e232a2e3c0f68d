"""The pages that are made from the code: `python -m tests.pages` writes them, a test compares.

What stands between `<!-- generated: NAME -->` and `<!-- end -->` is made; the rest of a page is written by hand.
"""

import re
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Meta, Struct

from streamrnn import spec
from streamrnn.config import schema
from streamrnn.service.operations.metrics import SECTIONS

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "config" / "reference.toml").read_text(encoding="utf-8")
BLOCK = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
PAGES = (ROOT / "deploy" / "METRICS.md", ROOT / "config" / "README.md")
WHOLE = 240  # characters of a comment that is not cut
PARTS = ("layers", "experts", "head", "optimiser", "monitors", "drift", "rule", "vocabulary")  # of [model], by kind


def made(page: str) -> str:
    """A page with what is generated in it as it is now."""
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2].split()[0]](found[2])}{found[3]}", page)


def metrics(title: str) -> str:
    """The metrics of a section."""
    section = SECTIONS[title.removeprefix("metrics ")]
    rows = (f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {m.help} |\n" for m in section)
    return "| metric | type | labels | meaning |\n|---|---|---|---|\n" + "".join(rows).replace(" |  | ", " | | ")


def keys(_: str) -> str:
    """Every key of every section of a configuration."""
    return "\n".join(_sections())


def _sections() -> Iterator[str]:
    for section, annotation in typing.get_type_hints(schema.Config, include_extras=True).items():
        struct = next(iter(_structs(annotation)))
        heads = f"[[{section}]]" if typing.get_origin(annotation) is tuple else f"[{section}]"
        rows = [_row(section, field, struct) for field in struct.__struct_fields__]
        yield f"## {heads}\n\n| key | value | default | meaning |\n|---|---|---|---|\n" + "".join(rows)
        if section == "model":
            yield from _model()


def _model() -> Iterator[str]:
    yield "### Of a feature\n\n`[model.feature.NAME]`\n\n" + _settings([spec.Feature], "feature")
    hints = typing.get_type_hints(spec.Model, include_extras=True)
    for part in PARTS:
        found = list(dict.fromkeys(each for each in _structs(hints[part]) if each is not spec.Feature))
        if found:
            yield f"### {part}\n\n" + _settings(found, "kind")


def _settings(found: list[type[Struct]], first: str) -> str:
    """Kinds of a part, with their settings and defaults."""
    lines = [f"| {first} | settings, with their defaults |\n|---|---|\n"]
    for struct in found:
        settings = []
        for field in msgspec.structs.fields(struct):
            default = field.default if field.default is not msgspec.NODEFAULT else None
            settings.append(f"`{field.name}`" + ("" if default is None else f" ({_value(default)})"))
        name = struct.__struct_config__.tag or struct.__name__.lower()
        lines.append(f"| `{name}` | {', '.join(settings) or 'none'} |\n")
    return "".join(lines)


def _row(section: str, key: str, struct: type[Struct]) -> str:
    annotation = typing.get_type_hints(struct, include_extras=True)[key]
    field = next(each for each in msgspec.structs.fields(struct) if each.name == key)
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
    known = default not in (msgspec.NODEFAULT, None)
    said = _value(default() if callable(default) else default) if known else ""
    return f"| `{key}` | {_kind(annotation)} | {said} | {_meaning(section, key)} |\n"


def _kind(annotation: Any) -> str:
    """What may stand there, in words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(inner[0]) + _range([each for each in inner[1:] if isinstance(each, Meta)])
    if origin is typing.Literal:
        return ", ".join(f'`"{each}"`' for each in inner)
    if origin in (types.UnionType, typing.Union):
        names = [_kind(each) for each in inner if each is not type(None)]
        return "one of its kinds" if len(set(names)) > 2 else " or ".join(dict.fromkeys(names))
    if origin in (tuple, list):
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return "table"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(annotation, "table")


def _range(metas: list[Meta]) -> str:
    found = []
    for meta in metas:
        for word, bound in (("above", meta.gt), ("from", meta.ge), ("to", meta.le), ("below", meta.lt)):
            found += [] if bound is None else [f"{word} {bound:g}" if bound < 1e9 else f"{word} {bound}"]
        found += [f"a unit, as {'`30s`' if meta.extra['unit'] == 'seconds' else '`64MiB`'}"] if meta.extra else []
    return f" ({', '.join(found)})" if found else ""


def _value(value: Any) -> str:
    if isinstance(value, Struct):
        return f"`{value.__struct_config__.tag or 'its defaults'}`"
    if isinstance(value, tuple) and any(isinstance(each, Struct) for each in value):
        return ", ".join(_value(each) for each in value)
    return f"`{msgspec.json.encode(value).decode()}`"


def _meaning(section: str, key: str) -> str:
    """The comment above a key of the reference; of a long one the first sentence."""
    text = re.search(rf"(?ms)^\[\[?{section}\]\]?$(.*?)(?=^\[|\Z)", REFERENCE)
    assert text, section
    lines = text[1].splitlines()
    place = next(i for i, line in enumerate(lines) if re.match(rf"#?{key} = ", line))
    above = []
    for line in reversed(lines[:place]):
        if re.match(r"#?\w+ = ", line) and not above:
            continue  # keys that share a comment
        if not line.startswith("# ") and line != "#":
            break
        above.insert(0, line.removeprefix("# ").removeprefix("#"))
    whole = re.sub(r"\s+", " ", " ".join(above)).strip()
    first = re.match(r"(.+?\.)(?= [A-Z\"\d]|$)", whole)
    told = whole if len(whole) <= WHOLE or first is None else first[1]
    return told.replace("|", "\\|") or "Whether there is one."


def _structs(annotation: Any) -> Iterator[type[Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _structs(inner)


TABLES: dict[str, Callable[[str], str]] = {"metrics": metrics, "keys": keys}

if __name__ == "__main__":
    for page in PAGES:
        page.write_text(made(page.read_text(encoding="utf-8")), encoding="utf-8")
