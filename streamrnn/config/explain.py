"""What is wrong with a configuration, where it stands, and what to write instead.

msgspec decides whether a file is right. Where it refuses one, the tree is walked again beside the types, to say of the
first thing that does not fit: its key, its line, the choices, and the nearest of them.
"""

import difflib
import pathlib
import re
from dataclasses import dataclass
from typing import Any

from msgspec import inspect

from streamrnn.config.environment import UNITS, bare, item_of, variant
from streamrnn.errors import ConfigError

OTHER_NAMES = {  # what other programs call it: the key here
    "lr": "rate", "learning_rate": "rate", "min": "lower", "max": "upper", "type": "kind", "units": "size",
    "hidden": "size", "hidden_size": "size", "tz": "timezone", "horizon": "horizons", "target": "targets",
    "endpoint": "host", "address": "endpoint", "url": "endpoint", "topic": "topics", "loglevel": "level",
    "forgetting": "forget", "lambda": "forget", "dir": "path", "directory": "path",
}  # fmt: skip
Path = tuple[str | int, ...]  # keys and indices
MOST_CHOICES = 24  # that a hint lists


@dataclass(frozen=True)
class Complaint:
    """What is wrong at `path` (its keys and indices), and what to write instead."""

    path: Path
    message: str
    hint: str


def explained(root: inspect.Type, raw: Any, text: str, otherwise: str) -> ConfigError:
    """The error for a tree that does not fit `root`; `otherwise` is what msgspec said of it."""
    complaint = find(root, raw, (), root)
    if complaint is None:
        return ConfigError(otherwise, f"{reference()} has every key with its range")
    name, line = spelled(complaint.path), line_of(text, complaint.path)
    where = f"line {line}: " if line else ""
    return ConfigError(f"{where}{name}{': ' if name else ''}{complaint.message}", complaint.hint)


def reference() -> pathlib.Path:
    """The file with every key: it comes with the package, beside this one; in the source it is in config/."""
    installed = pathlib.Path(__file__).with_name("reference.toml")
    return installed if installed.exists() else pathlib.Path(__file__).parents[2] / "config" / "reference.toml"


def find(type_: inspect.Type, raw: Any, path: Path, root: inspect.Type) -> Complaint | None:
    """The first thing in `raw` that does not fit its type."""
    unit = (getattr(type_, "extra", None) or {}).get("unit", "")
    found = bare(type_)
    if isinstance(found, inspect.StructType) or _tagged(found):
        return _struct(found, raw, path, root)
    if isinstance(found, inspect.DictType):
        return _mapping(found, raw, path, root)
    if isinstance(found, inspect.VarTupleType | inspect.ListType):
        return _list(found, raw, path, root)
    if isinstance(found, inspect.LiteralType):
        return _choice(raw, [str(value) for value in found.values], path)
    return _scalar(found, raw, path, unit)


def _tagged(type_: inspect.Type) -> bool:
    return isinstance(type_, inspect.UnionType) and any(isinstance(each, inspect.StructType) for each in type_.types)


def _struct(type_: inspect.Type, raw: Any, path: Path, root: inspect.Type) -> Complaint | None:
    if not isinstance(raw, dict):
        return _no_table(raw, path, root)
    if _tagged(type_):
        tags = sorted(str(each.tag) for each in type_.types if isinstance(each, inspect.StructType))  # type: ignore[attr-defined]
        if "kind" not in raw:
            instead = f'write kind = "{raw["type"]}"' if "type" in raw else f"kind = one of {', '.join(tags)}"
            return Complaint(path, "it names no `kind`", instead)
        if complaint := _choice(raw["kind"], tags, (*path, "kind")):
            return complaint
        type_ = variant(type_, raw)
    fields = {field.encode_name: field for field in getattr(type_, "fields", ())}
    tag = getattr(type_, "tag_field", None)
    for name, value in raw.items():
        if name == tag:
            continue
        if name not in fields:
            return _unknown(name, sorted(fields), path, root)
        if complaint := find(fields[name].type, value, (*path, name), root):
            return complaint
    missing = [name for name, field in fields.items() if field.required and name not in raw]
    return Complaint(path, f"`{missing[0]}` is missing", f"write [{missing[0]}]") if missing else None


def _mapping(type_: inspect.DictType, raw: Any, path: Path, root: inspect.Type) -> Complaint | None:
    if not isinstance(raw, dict):
        return _no_table(raw, path, root)
    found = (find(type_.value_type, value, (*path, name), root) for name, value in raw.items())
    return next((complaint for complaint in found if complaint), None)


def _list(type_: inspect.Type, raw: Any, path: Path, root: inspect.Type) -> Complaint | None:
    if isinstance(raw, dict) and isinstance(bare(item_of(type_)), inspect.StructType):
        return Complaint(path, "there may be several of it", f"write [[{path[-1]}]], in double brackets")
    if not isinstance(raw, list):
        return Complaint(path, f"a list is wanted, {_said(raw)} is none", f"write {path[-1]} = [{_toml(raw)}]")
    found = (find(item_of(type_), value, (*path, number), root) for number, value in enumerate(raw))
    return next((complaint for complaint in found if complaint), None)


def _no_table(raw: Any, path: Path, root: inspect.Type) -> Complaint:
    """A table is wanted, and something else is there; perhaps the list of nearly the same name was meant."""
    name = str(path[-1]) if path else ""
    if isinstance(raw, list | str) and f"{name}s" in _fields(root, path[:-1]):
        return Complaint(path, f"a table is wanted, {_said(raw)} is none", f"did you mean {name}s = {_toml(raw)}?")
    return Complaint(path, f"a table is wanted, {_said(raw)} is none", f"write [{spelled(path)}] and its keys below it")


