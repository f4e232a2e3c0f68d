"""What a configuration may write for a value: `${NAME}` from the environment, and numbers with a unit ("30s", "64MiB").

Both are replaced in the text's own tree before it is checked, where the key's type says that a number is meant: `Meta`
of a key in seconds or bytes names its unit. So `port = "${PORT}"` is a number, and `stream = "30s"` stays a name.
"""

import re
from typing import Any

from msgspec import inspect

from streamrnn.errors import ConfigError

UNITS: dict[str, dict[str, float]] = {
    "seconds": {"ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0},
    "bytes": {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MEASURE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)")


def fill(type_: inspect.Type, raw: Any, environment: dict[str, str]) -> Any:
    """`raw`, a tree of what TOML knows, with variables and units replaced. Raises ConfigError for an unset variable."""
    unit = (getattr(type_, "extra", None) or {}).get("unit")
    type_ = bare(type_)
    if isinstance(raw, dict):
        return {name: fill(_of_key(type_, raw, name), value, environment) for name, value in raw.items()}
    if isinstance(raw, list):
        return [fill(item_of(type_), value, environment) for value in raw]
    if not isinstance(raw, str):
        return raw
    return _scalar(type_, raw, _VARIABLE.sub(lambda match: _lookup(match[1], environment), raw), unit)


def _scalar(type_: inspect.Type, raw: str, text: str, unit: str | None) -> Any:
    """What `text`, which was written as `raw`, means where a value of this type stands."""
    kinds = [bare(each) for each in getattr(type_, "types", (type_,))]
    if any(isinstance(kind, inspect.StrType | inspect.AnyType) for kind in kinds):
        return text
    measured = _measured(text, unit) if unit else None
    if measured is None and text != raw:
        return _plain(text)
    whole = measured is not None and measured.is_integer() and any(isinstance(kind, inspect.IntType) for kind in kinds)
    return text if measured is None else int(measured) if whole else measured


def bare(type_: inspect.Type) -> inspect.Type:
    """A type without what is said beside it, and a type that may be left out without that."""
    while isinstance(type_, inspect.Metadata):
        type_ = type_.type
    if isinstance(type_, inspect.UnionType):
        others = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
        return bare(others[0]) if len(others) == 1 else type_
    return type_


def item_of(type_: inspect.Type) -> inspect.Type:
    """The type of an entry of a list; of anything, where the type is no list."""
    type_ = bare(type_)
    return type_.item_type if isinstance(type_, inspect.VarTupleType | inspect.ListType) else inspect.AnyType()


def variant(type_: inspect.Type, raw: dict[str, Any]) -> inspect.Type:
    """Of several Structs told apart by a tag, the one that `raw` names; anything else stays as it is."""
    for each in getattr(type_, "types", ()):
        if isinstance(each, inspect.StructType) and raw.get(each.tag_field or "") == each.tag:
            return each
    return type_


def _of_key(type_: inspect.Type, raw: dict[str, Any], name: str) -> inspect.Type:
    found = variant(type_, raw)
    if isinstance(found, inspect.DictType):
        return found.value_type
    fields = getattr(found, "fields", ())
    return next((field.type for field in fields if field.encode_name == name), inspect.AnyType())


def _measured(text: str, unit: str) -> float | None:
    """A number with one of the unit's names behind it, in that unit; None for anything else."""
    match = _MEASURE.fullmatch(text.strip())
    return float(match[1]) * UNITS[unit][match[2]] if match and match[2] in UNITS[unit] else None


def _plain(text: str) -> Any:
    """What an environment variable says where no text is wanted: a number, true or false; else the text."""
    if text in ("true", "false"):
        return text == "true"
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _lookup(name: str, environment: dict[str, str]) -> str:
    if name not in environment:
        raise ConfigError(f"${{{name}}} is not set in the environment", f"export {name} or write the value out")
    return environment[name]
