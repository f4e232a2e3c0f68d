"""A message in two holds what it held in one, whatever its form; what cannot be divided is left alone."""

import json

import msgspec
import numpy as np
import pytest

from streamrnn.wire import Decoder, Frame, Source
from streamrnn.wire.incoming.split import divided

OBSERVATIONS = [{"stream": f"s{k % 2}", "time": 10.0 * k, "values": {"flow": k + 0.1}, "seq": k} for k in range(5)]
COLUMNS = {
    "stream": "s",
    "time": [10.0, 20.0, 30.0, 40.0, 50.0],
    "values": {"flow": [1.5, None, 3.5, 4.5, 5.5]},
    "seq": [1, 2, 3, 4, 5],
    "id": ["a", None, "c", "d", "e"],
}
BODIES = {
    "array": json.dumps(OBSERVATIONS).encode(),
    "packed array": msgspec.msgpack.encode(OBSERVATIONS),
    "lines": b"\n".join(json.dumps(each).encode() for each in OBSERVATIONS) + b"\n\n",
    "columns": json.dumps(COLUMNS, indent=1).encode(),
    "packed columns": msgspec.msgpack.encode(COLUMNS),
    "columns in order": json.dumps({**COLUMNS, "values": [[1.0, 2.0, 3.0, 4.0, 5.0]]}).encode(),
    "columns that end": json.dumps({**COLUMNS, "end": True}).encode(),
}


def read(*bodies: bytes) -> tuple[list[float], ...]:
    """Streams, times, values, numbers and marks of all observations."""
    found = Decoder(("flow",), "forecast", (Source(),), 100).decode([Frame(0, 1.0, b"", body) for body in bodies])
    assert not found.refusals
    batch = found.batch
    names = np.repeat(np.array(batch.names), batch.lengths)
    return names.tolist(), batch.time.tolist(), repr(batch.values), batch.seq.tolist(), batch.bits.tolist()


@pytest.mark.parametrize("form", BODIES)
@pytest.mark.parametrize("at", [1, 3, 4])
def test_the_two_hold_what_the_one_held(form: str, at: int) -> None:
    parts = divided(BODIES[form], 5, at)
    assert parts is not None
    assert read(*parts) == read(BODIES[form])
    assert len(read(parts[0])[0]) == at


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (json.dumps(OBSERVATIONS[0]).encode(), 1),
        (json.dumps(OBSERVATIONS[0]).encode(), 5),
        (BODIES["array"], 6),
        (BODIES["lines"], 4),
        (BODIES["columns"], 7),
        (json.dumps({"stream": "s", "values": {"flow": [1.0, 2.0], "level": [1.0]}}).encode(), 2),
        (b"", 3),
        (b"\xc1\x00", 3),
        (b"[" * 100_000, 3),
        (b"\xff\xfe{}", 3),
    ],
)
def test_what_cannot_be_told_apart_is_left_alone(body: bytes, count: int) -> None:
    assert divided(body, count, 1) is None
