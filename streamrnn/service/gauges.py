"""The gauges of a scrape, read in its thread: nothing is changed here."""

from streamrnn.service.operations import resources
from streamrnn.service.parts import Parts


def measure(parts: Parts) -> None:
    """Set the gauges as things stand."""
    telemetry, engine, stats = parts.telemetry, parts.engine, parts.journal.stats
    free, size = resources.disk(parts.store.path)
    for name, value in (
        ("streamrnn_streams", len(parts.streams)),
        ("streamrnn_streams_resting", parts.streams.evicted),
        ("streamrnn_streams_brought_back_total", parts.streams.loaded),
        ("streamrnn_streams_damaged_total", len(parts.checkpoint.damaged)),
        ("streamrnn_streams_limit", parts.streams.capacity),
        ("streamrnn_state_bytes", engine.streams * engine.bytes_per_stream),
        ("streamrnn_journal_rows", stats.rows),
        ("streamrnn_journal_bytes", stats.bytes),
        ("streamrnn_journal_age_seconds", stats.age),
        ("streamrnn_loss_window_seconds", _loss_window(parts)),
        ("streamrnn_disk_free_bytes", free),
        ("streamrnn_disk_size_bytes", size),
        ("streamrnn_checkpoint_age_seconds", parts.checkpoint.age),
        ("streamrnn_producers", len(parts.producers)),
        ("streamrnn_observations_held", parts.reorder.held),
        ("streamrnn_ready", telemetry.ready),
    ):
        telemetry.set(name, value)
    telemetry.health(engine.health())


def _loss_window(parts: Parts) -> float:
    """Seconds of what was received that a crash may take back."""
    if parts.store.durability == "off":
        return parts.checkpoint.age
    return parts.store.interval if parts.store.durability == "interval" else 0.0
