"""What the dashboard shows: rows of panels. `dashboard.py` turns them into Grafana's form.

Rules, which tests hold: every panel has a title, a description and a unit; every query goes through the variables
datasource, job and instance and through `$__rate_interval`; every query returns something from the first minute on,
also when nothing has happened yet.
"""

from dataclasses import dataclass

HERE = '{job=~"$job", instance=~"$instance"}'


@dataclass(frozen=True)
class Panel:
    """One panel; `queries` are pairs of expression and legend, `width` of 24 columns."""

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    width: int = 8


def rate(metric: str, by: str = "") -> str:
    """Events a second, summed over the labels not named in `by`."""
    labels = f"instance, {by}" if by else "instance"
    return f"sum by ({labels}) (rate({metric}{HERE}[$__rate_interval]))"


def increase(metric: str, window: str, by: str = "") -> str:
    """Events within the last `window`."""
    labels = f"instance, {by}" if by else "instance"
    return f"sum by ({labels}) (increase({metric}{HERE}[{window}]))"


def quantile(share: float, histogram: str) -> str:
    """Below this value lies `share` of what a histogram saw."""
    buckets = f"rate({histogram}_bucket{HERE}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (instance, le) ({buckets}))"


def quantiles(histogram: str) -> tuple[tuple[str, str], ...]:
    """Median, 99 % and 99.9 %."""
    return tuple((quantile(share, histogram), f"p{share * 100:g} {{{{instance}}}}") for share in (0.5, 0.99, 0.999))


def mean(histogram: str) -> str:
    """Mean of what a histogram saw."""
    return f"{rate(histogram + '_sum')} / {rate(histogram + '_count')}"


def share(part: str, whole: str) -> str:
    """One counter's rate over another's; 0 while neither moves."""
    return f"{rate(part)} / ({rate(whole)} > 0) or 0 * {rate(whole)}"


def worst(metric: str) -> str:
    """The lowest value over the horizons."""
    return f"min by (instance) ({metric}{HERE})"


ONE = "{{instance}}"
STEP = "step {{step}} {{instance}}"
SKILL = "streamrnn_forecast_skill_persistence_ratio"

OVERVIEW = (
    Panel(
        "Ready",
        "1 when messages are answered; 0 while it compiles, replays or stops.",
        "bool_yes_no",
        ((f"streamrnn_ready{HERE}", ONE),),
        "stat",
        3,
    ),
    Panel(
        "Version",
        "What runs here; the legend names version, Python and Numba.",
        "none",
        ((f"streamrnn_build_info{HERE}", "{{version}}, Python {{python}}, Numba {{numba}}"),),
        "stat",
        3,
    ),
    Panel(
        "Up for",
        "Time since the process started.",
        "s",
        ((f"time() - process_start_time_seconds{HERE}", ONE),),
        "stat",
        3,
    ),
    Panel(
        "Alerts firing",
        "Alerts of this service that fire now. RUNBOOK.md has a section for each.",
        "short",
        (('count(ALERTS{alertname=~"Streamrnn.*", alertstate="firing", job=~"$job"}) or vector(0)', "firing"),),
        "stat",
        3,
    ),
    Panel(
        "Configuration",
        "No when the last reload was refused and the old configuration is still in use.",
        "bool_yes_no",
        ((f"streamrnn_config_last_reload_successful{HERE}", ONE),),
        "stat",
        3,
    ),
    Panel(
        "Since the last observation",
        "Time since anything was received.",
        "s",
        ((f"time() - streamrnn_last_observation_timestamp_seconds{HERE}", ONE),),
        "stat",
        3,
    ),
    Panel(
        "Streams",
        "Share of limits.max_streams in use; beyond it new streams are refused.",
        "percentunit",
        ((f"streamrnn_streams{HERE} / streamrnn_streams_limit{HERE}", ONE),),
        "stat",
        3,
    ),
    Panel(
        "Lowest skill",
        "Over the horizons, 1 - error / error of the last value, median stream. Below 0 the last value is better.",
        "percentunit",
        ((worst(SKILL), ONE),),
        "stat",
        3,
    ),
)

