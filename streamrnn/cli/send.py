"""`send`: a recorded file to a daemon's `pull` input."""

import time
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
import zmq

from streamrnn.cli.keys import show_key
from streamrnn.config.schema import Columns
from streamrnn.errors import StreamrnnError
from streamrnn.messages import END, LABEL_ONLY, STAMPED, Batch, Floats
from streamrnn.recordings.rows import Form, Rows, configured

PATIENCE = 10_000  # ms to wait for somebody who takes what is sent
NO_TAKER = "is the daemon running, and is this the endpoint of one of its pull inputs?"


class Format(StrEnum):
    """How bodies are written."""

    JSON = "json"
    MSGPACK = "msgpack"


def command(
    file: Annotated[Path, typer.Argument(help="A .csv, .ndjson, .jsonl, .log or .txt file.", show_default=False)],
    endpoint: Annotated[str, typer.Argument(help="Where the daemon listens.", show_default=False)],
    columns: Annotated[Path | None, typer.Option(help="Configuration whose features and [columns] to use.")] = None,
    rate: Annotated[float, typer.Option(min=0.0, help="Observations a second; 0 is as fast as taken.")] = 0.0,
    frame: Annotated[int, typer.Option(min=1, help="Observations of a stream in one columnar message.")] = 1,
    secret: Annotated[Path | None, typer.Option(help="File with your key, where the daemon asks for one.")] = None,
    server: Annotated[str, typer.Option(help="The daemon's public key.")] = "",
    form: Annotated[Form | None, typer.Option("--as", help="What FILE is; without it, its ending tells.")] = None,
    body: Annotated[Format, typer.Option("--format", help="How the messages are written.")] = Format.JSON,
) -> None:
    """Send a recorded file to a daemon, row by row or in columns.

    Without --columns every column that is not stream, time, event, label, id, seq or end is a feature of its own name.
    Of a .log or .txt file every line is an event (its first 256 bytes); with --as bytes, every byte of any file.
    --as templates sends of every line what it has in common with others like it: numbers and names that vary are left
    out (by drain3: the extra "logs").

    \b
    Examples:
      streamrnn send flow.csv tcp://127.0.0.1:5555
      streamrnn send system.log tcp://127.0.0.1:5555 --as templates
      streamrnn send past.ndjson tcp://127.0.0.1:5555 --rate 100
      streamrnn send big.csv ipc:///run/streamrnn/in --columns config.toml --frame 64 --format msgpack
    """
    from streamrnn.evaluation.show import progress, refusals

    rows = open_rows(file, columns, form)
    encode = msgspec.json.encode if body is Format.JSON else msgspec.msgpack.encode
    begin, sent = time.monotonic(), 0
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket, progress("sending", rows.bytes) as advance:
        socket.setsockopt(zmq.SNDTIMEO, PATIENCE)
        socket.setsockopt(zmq.LINGER, PATIENCE)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # without a daemon, wait and say so instead of queueing into nothing
        show_key(socket, secret, server)
        _connect(socket, endpoint)
        for batch in rows.batches():
            for message, size in messages_of(batch, rows.features, frame, rows.ahead):
                if rate:
                    time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
                _send(socket, encode(message), endpoint)
                sent += size
            advance(rows.tally.position)
    typer.echo(f"sent {sent} observations in {time.monotonic() - begin:.1f} s")
    if rows.tally.refused:
        typer.echo(refusals(rows.tally), err=True)


def open_rows(file: Path, config: Path | None, form: Form | None = None) -> Rows:
    """The rows of a file, read as the configuration says or else as the header says."""
    if config is None:
        return Rows(file, Columns(name=file.stem), form=form)
    from streamrnn.config import schema as configuration

    read = configuration.load(config)
    return configured(file, read, form)


