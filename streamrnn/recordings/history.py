"""A recorded file as the history that a daemon learns before it serves."""

import hashlib
from pathlib import Path

import msgspec
from msgspec.structs import asdict

from streamrnn.config.schema import Columns, Config
from streamrnn.recordings.rows import BATCH, configured
from streamrnn.service.recovery.backfill import History

FIRST = ("stream", "name", "time", "event", "label", "id", "features")  # of [columns], in 0.1.0
_DEFAULT = asdict(Columns())


def history(path: Path, config: Config) -> History:
    """The rows of a file, as `replay` reads them. Raises FileError."""
    model = config.model
    rows = configured(path, config)
    # what the parts depend on, in the form of 0.1.0 as long as nothing is said that it did not know
    known = {name: value for name, value in asdict(config.columns).items() if name in FIRST or value != _DEFAULT[name]}
    read = msgspec.json.encode((known, model.features, rows.ahead, model.task, BATCH))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b")
    digest.update(read)
    return History(path.name, digest.hexdigest()[:32], rows.batches)
