"""`send`: a recorded file, or what comes on standard input, to an input of a daemon; and what became of it."""

import time
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
import numpy as np
import typer
import zmq

from streamrnn.cli.keys import show_key
from streamrnn.client.connect import Keys
from streamrnn.client.meeting import Meeting, meet
from streamrnn.client.producer import Producer
from streamrnn.config.schema import Columns, Input, Output
from streamrnn.errors import StreamrnnError
from streamrnn.messages import END, LABEL_ONLY, STAMPED, Batch, Floats
from streamrnn.recordings.rows import BATCH, Form, Rows, configured
from streamrnn.wire.topics import DEAD_LETTER, topic_of

PATIENCE = 10_000  # ms to wait for somebody who takes what is sent, once somebody is there
QUIET = 500  # ms without a dead letter after which none is expected
FILE = "A .csv, .ndjson, .log or .txt file, packed or not; - is standard input."
LISTENED = 100  # streams whose predictions are listened to


class Format(StrEnum):
    """How bodies are written."""

    JSON = "json"
    MSGPACK = "msgpack"


class Sink(Protocol):
    """Where messages go. `refused` counts what was refused, by reason, and `first` says why the first was; `taken`
    whether anything was, None where nobody can tell."""

    refused: Counter[str]
    first: str
    taken: bool | None

    def send(self, body: bytes, stream: str, observations: int) -> None:
        """Send one message. Raises StreamrnnError when nobody takes it."""

    def finish(self) -> None:
        """Wait for what is still to be said."""


def command(
    file: Annotated[Path, typer.Argument(help=FILE, show_default=False)],
    endpoint: Annotated[str, typer.Argument(help="Where the daemon listens.", show_default=False)],
    columns: Annotated[Path | None, typer.Option(help="Configuration whose features and [columns] to use.")] = None,
    rate: Annotated[float, typer.Option(min=0.0, help="Observations a second; 0 is as fast as taken.")] = 0.0,
    frame: Annotated[int, typer.Option(min=1, help="Observations of a stream in one columnar message.")] = 1,
    secret: Annotated[Path | None, typer.Option(help="File with your key, where the daemon asks for one.")] = None,
    server: Annotated[str, typer.Option(help="The daemon's public key.")] = "",
    form: Annotated[Form | None, typer.Option("--as", help="What FILE is; without it, its ending tells.")] = None,
    body: Annotated[Format, typer.Option("--format", help="How the messages are written.")] = Format.JSON,
    output: Annotated[str, typer.Option(help="Where the daemon publishes, to hear what it refuses.")] = "",
) -> None:  # fmt: skip
    """Send a recorded file to a daemon, row by row or in columns, and say what was refused and why; exits with 1 when
    nothing was taken.

    Without --columns every column that is not stream, time, event, label, id, seq or end is a feature of its own name.
    Of a .log or .txt file every line is an event (its first 256 bytes); with --as bytes, every byte of any file.
    --as templates sends of every line what it has in common with others like it: numbers and names that vary are left
    out (by drain3: the extra "logs").

    A router input acknowledges what is on its disk. Of other inputs dead letters tell what was refused, on --output, by
    default that of the configuration, or tcp://127.0.0.1:5556 beside tcp://127.0.0.1:5555.

    \b
    Examples:
      streamrnn send flow.csv tcp://127.0.0.1:5555
      streamrnn send system.log tcp://127.0.0.1:5555 --as templates
      streamrnn send past.ndjson tcp://127.0.0.1:5555 --rate 100
      tail -f now.ndjson | streamrnn send - tcp://127.0.0.1:5555
      streamrnn send big.csv ipc:///run/streamrnn/in --columns config.toml --frame 64 --format msgpack
    """
    from streamrnn.evaluation.show import left_out, progress

    rows = open_rows(file, columns, form)
    if rows.told:
        typer.echo(rows.told, err=True)
    encode = msgspec.json.encode if body is Format.JSON else msgspec.msgpack.encode
    with zmq.Context() as context:
        sink = open_sink(context, endpoint, output or _output_of(columns, endpoint), (secret, server))
        begin, sent = time.monotonic(), 0
        with progress("sending", rows.bytes) as advance:
            for batch in rows.batches(1 if rows.source.piped else BATCH):
                for message, size in messages_of(batch, rows.features, frame, rows.ahead):
                    if rate:
                        time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
                    sink.send(encode(message), message["stream"], size)
                    sent += size
                advance(rows.tally.position)
        sink.finish()
        typer.echo(f"sent {sent} observations in {time.monotonic() - begin:.1f} s{_became(sink)}")
    for line in left_out(rows.tally):
        typer.echo(line, err=True)
    if sink.taken is False:
        raise typer.Exit(1)


