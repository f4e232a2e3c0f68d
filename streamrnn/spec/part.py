"""What every part of a spec is: plain settings, a `kind`, and an identity under which its state is stored.

An identity is the kind and those settings that change the meaning of the numbers a part keeps. State of equal identity
is taken over by the next start, the next version and the next configuration; everything else begins anew. So the rules
for whoever adds a setting are:

- One that only tunes (a rate, a threshold, a clip) stays out of `meaning`: a change of it drops nothing.
- One that changes what the stored numbers mean goes into `meaning` with the value under which the part did before what
  it does now: there it is not written, so the name of what is stored already does not change. `ALWAYS` is for settings
  that a kind had from its first release on.
- A value in `meaning` never changes once it is released, even if the setting's default does.

`tests/laws/test_identity.py` holds every setting of every part to one of the two.
"""

from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta, Struct

__all__ = ["ALWAYS", "Part", "kind"]

ALWAYS: Final = object()  # a setting that every identity of its kind names

Meaning = dict[str, Any]  # setting -> the value at which it is not named

Size = Annotated[int, Meta(ge=1, le=1024)]
Positive = Annotated[float, Meta(gt=0.0)]
Fraction = Annotated[float, Meta(gt=0.0, lt=1.0)]
NonNegative = Annotated[float, Meta(ge=0.0)]
Seconds = Annotated[float, Meta(ge=0.0, extra={"unit": "seconds"})]
Period = Annotated[float, Meta(gt=0.0, extra={"unit": "seconds"})]
Stride = Annotated[int, Meta(ge=1, le=512)]


class Part(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """A part that is chosen by its `kind`."""

    meaning: ClassVar[Meaning] = {}

    def identity(self) -> str:
        """Kind and meaning in one line, as in `gru(size=16)`; see this module."""
        named = [
            f"{setting}={_text(getattr(self, setting))}"
            for setting, silent in sorted(self.meaning.items())
            if silent is ALWAYS or getattr(self, setting) != silent
        ]
        return f"{kind(self)}({', '.join(named)})" if named else kind(self)


def kind(part: Part) -> str:
    """What an operator writes as its `kind`."""
    return str(part.__struct_config__.tag)


def _text(value: Any) -> str:
    """A setting's value: equal numbers are equal texts, whether they were written as 1 or as 1.0."""
    if isinstance(value, tuple):
        return "/".join(_text(each) for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
