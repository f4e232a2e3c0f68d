"""A recorded file as the history that a daemon learns before it serves."""

import hashlib
from pathlib import Path

import msgspec

from streamrnn.config.schema import Config
from streamrnn.recordings.rows import BATCH, configured
from streamrnn.service.recovery.backfill import History


def history(path: Path, config: Config) -> History:
    """The rows of a file, as `replay` reads them. Raises FileError."""
    model = config.model
    rows = configured(path, config)
    read = msgspec.json.encode(
        (config.columns, model.features, rows.ahead, model.task, BATCH)
    )  # what the parts depend on
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b")
    digest.update(read)
    return History(path.name, digest.hexdigest()[:32], rows.batches)
