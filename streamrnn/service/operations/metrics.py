"""The one list of metrics: names, kinds, labels and what each says. `deploy/METRICS.md` is made from it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name as it is scraped, what it says, what it is split by, the bounds of a histogram."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


_SIZES = tuple(float(2**power) for power in range(0, 17, 2))
_LATENCIES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_COMMITS = (5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 5.0)

SECTIONS: dict[str, tuple[Metric, ...]] = {
    "Service": (
        Metric("streamrnn_build_info", "gauge", "Always 1; what runs here.", ("version", "python", "numba")),
        Metric("streamrnn_ready", "gauge", "1 once replay and compilation are over and messages are answered."),
        Metric("streamrnn_config_reloads_total", "counter", "Reloads by SIGHUP, `ok` or `refused`.", ("result",)),
        Metric(
            "streamrnn_config_last_reload_successful",
            "gauge",
            "0 while a refused configuration waits to be corrected.",
        ),
    ),
    "Ingest": (
        Metric(
            "streamrnn_frames_received_total",
            "counter",
            "Messages taken from an input, named by its endpoint.",
            ("input",),
        ),
        Metric(
            "streamrnn_observations_received_total",
            "counter",
            "Observations in them, accepted or refused.",
            ("input",),
        ),
        Metric(
            "streamrnn_observations_refused_total",
            "counter",
            "Observations refused, each with a dead letter.",
            ("reason",),
        ),
        Metric(
            "streamrnn_values_left_out_total",
            "counter",
            "Values of observations that were taken: `type`, `not_finite` and `out_of_range` are missing now, "
            "`unknown_feature` is passed over; `time`: under another name, so that the time of arrival counts "
            "(`bad_values` of an input).",
            ("reason",),
        ),
        Metric("streamrnn_observations_applied_total", "counter", "Observations given to the engine."),
        Metric(
            "streamrnn_observations_late_total",
            "counter",
            "Older than what the stream had seen: answered, not learned.",
        ),
        Metric(
            "streamrnn_observations_future_total",
            "counter",
            "Of a time over 5 minutes ahead of this machine's clock: a sender's clock is wrong, and the stream's "
            "next ones will be late.",
        ),
        Metric(
            "streamrnn_observations_reordered_total",
            "counter",
            "Older than one that came before, put in its place by model.lateness.",
        ),
        Metric(
            "streamrnn_observations_held",
            "gauge",
            "Received and journaled, waiting for older ones (model.lateness).",
        ),
        Metric(
            "streamrnn_observations_duplicate_total",
            "counter",
            "Sequence number seen before: answered again, not learned.",
        ),
        Metric(
            "streamrnn_observations_lost_total",
            "counter",
            "Sequence numbers that were skipped by the sender or lost on the way.",
        ),
        Metric(
            "streamrnn_observations_held_off_total",
            "counter",
            "Not taught to the model, because it surprised during an event.",
        ),
        Metric(
            "streamrnn_observations_with_invalid_values_total",
            "counter",
            "With a value outside its valid range (`model.feature`, `valid`), or more than 1,000 standard deviations "
            "off (the third in a row is believed), which counted as missing.",
        ),
        Metric(
            "streamrnn_observations_frozen_total",
            "counter",
            "Not taught to the model, because it is frozen (`model.frozen`, `ctl freeze`).",
        ),
        Metric("streamrnn_observations_with_missing_values_total", "counter", "At least one value was missing."),
        Metric(
            "streamrnn_labels_late_total",
            "counter",
            "Labels that came after their observation: `settled`, or `unmatched` when it was forgotten.",
            ("result",),
        ),
        Metric(
            "streamrnn_producer_messages_total",
            "counter",
            "Messages on `router` inputs: `taken`, `refused` for good (at least in part), `duplicate` (acknowledged "
            "before, passed over), and not taken: `corrupt`, `gap`, `epoch` (another producer has the name), `busy` "
            "(disk full), `sources` (limits.max_producers).",
            ("answer",),
        ),
        Metric("streamrnn_producers", "gauge", "Sources whose epoch and number are remembered."),
        Metric("streamrnn_batch_observations", "histogram", "Observations in one call of the engine.", bounds=_SIZES),
        Metric(
            "streamrnn_queue_frames",
            "gauge",
            "Messages found waiting at the last poll; `limits.max_batch` where not all could be taken.",
        ),
        Metric(
            "streamrnn_latency_seconds",
            "histogram",
            "From received to published, per observation.",
            bounds=_LATENCIES,
        ),
        Metric("streamrnn_last_observation_timestamp_seconds", "gauge", "When the last observation was received."),
        Metric(
            "streamrnn_peers_disconnected_total",
            "counter",
            "Connections that ended: `closed` by the peer, `cut` by us (a frame above limits.max_frame_bytes, a "
            "breach of the protocol, a lost heartbeat), `handshake` that failed, `full` (twice "
            "limits.max_connections, greeted or not), `slow` (a subscriber that does not read: more than 64 MiB "
            "would wait for it), `unknown`.",
            ("reason",),
        ),
        Metric(
            "streamrnn_handshakes_total",
            "counter",
            "Peers that showed a key: `accepted`, `unknown_key`, `full` (limits.max_connections), `fault` (ours). "
            "Who shows none is counted as `handshake` above.",
            ("result",),
        ),
        Metric(
            "streamrnn_denied_total",
            "counter",
            "Dropped: a `message` of a key that was revoked, a `subscription` that the key does not allow, "
            "`too_many_subscriptions` (limits.max_subscriptions).",
            ("what",),
        ),
    ),
    "Learning": (
        Metric(
            "streamrnn_observations_learned_total",
            "counter",
            "Observations taken into statistics, experts and network.",
        ),
        Metric("streamrnn_updates_total", "counter", "Steps of the optimiser."),
        Metric(
            "streamrnn_updates_skipped_total",
            "counter",
            "Steps refused by the firewall: the gradient was not finite.",
        ),
        Metric(
            "streamrnn_updates_rested_total",
            "counter",
            "Steps not taken after three rollbacks within 10,000 updates.",
        ),
        Metric("streamrnn_rollbacks_total", "counter", "Streams put back to their last good weights."),
        Metric(
            "streamrnn_challengers_total",
            "counter",
            "Challengers that a drift began and that ended: `takeover`, `withdrawn`; each is told on "
            "`drift/<stream>/`.",
            ("end",),
        ),
        Metric(
            "streamrnn_feedback_total",
            "counter",
            "Feedback on alarms, by message or `ctl feedback`: `taken`, or `unknown` when the stream has had no such "
            "event.",
            ("word",),
        ),
        Metric(
            "streamrnn_drifts_total",
            "counter",
            "Drifts found by `model.drift`: the forecasts of a stream became worse for good; each is told on its "
            "topic `drift/<stream>/`.",
        ),
    ),
    "Forecast quality": (
        Metric(
            "streamrnn_forecast_error_ratio",
            "gauge",
            "Mean absolute error over the target's standard deviation.",
            ("step",),
        ),
        Metric(
            "streamrnn_forecast_skill_persistence_ratio",
            "gauge",
            "1 - error / error of the last value; above 0 is better.",
            ("step",),
        ),
        Metric(
            "streamrnn_forecast_skill_seasonal_ratio",
            "gauge",
            "1 - error / error of the value one season ago.",
            ("step",),
        ),
        Metric(
            "streamrnn_forecast_below_persistence_ratio",
            "gauge",
            "Share of streams worse than their last value.",
            ("step",),
        ),
        Metric(
            "streamrnn_interval_coverage_ratio",
            "gauge",
            "Share of values that fell inside their interval.",
            ("step",),
        ),
        Metric(
            "streamrnn_interval_width_ratio",
            "gauge",
            "Width of the interval over the target's standard deviation.",
            ("step",),
        ),
        Metric(
            "streamrnn_interval_score_ratio",
            "gauge",
            "Interval score over the same: width, and 2 / (1 - level) times how far outside a value lies (Winkler "
            "1972); the smaller the better. A rolling mean like the two above: about the last 200 answers.",
            ("step",),
        ),
        Metric("streamrnn_interval_level_ratio", "gauge", "The coverage asked for."),
        Metric(
            "streamrnn_event_bits",
            "gauge",
            "Task events: median bits an event, of the mix (published), the network, the best table.",
            ("by",),
        ),
        Metric(
            "streamrnn_event_hits_ratio",
            "gauge",
            "Task events: median share predicted first, or among those shown.",
            ("as",),
        ),
        Metric("streamrnn_event_unseen_ratio", "gauge", "Task events: median share of events outside the vocabulary."),
        Metric("streamrnn_event_skill_ratio", "gauge", "Task events: median 1 - bits over the best table's."),
        Metric("streamrnn_event_symbols", "gauge", "Task events: symbols in the largest vocabulary."),
        Metric(
            "streamrnn_anomaly_events_total",
            "counter",
            "Anomaly events that opened at, or worsened to, this severity.",
            ("severity",),
        ),
        Metric(
            "streamrnn_silences_total",
            "counter",
            "Streams that were not heard when they should have been (`model.silence`).",
        ),
        Metric(
            "streamrnn_sessions_strange_total",
            "counter",
            "Task events: sessions that were surprising as a whole, each told on `anomaly/`.",
        ),
    ),
    "Output": (
        Metric(
            "streamrnn_messages_published_total",
            "counter",
            "Messages published: `prediction`, `anomaly`, `drift`, `status`, `deadletter`.",
            ("kind",),
        ),
        Metric(
            "streamrnn_dead_letters_suppressed_total",
            "counter",
            "Dead letters not published because of limits.dead_letters_per_second.",
        ),
    ),
    "State": (
        Metric("streamrnn_streams", "gauge", "Streams known."),
        Metric(
            "streamrnn_streams_forgotten_total",
            "counter",
            "Streams let go of: `ordered` with `streamrnn ctl forget`, or `idle` for longer than state.retention.",
            ("cause",),
        ),
        Metric("streamrnn_streams_reset_total", "counter", "Streams begun anew with `streamrnn ctl reset`."),
        Metric(
            "streamrnn_streams_resting",
            "gauge",
            "Those of them whose state is in the store alone (limits.resident_streams).",
        ),
        Metric(
            "streamrnn_streams_brought_back_total",
            "counter",
            "Streams at rest that were heard again and read from the store; many a second: limits.resident_streams "
            "is too low.",
        ),
        Metric(
            "streamrnn_streams_damaged_total",
            "counter",
            "Streams that have begun anew since the start, as their stored state was damaged; the log names them.",
        ),
        Metric("streamrnn_streams_limit", "gauge", "Limits.max_streams."),
        Metric("streamrnn_state_bytes", "gauge", "Memory of the streams known."),
        Metric(
            "streamrnn_journal_rows",
            "gauge",
            "Messages in the journal: those that no checkpoint covers yet, and some that wait to be deleted.",
        ),
        Metric("streamrnn_journal_bytes", "gauge", "Size of those messages."),
        Metric("streamrnn_journal_commit_seconds", "histogram", "Duration of one commit.", bounds=_COMMITS),
        Metric("streamrnn_journal_age_seconds", "gauge", "Seconds since the last commit."),
        Metric(
            "streamrnn_disk_full",
            "gauge",
            "1 while the journal finds no room: producers are told to wait, other inputs are left unread.",
        ),
        Metric(
            "streamrnn_loss_window_seconds",
            "gauge",
            'How much of what was received a crash may take back: 0 with durability "commit", state.interval with '
            '"interval", the age of the last checkpoint with "off".',
        ),
        Metric("streamrnn_disk_free_bytes", "gauge", "Free for the daemon on the disk of the state."),
        Metric("streamrnn_disk_size_bytes", "gauge", "Size of that disk."),
        Metric(
            "streamrnn_memory_limit_bytes",
            "gauge",
            "MemoryMax of the service, or the memory of the machine if that is less.",
        ),
        Metric("streamrnn_checkpoint_age_seconds", "gauge", "Seconds since the last complete checkpoint."),
        Metric(
            "streamrnn_checkpoint_seconds",
            "histogram",
            "How long a part of a checkpoint held up the messages.",
            bounds=_COMMITS,
        ),
        Metric(
            "streamrnn_turn_seconds",
            "histogram",
            "How long a turn of the loop worked, for whomever: what waits meanwhile waits so long.",
            bounds=_COMMITS,
        ),
        Metric(
            "streamrnn_replayed_observations_total",
            "counter",
            "Observations replayed from the journal at the start.",
        ),
    ),
}

METRICS = tuple(metric for section in SECTIONS.values() for metric in section)
