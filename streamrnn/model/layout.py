"""Widths and offsets of a row: the only arithmetic on where things are."""

from dataclasses import dataclass, field

ALIGN = 16  # numbers; rows begin on a cache line


@dataclass(slots=True)
class Plane:
    """One plane's slices in order; `add` returns where the slice begins."""

    name: str
    width: int = 0
    slices: dict[str, list[int]] = field(default_factory=dict)

    def add(self, name: str, length: int) -> int:
        offset, title = self.width, f"{self.name}.{name}"
        assert title not in self.slices, title
        self.slices[title] = [offset, length]
        self.width += length
        return offset

    def close(self) -> int:
        """Pad to the next cache line; returns the width."""
        self.width = -(-self.width // ALIGN) * ALIGN
        return self.width
