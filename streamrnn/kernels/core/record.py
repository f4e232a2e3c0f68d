"""Records: names for the places of a flat array.

    class Clock(Record):
        TIME: int  # seconds
        RING: int = many(15)

numbers its annotated fields in their order, so `clock[Clock.TIME]` reads one; a field of several numbers says how many,
and one of none marks where something else begins. A record that derives from another goes on behind it. Kernels take
the fields as compile-time constants (jit.py makes Numba see a record as it sees a module), so that a wrong name is an
error of compilation and a right one costs nothing.
"""


def many(count: int) -> int:
    """A field of `count` numbers."""
    return count


class Numbered(type):
    """Numbers the annotated fields of a record; what is assigned without an annotation stays as it is."""

    WIDTH: int

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, object]) -> "Numbered":
        """The class with its fields numbered, and WIDTH, the numbers of all of them."""
        at = max((base.WIDTH for base in bases if isinstance(base, Numbered)), default=0)
        fields: dict[str, object] = space.get("__annotations__", {})  # type: ignore[assignment]
        for field in fields:
            length = space.get(field, 1)
            assert isinstance(length, int)
            space[field] = at
            at += length
        space["WIDTH"] = at
        return super().__new__(cls, name, bases, space)


class Record(metaclass=Numbered):
    """The base of all records."""
