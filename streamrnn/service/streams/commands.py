"""What is done to streams by order: of an operator, or because time has passed.

An order is journaled as a command before it is obeyed, and a replay obeys it again in its place.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from streamrnn.config.schema import Config
from streamrnn.engine.engine import Engine
from streamrnn.engine.reorder import Reorder
from streamrnn.errors import StreamrnnError
from streamrnn.messages import JUDGED
from streamrnn.service.ingest.subscriptions import Message
from streamrnn.service.operations.telemetry import Telemetry
from streamrnn.service.storage.journal import COMMAND, Write
from streamrnn.service.streams import feedback
from streamrnn.service.streams.freeze import ORDERS, Freeze, freeze
from streamrnn.service.streams.registry import Streams
from streamrnn.service.streams.silence import ORDER, Silence
from streamrnn.wire import Encoder, Frame

MOST_NAMES = 1000  # that are looked at for one like the name asked for: a turn waits for it
Append = Callable[[list[Frame], Write | None], list[int]]  # frames, and what belongs into their transaction -> lsns


@dataclass(slots=True)
class StreamCommands:
    """The orders of one daemon; `append` journals."""

    config: Config
    engine: Engine
    encoder: Encoder
    streams: Streams
    reorder: Reorder
    freeze: Freeze
    telemetry: Telemetry
    append: Append
    silence: Silence

    def order(self, kind: str, name: str) -> dict[str, Any]:
        """Forget or reset a stream. Raises StreamrnnError."""
        self._known(name, "`streamrnn ctl status` tells how many there are")
        (lsn,) = self.append([_command(kind, name)], None)
        self._do(kind, name, lsn)
        if kind == "forget":
            self.telemetry.count("streamrnn_streams_forgotten_total", 1, "ordered")
        else:
            self.telemetry.count("streamrnn_streams_reset_total")
        return {"stream": name, "lsn": lsn}

    def order_freeze(self, kind: str, lsn: int) -> dict[str, Any]:
        """Nothing is to be learned from `lsn` on, the next one, or everything again. Raises StreamrnnError."""
        self.freeze.order(kind, lsn, lambda note: self.append([_command(kind, "")], note))
        self._do(kind, "", lsn)
        return {"frozen": self.engine.frozen, "lsn": lsn}

    def judge(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """What somebody says of an alarm. Raises StreamrnnError."""
        command, name = feedback.order(asked)
        self._known(name, "EVENT_ID stands in the anomaly message")
        (lsn,) = self.append([_command(command, name)], None)
        taken = self._hear(command, name, lsn)
        self.telemetry.count("streamrnn_feedback_total", 1, "taken" if taken else "unknown")
        return {"stream": name, "lsn": lsn, "taken": taken}

    def forget_idle(self) -> None:
        """Forget the streams that have been silent for `state.retention`. Raises FullError; then it is still to be
        done.
        """
        if not self.config.state.retention:
            return
        names = self.streams.over(self.config.state.retention, time.monotonic())
        lsns = self.append([_command("forget", name) for name in names], None) if names else []  # one commit for all
        for name, lsn in zip(names, lsns, strict=True):
            self._do("forget", name, lsn)
            self.telemetry.count("streamrnn_streams_forgotten_total", 1, "idle")

    def tell_silence(self) -> list[Message]:
        """What is to be told of streams that should have been heard by now. Raises FullError, as `forget_idle`."""
        names, rows = self.silence.overdue(time.monotonic())
        if not names:
            return []
        lsns = self.append([_command(ORDER, name) for name in names], None)
        self.silence.told(rows)
        messages = self.encoder.silences(self.engine.wait(rows), self.engine.names, lsns, False)
        self.telemetry.silent(len(messages))
        return messages

    def obey(self, kind: str, name: str, lsn: int) -> list[Message]:
        """An order in a journal that is replayed; what is to be told of it."""
        if kind.startswith(feedback.ORDER):
            self._hear(kind, name, lsn)
        elif kind != ORDER:
            self._do(kind, name, lsn)
        else:
            outcomes = self.engine.wait(self.streams.row(name, lsn - 1))
            return self.encoder.silences(outcomes, self.engine.names, [lsn], True)
        return []

    def follow(self, config: Config, engine: Engine, encoder: Encoder) -> None:
        """Go over to another configuration, or to what a replay has left: the known streams count as heard now."""
        self.config, self.engine, self.encoder = config, engine, encoder
        self.silence = Silence(engine, time.monotonic())

    def _known(self, name: str, hint: str) -> None:
        if not self.streams.known(name):
            near = get_close_matches(name, list(islice(self.streams.names(), MOST_NAMES)), 3)
            asked = f"did you mean {' or '.join(near)}? " if near else ""
            raise StreamrnnError(f"no stream {name!r} is known", f"{asked}{hint}")

    def _hear(self, command: str, name: str, lsn: int) -> bool:
        """What was said of an alarm; whether there was such an event."""
        said = feedback.batch(command, name, len(self.config.model.features))
        outcomes = self.engine.step(said, self.streams.row(name, lsn - 1))
        return bool(outcomes.bits[0] & JUDGED)

    def _do(self, kind: str, name: str, lsn: int) -> None:
        if kind in ORDERS:
            freeze(self.engine, ORDERS[kind])
            return
        self.reorder.forget(name)
        if kind == "reset":
            self.streams.reset(name, lsn - 1)
        else:
            self.streams.forget(name)


def _command(kind: str, name: str) -> Frame:
    return Frame(COMMAND, time.time(), kind.encode(), name.encode())
