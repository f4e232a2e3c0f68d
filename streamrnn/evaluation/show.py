"""Tables and progress bars, the same in every command. Progress goes to standard error, answers to standard output."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from streamrnn.errors import StreamrnnError
from streamrnn.recordings.rows import Tally

WORD = 2.5  # s without a word, at most


@contextmanager
def progress(what: str, total: float) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, nothing elsewhere; call with how much of `total` is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def compiling() -> Iterator[None]:
    """Say on standard error that a model is made ready, how long it may take, and how long it took."""
    begin, done = time.monotonic(), threading.Event()

    def tell() -> None:
        while not done.wait(WORD):
            spent = time.monotonic() - begin
            print(f"compiling, {spent:.0f} s (a first start takes about a minute)", file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def table(title: str, *columns: str) -> Table:
    """An empty table; the first column is words, the others are numbers."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for i, column in enumerate(columns):
        made.add_column(column, justify="right" if i else "left", no_wrap=i > 0)
    return made


def number(value: float | None, digits: int = 2) -> str:
    """A number to read; what has diverged is told by its size."""
    if value is None or value != value:
        return "-"
    return f"{value:.{digits}f}" if abs(value) < 1e4 else f"{value:.0e}"


def refuse_unwritable(*paths: Path | None) -> None:
    """Raise StreamrnnError for a file that could not be written in the end, before the work begins."""
    for path in paths:
        if path is None:
            continue
        target = path if path.exists() else path.parent
        if path.is_dir() or not os.access(target, os.W_OK):
            raise StreamrnnError(f"cannot write {path}", "give a file in a directory that exists and is yours")


def left_out(tally: Tally) -> list[str]:
    """What of a file was not used, a sentence each: rows, and cells that are no numbers."""
    found = []
    if tally.refused:
        reasons = ", ".join(f"{reason} {count}" for reason, count in tally.refused.most_common())
        found.append(f"left out {tally.refused.total()} rows ({reasons}); the first: {tally.first_refusal}")
    for name, count in tally.odd.most_common():
        many = "  MOST OF THE COLUMN" if 2 * count > tally.read else ""
        if count:
            found.append(f"{name}: {count} cells are no numbers and count as missing ({tally.first_odd[name]}){many}")
    return found


def percent(value: float | None) -> str:
    """A share to read."""
    return "-" if value is None or value != value else f"{100 * value:.1f} %"


def size(count: float) -> str:
    """Bytes to read."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def moment(seconds: float) -> str:
    """A time to read, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
