"""What a state directory or a backup holds, for a reader: checked, as a canonical dump, one stream in numbers.

The dump has one line a stream and a producer, sorted, without anything that differs between two runs that received the
same (times, versions, log sequence numbers); so equal digests are equal states, bit for bit.
"""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from streamrnn.config.schema import Limits
from streamrnn.errors import StreamrnnError
from streamrnn.model.layout import Layout
from streamrnn.model.prior import Prior
from streamrnn.model.transfer import indices
from streamrnn.service.ingest.producers import ProducerSessions
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.journal import Journal
from streamrnn.service.storage.store import READ_ONLY, Store

_TYPES = {"f32": np.float32, "f64": np.float64, "i64": np.int64}


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """A state directory or a database file, for reading. Raises SnapshotError or StorageError."""
    with closing(Store(path, READ_ONLY, 0.0)) as store:
        yield store


def check(store: Store) -> dict[str, Any]:
    """Read all of it with its checksums: what there is, and whose rows are damaged. Raises SnapshotError."""
    checkpoint, journal = Checkpoint(store), Journal(store)
    streams = sum(bool(row.blob) for row in checkpoint.load())
    frames = sum(len(part) for part in journal.replay(0))
    about = store.about()
    return {
        "file": str(store.file),
        "format": int(about["format"]),
        "uuid": about["uuid"],
        "written_by": msgspec.json.decode(about.get("versions", "{}")),
        "streams": streams,
        "damaged": checkpoint.damaged,
        "producers": len(ProducerSessions(store, Limits())),
        "journal_frames": frames,
        "waiting": journal.waiting,
        "lsn": journal.last,
    }


def dump(store: Store) -> Iterator[dict[str, Any]]:
    """The canonical dump, line by line, and last its SHA-256."""
    whole = hashlib.sha256()
    for line in _lines(store):
        whole.update(msgspec.json.encode(line) + b"\n")
        yield line
    yield {"waiting": Journal(store).waiting, "sha256": whole.hexdigest()}


def _lines(store: Store) -> Iterator[dict[str, Any]]:
    for row in sorted((row for row in Checkpoint(store).load() if row.blob), key=lambda row: row.name):
        yield {
            "stream": row.name,
            "bytes": len(row.blob),
            "layout": hashlib.sha256(msgspec.json.encode(sorted(row.layout.items()))).hexdigest()[:16],
            "sha256": hashlib.sha256(row.blob).hexdigest(),
            "topic_seq": row.counts,
            **({"held": hashlib.sha256(row.held).hexdigest()} if row.held else {}),
        }
    for user, source, epoch, seq in ProducerSessions(store, Limits()).marks():
        yield {"user": user, "source": source, "epoch": epoch, "seq": seq}


def export(store: Store, stream: str) -> dict[str, Any]:
    """One stream's row as named lists of numbers. Raises StreamrnnError for an unknown stream."""
    for row in Checkpoint(store).load():
        if row.name == stream and row.blob:
            return {"stream": stream, "applied_lsn": row.applied, "slices": dict(_slices(row.layout, row.blob))}
    raise StreamrnnError(f"no stream {stream!r} in {store.file}", "`streamrnn state dump` lists them")


def prior(store: Store, stream: str) -> Prior:
    """What one stream can give new ones to begin with. Raises StreamrnnError for an unknown stream."""
    for row in Checkpoint(store).load():
        if row.name == stream and row.blob:
            return Prior(stream, row.layout, row.blob)
    raise StreamrnnError(f"no stream {stream!r} in {store.file}", "`streamrnn state dump` lists them")


def _slices(layout: Layout, blob: bytes) -> Iterator[tuple[str, list[float | int | None]]]:
    """Every slice of a row, plane after plane; a number that is not finite is null."""
    start = 0
    for plane, kind in _TYPES.items():
        width, size = layout.get(f"width.{plane}", [0, 0])
        row = np.frombuffer(blob[start : start + width * size], kind)
        for name, place in layout.items():
            if name.startswith(f"{plane}."):
                numbers = row[indices(place)].ravel().tolist()
                yield name, [number if number - number == 0 else None for number in numbers]
        start += width * size