QUALITY = (
    Panel(
        "Forecast error",
        "Running mean absolute error over the target's standard deviation, median over streams, per horizon step.",
        "percentunit",
        ((f"streamrnn_forecast_error_ratio{HERE}", STEP),),
    ),
    Panel(
        "Skill against persistence",
        "1 - error / error of the last value, median over streams. Above 0 the forecast is worth having.",
        "percentunit",
        ((f"{SKILL}{HERE}", STEP),),
    ),
    Panel(
        "Skill against the seasonal naive",
        "1 - error / error of the value one season ago, median over streams. Empty: no such expert, or too young.",
        "percentunit",
        ((f"streamrnn_forecast_skill_seasonal_ratio{HERE}", STEP),),
    ),
    Panel(
        "Streams below persistence",
        "Share of the streams whose forecasts are worse than their last value.",
        "percentunit",
        ((f"streamrnn_forecast_below_persistence_ratio{HERE}", STEP),),
        width=6,
    ),
    Panel(
        "Interval coverage",
        "Share of the values that fell inside their interval, beside the level asked for.",
        "percentunit",
        (
            (f"streamrnn_interval_coverage_ratio{HERE}", STEP),
            (f"streamrnn_interval_level_ratio{HERE}", "level {{instance}}"),
        ),
        width=6,
    ),
    Panel(
        "Interval width",
        "Width of the intervals over the target's standard deviation, median over streams: narrower is more certain.",
        "percentunit",
        ((f"streamrnn_interval_width_ratio{HERE}", STEP),),
        width=6,
    ),
    Panel(
        "Anomaly events by severity",
        "Events that opened at, or worsened to, a severity within the last 10 minutes, and streams that fell silent.",
        "short",
        (
            (increase("streamrnn_anomaly_events_total", "10m", "severity"), "{{severity}} {{instance}}"),
            (increase("streamrnn_silences_total", "10m"), "silent {{instance}}"),
        ),
        width=6,
    ),
)

INGEST = (
    Panel(
        "Observations received",
        "Observations a second by input, and those given to the engine.",
        "cps",
        (
            (rate("streamrnn_observations_received_total", "input"), "{{input}} {{instance}}"),
            (rate("streamrnn_observations_applied_total"), "applied {{instance}}"),
        ),
    ),
    Panel(
        "Messages in and out",
        "Messages a second by input, and messages published by kind.",
        "cps",
        (
            (rate("streamrnn_frames_received_total", "input"), "in {{input}} {{instance}}"),
            (rate("streamrnn_messages_published_total", "kind"), "out {{kind}} {{instance}}"),
        ),
    ),
    Panel(
        "Producers",
        "Messages of producers a second by the answer, and producers whose last number is remembered.",
        "short",
        (
            (rate("streamrnn_producer_messages_total", "answer"), "{{answer}} {{instance}}"),
            (f"streamrnn_producers{HERE}", "known {{instance}}"),
        ),
    ),
    Panel(
        "Latency",
        "From received to published, per observation: median, 99 % and 99.9 %. The objective is 99 % within 0.1 s.",
        "s",
        quantiles("streamrnn_latency_seconds"),
    ),
    Panel(
        "Refused by reason",
        "Observations a second that were refused. Each has a dead letter unless there are too many.",
        "cps",
        ((rate("streamrnn_observations_refused_total", "reason"), "{{reason}} {{instance}}"),),
    ),
    Panel(
        "Late, reordered, duplicate, lost, missing",
        "Observations a second: older than their stream, put in their place, repeated, never arrived, without a value.",
        "cps",
        tuple(
            (rate(f"streamrnn_observations_{kind}_total"), f"{legend} {ONE}")
            for kind, legend in (
                ("late", "late"),
                ("reordered", "reordered"),
                ("duplicate", "duplicate"),
                ("lost", "lost"),
                ("with_missing_values", "missing values"),
                ("held_off", "held off"),
                ("frozen", "frozen"),
                ("with_invalid_values", "invalid values"),
            )
        ),
    ),
    Panel(
        "Late labels",
        "Labels a second that came after their observation: settled, or unmatched because it was forgotten.",
        "cps",
        ((rate("streamrnn_labels_late_total", "result"), "{{result}} {{instance}}"),),
    ),
    Panel(
        "Batch size",
        "Observations in one call of the engine: it grows with the load, which is how the daemon keeps up.",
        "short",
        (
            (quantile(0.5, "streamrnn_batch_observations"), "p50 {{instance}}"),
            (quantile(0.99, "streamrnn_batch_observations"), "p99 {{instance}}"),
            (mean("streamrnn_batch_observations"), "mean {{instance}}"),
        ),
        width=6,
    ),
    Panel(
        "Messages waiting",
        "Found waiting at the last poll. Steadily at limits.max_batch means that it cannot keep up.",
        "short",
        ((f"streamrnn_queue_frames{HERE}", ONE),),
        width=6,
    ),
    Panel(
        "Connections ended",
        "Within the last 10 minutes: closed by the peer, cut by the daemon, or the handshake failed.",
        "short",
        ((increase("streamrnn_peers_disconnected_total", "10m", "reason"), "{{reason}} {{instance}}"),),
        width=6,
    ),
    Panel(
        "At the door",
        "Within the last 10 minutes: peers that showed a key, and what was dropped because a key has no right to it.",
        "short",
        (
            (increase("streamrnn_handshakes_total", "10m", "result"), "{{result}} {{instance}}"),
            (increase("streamrnn_denied_total", "10m", "what"), "{{what}} {{instance}}"),
        ),
        width=6,
    ),
    Panel(
        "Dead letters suppressed",
        "A second, because of limits.dead_letters_per_second. They are counted among the refused all the same.",
        "cps",
        ((rate("streamrnn_dead_letters_suppressed_total"), ONE),),
        width=6,
    ),
)