def _choice(raw: Any, choices: list[str], path: Path) -> Complaint | None:
    if raw in choices:
        return None
    return Complaint(
        path, f"{_said(raw)} is not one of {_listed(choices)}", _nearest(str(raw), choices) or "choose one"
    )


def _scalar(type_: inspect.Type, raw: Any, path: Path, unit: str) -> Complaint | None:
    wanted = {"IntType": "a whole number", "FloatType": "a number", "BoolType": "true or false", "StrType": "a text"}
    kind = wanted.get(type(type_).__name__, "")
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    fits = {
        "a whole number": number and float(raw).is_integer(),
        "a number": number,
        "true or false": isinstance(raw, bool),
        "a text": isinstance(raw, str),
    }
    if kind and not fits[kind]:
        return Complaint(path, f"{kind} is wanted, {_said(raw)} is none", _instead(kind, raw, path, unit))
    bounds = _bounds(type_) if number else []
    said = " and ".join(f"{words} {bound:g}" for words, bound, good in bounds if not good(raw, bound))
    if said:
        whole = " and ".join(f"{words} {bound:g}" for words, bound, _ in bounds)
        return Complaint(path, f"{raw:g} is not {said}", f"it is {whole}")
    pattern = getattr(type_, "pattern", None)
    if pattern and isinstance(raw, str) and not re.search(pattern, raw):
        return Complaint(path, f"{_said(raw)} has another form", f"it matches {pattern}")
    return None


def _instead(kind: str, raw: Any, path: Path, unit: str) -> str:
    name = path[-1] if isinstance(path[-1], str) else spelled(path)
    if kind == "a text":
        return f'write {name} = "{raw}"' if not isinstance(raw, dict | list) else f'write {name} = "..."'
    if isinstance(raw, str):
        if re.fullmatch(r"[-+]?[0-9.]+", raw) or raw in ("true", "false"):
            return f"write {name} = {raw}, without quotes"
        if unit:
            return f"a number of {unit}, or a number with one of {', '.join(UNITS[unit])} behind it"
    return f"write {name} = {'true' if kind == 'true or false' else 1}"


def _bounds(type_: inspect.Type) -> list[tuple[str, float, Any]]:
    rows = [
        ("above", getattr(type_, "gt", None), lambda x, bound: x > bound),
        ("at least", getattr(type_, "ge", None), lambda x, bound: x >= bound),
        ("below", getattr(type_, "lt", None), lambda x, bound: x < bound),
        ("at most", getattr(type_, "le", None), lambda x, bound: x <= bound),
    ]
    return [(words, bound, good) for words, bound, good in rows if bound is not None]


def _unknown(name: str, keys: list[str], path: Path, root: inspect.Type) -> Complaint:
    """A key that is not known here: perhaps it is misspelled, or stands in another table."""
    where = f"[{spelled(path)}]" if path else "the top of the file"
    message = f"no key `{name}` in {where}"
    if not path:
        homes = [table for table in _fields(root, ()) if name in _fields(root, (table,))]
        if homes:
            return Complaint((name,), message, f"it belongs below [{homes[0]}], which is missing or stands after it")
    nearest = OTHER_NAMES.get(name) if OTHER_NAMES.get(name) in keys else None
    hint = f"did you mean `{nearest}`?" if nearest else _nearest(name, keys)
    listed = f"there are {_listed(keys)}"
    return Complaint((*path, name), message, f"{hint} {listed}" if hint else listed)


def _fields(root: inspect.Type, path: Path) -> list[str]:
    """Names of the keys of the table at `path`, none where there is no such table."""
    found = bare(root)
    for step in path:
        inner = next((field.type for field in getattr(found, "fields", ()) if field.encode_name == step), None)
        if inner is None:
            return []
        found = bare(inner)
        found = bare(item_of(found)) if isinstance(found, inspect.VarTupleType) else found
    return [field.encode_name for field in getattr(found, "fields", ())]


def _nearest(name: str, choices: list[str]) -> str:
    lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), list(lower), 1, 0.6)
    return f"did you mean `{lower[close[0]]}`?" if close else ""


def _listed(choices: list[str]) -> str:
    return ", ".join(choices[:MOST_CHOICES]) + (", ..." if len(choices) > MOST_CHOICES else "")


def _said(raw: Any) -> str:
    if isinstance(raw, dict):
        return "a table"
    return repr(raw)[:60] if not isinstance(raw, bool) else str(raw).lower()


def _toml(raw: Any) -> str:
    if isinstance(raw, list):
        return f"[{', '.join(_toml(each) for each in raw)}]"
    return f'"{raw}"' if isinstance(raw, str) else str(raw).lower() if isinstance(raw, bool) else str(raw)


def spelled(path: Path) -> str:
    """A path as the documentation writes it: model.layers[0].kind."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def line_of(text: str, path: Path) -> int:
    """The line, from 1 on, on which the longest beginning of `path` that is found stands; 0 where none is."""
    longest, found = 0, 0
    table: Path = ()
    tables: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.match(r"\s*\[(\[?)([^\]]+)\]", line):
            table = here = tuple(part.strip().strip("\"'") for part in match[2].split("."))
            if match[1]:
                tables[here] = tables.get(here, -1) + 1
                table = here = (*here, tables[here])
        elif match := re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line):
            here = (*table, *(part.strip("\"'") for part in match[1].split(".")))
        else:
            continue
        if len(here) > longest and here == path[: len(here)]:
            longest, found = len(here), number
    return found
