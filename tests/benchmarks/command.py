"""How every benchmark is called, and the two forms in which it gives its figures: a table and JSON."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from streamrnn.evaluation.figures import Figure, write
from streamrnn.evaluation.show import table

DATA = Path(__file__).parents[3] / "shared" / "data"


def reader(
    doc: str | None, data: str | None = None, seeds: int | None = None, steps: int | None = None
) -> argparse.ArgumentParser:
    """A parser with --json, --data (default: the directory `data` of DATA), and --seeds and --steps if they are given.

    A benchmark adds what it needs besides; one without recorded data takes --data too and leaves it alone.
    """
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, metavar="FILE", help="write every figure as JSON")
    made.add_argument("--data", type=Path, default=DATA / data if data else None, help="directory of the recorded data")
    if seeds is not None:
        made.add_argument("--seeds", type=int, default=seeds, help=f"how many seeds, from 1 on (default {seeds})")
    if steps is not None:
        made.add_argument("--steps", type=int, default=steps, help=f"length of a run (default {steps:,})")
    return made


def recorded(directory: Path, *names: str) -> list[Path]:
    """The files of a data directory; ends the program with one sentence when one is not there."""
    paths = [directory / name for name in names]
    for path in paths:
        if not path.exists():
            sys.exit(f"{path} is not there: give the directory that holds it with --data")
    return paths


def finish(title: str, rows: Sequence[Figure], path: Path | None, goals: dict[str, str] | None = None) -> None:
    """Print the figures, each beside its goal where there is one, and write them when a path is given."""
    made = table(title, "figure", "value", "unit", "goal")
    for row in rows:
        shown = "-" if row.value is None else f"{row.value:,.4g}"
        made.add_row(row.name, shown, row.unit, (goals or {}).get(row.name, ""))
    Console(width=None if sys.stdout.isatty() else 120).print(made)
    if path is not None:
        write(path, rows)
