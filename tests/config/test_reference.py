"""config/reference.toml says all that can be written, and nothing else."""

import re
import types
import typing
from pathlib import Path

import msgspec
import pytest

from streamrnn import spec
from streamrnn.config import schema

PATH = Path(__file__).parents[2] / "config" / "reference.toml"
TEXT = PATH.read_text(encoding="utf-8")
SETTABLE = re.sub(r"(?m)^#(?=\w+ = )", "", TEXT)  # with the keys whose default follows from others


def structs_in(annotation):
    """The Structs that may stand where this type is asked for."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [annotation]
    return [found for inner in typing.get_args(annotation) for found in structs_in(inner)]


def sections():
    """(name of the section, Struct) of the file."""
    for name, annotation in typing.get_type_hints(schema.Config).items():
        yield from ((name, struct) for struct in structs_in(annotation))


def chosen_parts():
    for annotation in typing.get_type_hints(spec.Model).values():
        yield from (part for part in structs_in(annotation) if part is not spec.Feature)


def section_text(name):
    found = re.search(rf"(?ms)^\[\[?{name}\]\]?$(.*?)(?=^\[|\Z)", TEXT)
    assert found, f"no section [{name}]"
    return found[1]


def test_it_loads_to_the_defaults():
    assert schema.load(PATH) == schema.Config(model=spec.Model(features=("flow",)))


@pytest.mark.parametrize(("section", "struct"), list(sections()), ids=lambda x: getattr(x, "__name__", x))
def test_every_key_stands_in_its_section_under_a_comment(section, struct):
    lines = section_text(section).splitlines()
    keys = {match[1]: i for i, line in enumerate(lines) if (match := re.match(r"#?(\w+) = ", line))}
    assert set(keys) == set(struct.__struct_fields__)
    for key, i in keys.items():
        above = next(line for line in reversed(lines[:i]) if not re.match(r"#?\w+ = ", line))
        assert above.startswith("# ") or key == "enabled", f"{key} is not explained"


@pytest.mark.parametrize(
    "part", list({part.__name__: part for part in chosen_parts()}.values()), ids=lambda p: p.__name__
)
def test_every_part_and_its_settings_are_named(part):
    text = section_text("model")
    tag = part.__struct_config__.tag
    assert re.search(rf'"{tag}"|  {tag} ', text)
    around = text[max(0, text.find(tag) - 600) :]
    for name in part.__struct_fields__:
        assert re.search(rf"\b{name}\b", around), f"{tag}.{name}"


def test_all_that_can_be_said_of_a_feature_is_named_and_shown():
    text = section_text("model")
    shown = schema.parse(SETTABLE).model.feature.values()
    for field in msgspec.structs.fields(spec.Feature):
        assert re.search(rf"(?m)^#   [\w, ]*\b{field.name}\b", text), field.name
        assert any(getattr(one, field.name) != field.default for one in shown), field.name


@pytest.mark.parametrize("annotation", [spec.Layer, spec.Expert, spec.Head, spec.Optimiser, spec.Monitor])
def test_stated_defaults_of_parts_are_the_defaults(annotation):
    """A default in brackets or in an example is the one in the code."""
    text = section_text("model")
    for part in annotation.__args__ if isinstance(annotation, types.UnionType) else [annotation]:
        for field in msgspec.structs.fields(part):
            value = field.default
            if isinstance(value, tuple):
                shown = {str(list(value))}
            elif isinstance(value, str | bool):
                shown = {str(value).lower()}
            else:
                shown = {f"{value}", f"{value:g}", f"{value:.3f}"}
            assert any(number in text for number in shown), f"{part.__name__}.{field.name} = {value}"


def test_the_keys_that_are_commented_out_can_be_set():
    read = schema.parse(SETTABLE)
    assert isinstance(read.model, spec.Model)
    for struct in (read, read.model, read.input[0], read.columns):
        for name in struct.__struct_fields__:
            assert getattr(struct, name) is not None, name


def test_choices_are_all_named():
    for name, struct in sections():
        for field, annotation in typing.get_type_hints(struct).items():
            if typing.get_origin(annotation) is typing.Literal:
                for choice in typing.get_args(annotation):
                    assert f'"{choice}"' in section_text(name), f"{name}.{field}: {choice}"
