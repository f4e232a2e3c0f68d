"""Feedback by an operator: a command in the journal, `feedback/VERDICT/NUMBER/UNTIL` on a stream, and what it means."""

from collections.abc import Mapping

import numpy as np

from streamrnn.errors import StreamrnnError, WireError
from streamrnn.messages import WORDS, Batch
from streamrnn.wire.incoming.rows import event_of

ORDER = "feedback/"


def order(asked: Mapping[str, str]) -> tuple[str, str]:
    """The command and its stream. Raises StreamrnnError for what cannot be."""
    verdict, until = asked["verdict"], asked.get("until", "")
    try:
        name, number = event_of(asked["event_id"])
        moment = float(until or 0)
    except (WireError, ValueError) as error:
        raise StreamrnnError(str(error), "EVENT_ID stands in the anomaly message; UNTIL is in seconds") from None
    if verdict not in WORDS or (verdict == "ignore") != bool(until) or not 0.0 <= moment <= 1e11:
        raise StreamrnnError(f"no feedback: {verdict} {until}", "true_alarm, false_alarm, or ignore and until when")
    return f"{ORDER}{verdict}/{number}/{moment}", name


def batch(command: str, name: str, features: int) -> Batch:
    """The command as the one message that the engine takes."""
    verdict, number, until = command.removeprefix(ORDER).split("/")
    nothing = np.full(1, np.nan)
    return Batch(
        names=[name],
        lengths=np.ones(1, np.int64),
        columnar=[False],
        time=np.array([float(until)]),
        values=np.full((1, features), np.nan),
        label=nothing,
        ident=np.array([int(number)]),
        seq=np.array([-1]),
        bits=np.array([WORDS[verdict]]),
    )
