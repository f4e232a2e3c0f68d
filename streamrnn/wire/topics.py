"""Topics. The trailing slash makes a prefix subscription name exactly one stream."""

import re

STATUS = b"status/"
DEAD_LETTER = b"deadletter/"

# A slash would end the name early, a per cent sign would make the escape ambiguous, control characters break terminals.
_ESCAPED = re.compile(r"[/%\x00-\x1f\x7f]")


def topic_of(kind: str, stream: str) -> bytes:
    """The topic of one stream: `prediction/pump-1/`; "/", "%" and control characters are percent-encoded."""
    name = _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", stream)
    return f"{kind}/{name}/".encode()