def _became(sink: Sink) -> str:
    """What became of what was sent, behind the count."""
    if not sink.refused:
        return "" if sink.taken is None else "; all taken"
    reasons = ", ".join(f"{reason} {count}" for reason, count in sink.refused.most_common())
    rest = "; nothing was taken" if sink.taken is False else ""
    return f"; {sink.refused.total()} refused ({reasons}), the first: {sink.first}{rest}"


def _output_of(columns: Path | None, endpoint: str) -> str:
    """Where the daemon behind an input publishes, "" where nothing says it."""
    if columns is not None:
        from streamrnn.config.schema import load

        return load(columns).output.endpoint
    return Output().endpoint if endpoint == Input().endpoint else ""


def open_sink(
    context: "zmq.Context[zmq.Socket[bytes]]", endpoint: str, output: str, key: tuple[Path | None, str]
) -> Sink:
    """What takes messages at an endpoint: a `pull` or a `router` input. Raises StreamrnnError, within two seconds."""
    socket = context.socket(zmq.PUSH)
    socket.setsockopt(zmq.SNDTIMEO, PATIENCE)
    socket.setsockopt(zmq.IMMEDIATE, 1)  # without a daemon, wait and say so instead of queueing into nothing
    socket.setsockopt(zmq.LINGER, 0)
    show_key(socket, *key)
    told = meet(socket, endpoint)
    if told is Meeting.MET:
        return Pushed(context, socket, endpoint, output)
    socket.close(0)
    if told is not Meeting.OTHER:
        hint = "is the daemon running, and is this the endpoint of one of its inputs?"
        raise StreamrnnError(f"nobody takes messages at {endpoint}: it {told}", hint)
    keys = Keys(key[1], key[0]) if key[0] else None
    try:
        return Acked(Producer(endpoint, f"send-{time.time_ns()}", keys=keys, patience=1.0))
    except StreamrnnError:
        hint = "give the endpoint of an input ([[input]]); this may be the output"
        raise StreamrnnError(f"what listens at {endpoint} takes no messages", hint) from None


class Pushed:
    """To a `pull` input: what is refused is heard as dead letters."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", socket: zmq.Socket[bytes], endpoint: str, output: str
    ) -> None:
        self.refused: Counter[str] = Counter()
        self.first = ""
        self.taken: bool | None = False if output else None
        self._socket, self._endpoint, self._streams = socket, endpoint, set[str]()
        self._letters = context.socket(zmq.SUB)
        self._letters.setsockopt(zmq.LINGER, 0)
        self._letters.subscribe(DEAD_LETTER)
        self._sent = 0
        if output and meet(self._letters, output) is not Meeting.MET:
            self.taken = None

    def send(self, body: bytes, stream: str, observations: int) -> None:
        if self.taken is False and stream not in self._streams and len(self._streams) < LISTENED:
            self._streams.add(stream)
            self._letters.subscribe(topic_of("prediction", stream))
            self._letters.poll(20)  # let the daemon know of it first
        try:
            self._socket.send(body)
        except zmq.Again:
            raise StreamrnnError(
                f"nobody takes messages at {self._endpoint} any more", "see the daemon's log"
            ) from None
        self._sent += observations
        self._hear(0)

    def finish(self) -> None:
        while self.taken is not None and self.refused.total() < self._sent and self._hear(QUIET):
            pass
        if self.taken is False and not self.refused:
            self.taken = None  # neither a prediction nor a dead letter: late labels, or the daemon is behind
        self._letters.close(0)
        self._socket.close(PATIENCE)

    def _hear(self, patience: int) -> bool:
        """Take what has come within `patience` ms; whether anything has."""
        heard = False
        while self.taken is not None and self._letters.poll(patience if not heard else 0):
            heard, (topic, body) = True, self._letters.recv_multipart()
            if topic != DEAD_LETTER:
                self.taken = self.taken or b"retained" not in body  # what was there before is no answer
                continue
            told = msgspec.json.decode(body) if body[:1] == b"{" else msgspec.msgpack.decode(body)
            self.refused[told["reason"]] += 1
            self.first = self.first or f"{told['detail']}"
        return heard


class Acked:
    """To a `router` input, which answers for every observation."""

    def __init__(self, producer: Producer) -> None:
        self.refused: Counter[str] = Counter()
        self.first = ""
        self.taken: bool | None = None
        self._producer, self._sent = producer, 0

    def send(self, body: bytes, stream: str, observations: int) -> None:
        self._producer.send(body, observations)
        self._sent += observations
        self._hear()

    def finish(self) -> None:
        self._producer.close()
        self._hear()
        self.taken = self.refused.total() < self._sent

    def _hear(self) -> None:
        while self._producer.refused:
            one = self._producer.refused.popleft()
            self.refused[one.code] += one.observations
            self.first = self.first or one.detail


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
    return message | _rare_columns(batch, part)


def _rare_columns(batch: Batch, part: slice) -> dict[str, Any]:
    """Labels, ids and ends, where there are any."""
    message: dict[str, Any] = {}
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
