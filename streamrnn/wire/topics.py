"""Topics. The trailing slash makes a prefix subscription name exactly one stream."""

import re

from msgspec import Struct

STATUS = b"status/"
DEAD_LETTER = b"deadletter/"

# A slash would end the name early, a per cent sign would make the escape ambiguous, control characters break terminals.
_ESCAPED = re.compile(r"[/%\x00-\x1f\x7f]")


def topic_of(kind: str, stream: str) -> bytes:
    """The topic of one stream: `prediction/pump-1/`; "/", "%" and control characters are percent-encoded."""
    name = _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", stream)
    return f"{kind}/{name}/".encode()


class Topics(Struct, gc=False):
    """The topics of one row and what was sent on them: all that grows, and it grows with the rows alone."""

    name: str
    prediction: bytes
    anomaly: bytes
    drift: bytes
    predictions: int = 0
    anomalies: int = 0
    lsn: int | None = None


def topics_of(name: str) -> Topics:
    """Those of a stream that has sent nothing yet."""
    return Topics(name, topic_of("prediction", name), topic_of("anomaly", name), topic_of("drift", name))
