"""A clean stop: nothing is left to replay, if there is the time."""

import structlog

from streamrnn.errors import FullError
from streamrnn.service.parts import Parts

SECONDS = 7.0  # that a stop may take to write what has changed; the rest is replayed at the next start

_log = structlog.get_logger("streamrnn")


def finish(parts: Parts) -> None:
    """Write what has changed, say that everything has been sent, and tell. Raises StorageError."""
    parts.manager.tell("STOPPING=1", "STATUS=stopping")
    parts.telemetry.be_ready(False)
    whole = not parts.backlog and _save(parts)
    parts.tell_status("stopping")
    left = 0 if whole else parts.journal.waiting
    _log.info("stopped", lsn=parts.journal.last, streams=len(parts.streams), to_replay=left)


def _save(parts: Parts) -> bool:
    """Whether everything was written; on a full disk it is replayed at the next start."""
    try:
        whole = parts.checkpoint.finish(parts.engine, parts.journal.last, SECONDS)
        parts.journal.mark(parts.publisher.lsn)
    except FullError as error:
        _log.warning("not everything could be written", error=error.args[0], hint="it is replayed at the next start")
        return False
    return whole