LEARNING = (
    Panel(
        "Observations learned",
        "A second, taken into statistics, experts and network.",
        "cps",
        ((rate("streamrnn_observations_learned_total"), ONE),),
        width=6,
    ),
    Panel(
        "Updates",
        "Steps of the optimiser a second.",
        "cps",
        ((rate("streamrnn_updates_total"), ONE),),
        width=6,
    ),
    Panel(
        "Updates skipped",
        "Steps that the firewall refused, as a share of those made: the gradient was not finite.",
        "percentunit",
        ((share("streamrnn_updates_skipped_total", "streamrnn_updates_total"), ONE),),
        width=6,
    ),
    Panel(
        "Rollbacks",
        "Streams put back to their last good weights within the last hour.",
        "short",
        ((increase("streamrnn_rollbacks_total", "1h"), ONE),),
        width=6,
    ),
)

STATE = (
    Panel(
        "Journal",
        "Messages kept for the next start, which replays those that no checkpoint covers.",
        "short",
        ((f"streamrnn_journal_rows{HERE}", ONE),),
        width=6,
    ),
    Panel(
        "Journal and checkpoint age",
        "Time since the last commit and since the last complete checkpoint.",
        "s",
        (
            (f"streamrnn_journal_age_seconds{HERE}", "journal {{instance}}"),
            (f"streamrnn_checkpoint_age_seconds{HERE}", "checkpoint {{instance}}"),
            (f"streamrnn_loss_window_seconds{HERE}", "a crash may lose {{instance}}"),
        ),
        width=6,
    ),
    Panel(
        "Disk full",
        "1 while there is no room for the journal: producers are told to wait, other inputs are left unread.",
        "short",
        ((f"streamrnn_disk_full{HERE}", ONE),),
        width=6,
    ),
    Panel(
        "Journal commits",
        "Duration of a commit: median, 99 % and 99.9 %. Every message waits for its commit.",
        "s",
        quantiles("streamrnn_journal_commit_seconds"),
        width=6,
    ),
    Panel(
        "Checkpoint duration",
        "How long a part of a checkpoint held up the messages: median, 99 % and 99.9 %.",
        "s",
        quantiles("streamrnn_checkpoint_seconds"),
        width=6,
    ),
    Panel(
        "Bytes",
        "Memory of the streams known, size of the messages in the journal, memory of the process and its limit.",
        "bytes",
        (
            (f"streamrnn_state_bytes{HERE}", "state {{instance}}"),
            (f"streamrnn_journal_bytes{HERE}", "journal {{instance}}"),
            (f"process_resident_memory_bytes{HERE}", "process {{instance}}"),
            (f"streamrnn_memory_limit_bytes{HERE}", "limit {{instance}}"),
        ),
        width=6,
    ),
    Panel(
        "Streams known",
        "And the limit.",
        "short",
        (
            (f"streamrnn_streams{HERE}", "known {{instance}}"),
            (f"streamrnn_streams_limit{HERE}", "limit {{instance}}"),
        ),
        width=6,
    ),
    Panel(
        "Replayed at the start",
        "Observations that were replayed from the journal when the process started.",
        "short",
        ((f"streamrnn_replayed_observations_total{HERE}", ONE),),
        width=4,
    ),
    Panel(
        "Processor",
        "Processors in use; 1 is one core.",
        "short",
        ((rate("process_cpu_seconds_total"), ONE),),
        width=4,
    ),
    Panel(
        "Open files",
        "Files and sockets open, as a share of the limit; at 100 % no peer can connect.",
        "percentunit",
        ((f"process_open_fds{HERE} / process_max_fds{HERE}", ONE),),
        width=4,
    ),
)

ROWS = {
    "Overview": OVERVIEW,
    "Forecast quality": QUALITY,
    "Ingest": INGEST,
    "Learning": LEARNING,
    "State": STATE,
}