def messages_of(
    batch: Batch, features: tuple[str, ...], frame: int, ahead: tuple[str, ...] = ()
) -> Iterator[tuple[dict[str, Any], int]]:
    """The messages that say what a batch says, each with its number of observations; `ahead` as in `Rows`."""
    start = 0
    for name, length in zip(batch.names, batch.lengths.tolist(), strict=True):
        for part in _parts(batch, start, start + length, frame):
            single = frame == 1
            message = _single(batch, name, features, part.start) if single else _columns(batch, name, features, part)
            if batch.future is not None:
                message["future"] = _future(batch.future[part], ahead, single)
            yield message, part.stop - part.start
        start += length


def _parts(batch: Batch, start: int, stop: int, frame: int) -> Iterator[slice]:
    """A run in parts that columns can say: values, and times, are there for all rows of a part or for none."""
    form = batch.bits[start:stop] & (LABEL_ONLY | STAMPED)
    edges = [start, *(start + 1 + np.flatnonzero(np.diff(form))).tolist(), stop]
    for first, last in pairwise(edges):
        for begin in range(first, last, frame):
            yield slice(begin, min(begin + frame, last))


def _single(batch: Batch, name: str, features: tuple[str, ...], i: int) -> dict[str, Any]:
    message: dict[str, Any] = {"stream": name}
    if not batch.bits[i] & STAMPED:
        message["time"] = float(batch.time[i])
    if batch.event is not None:
        message["event"] = batch.symbols[int(batch.event[i])]
    if features and not batch.bits[i] & LABEL_ONLY:
        message["values"] = {f: _given(x) for f, x in zip(features, batch.values[i].tolist(), strict=True)}
    if batch.seq[i] >= 0:
        message["seq"] = int(batch.seq[i])
    if not np.isnan(batch.label[i]):
        message["label"] = float(batch.label[i])
    if i in batch.ids:
        message["id"] = batch.ids[i]
    if batch.bits[i] & END:
        message["end"] = True
    return message


def _columns(batch: Batch, name: str, features: tuple[str, ...], part: slice) -> dict[str, Any]:
    form, seq = int(batch.bits[part.start]), batch.seq[part].tolist()
    message: dict[str, Any] = {"stream": name}
    if not form & STAMPED:
        message["time"] = batch.time[part].tolist()
    if batch.event is not None:
        message["event"] = [batch.symbols[number] for number in batch.event[part].tolist()]
    if features and not form & LABEL_ONLY:
        columns = batch.values[part].T.tolist()
        message["values"] = {f: [_given(x) for x in column] for f, column in zip(features, columns, strict=True)}
    if max(seq) >= 0:
        message["seq"] = [number if number >= 0 else None for number in seq]
    if not np.isnan(batch.label[part]).all():
        message["label"] = [_given(x) for x in batch.label[part].tolist()]
    if batch.ids:
        message["id"] = [batch.ids.get(i) for i in range(part.start, part.stop)]
    if (batch.bits[part] & END).any():
        message["end"] = (batch.bits[part] & END != 0).tolist()
    return message


def _future(told: Floats, ahead: tuple[str, ...], single: bool) -> dict[str, Any]:
    """What is known ahead, by feature: a list with an entry a horizon, or a list of them."""
    names = [column.rpartition("+")[0] for column in ahead]
    found = {}
    for name in dict.fromkeys(names):
        places = [place for place, other in enumerate(names) if other == name]
        rows = [[_given(x) for x in row] for row in told[:, places].tolist()]
        found[name] = rows[0] if single else rows
    return found


def _given(x: float) -> float | None:
    return None if x != x else x


def _connect(socket: zmq.Socket[bytes], endpoint: str) -> None:
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        raise StreamrnnError(f"cannot connect to {endpoint}: {error}", "write it like tcp://127.0.0.1:5555") from None


def _send(socket: zmq.Socket[bytes], body: bytes, endpoint: str) -> None:
    try:
        socket.send(body)
    except zmq.Again:
        raise StreamrnnError(f"nobody takes messages at {endpoint}", NO_TAKER) from None
