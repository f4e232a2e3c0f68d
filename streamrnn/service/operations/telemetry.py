"""What Prometheus sees, and whether the daemon is alive and ready.

`METRICS` is the one list of names. Counts are kept as plain numbers and become metric families when somebody asks, so
a turn pays a few microseconds. No label carries a stream's name or anything else that a sender chooses.
"""

import math
import platform
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from streamrnn import __version__, messages
from streamrnn.messages import EventHealth, EventOutcomes, Health, Outcomes
from streamrnn.service.ingest import authentication, connections, producers
from streamrnn.wire import REASONS
from streamrnn.wire.outgoing.drifts import DRIFTS
from streamrnn.wire.outgoing.encode import STATES

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

METRICS = (
    Metric("streamrnn_build_info", "gauge", "What is running; always 1.", ("version", "python", "numba")),
    Metric("streamrnn_frames_received_total", "counter", "Messages taken from an input.", ("input",)),
    Metric("streamrnn_observations_received_total", "counter", "Observations in them, refused ones too.", ("input",)),
    Metric("streamrnn_observations_refused_total", "counter", "Observations refused; the sender's fault.", ("reason",)),
    Metric("streamrnn_observations_applied_total", "counter", "Observations given to the engine."),
    Metric("streamrnn_observations_learned_total", "counter", "Observations the engine learned from."),
    Metric("streamrnn_observations_late_total", "counter", "Older than their stream: answered, not learned."),
    Metric("streamrnn_observations_future_total", "counter", "Of a time over 5 minutes ahead of the clock here."),
    Metric("streamrnn_observations_reordered_total", "counter", "Older than one before, and put in its place."),
    Metric("streamrnn_observations_held", "gauge", "Observations that wait for older ones (model.lateness)."),
    Metric("streamrnn_observations_duplicate_total", "counter", "Sequence number seen before: answered, not learned."),
    Metric("streamrnn_observations_lost_total", "counter", "Missing in the sequence numbers of the senders."),
    Metric("streamrnn_observations_held_off_total", "counter", "Not taught, because they surprised during an event."),
    Metric("streamrnn_observations_frozen_total", "counter", "Not taught, because the model is frozen."),
    Metric("streamrnn_observations_with_missing_values_total", "counter", "Observations without all their values."),
    Metric("streamrnn_observations_with_invalid_values_total", "counter", "Observations with values out of range."),
    Metric("streamrnn_labels_late_total", "counter", "Labels that came after their observation.", ("result",)),
    Metric("streamrnn_producer_messages_total", "counter", "Messages of producers, by the answer.", ("answer",)),
    Metric("streamrnn_producers", "gauge", "Producers whose last number is remembered."),
    Metric("streamrnn_updates_total", "counter", "Steps of the optimiser."),
    Metric("streamrnn_updates_skipped_total", "counter", "Steps refused because a gradient was not finite."),
    Metric("streamrnn_updates_rested_total", "counter", "Steps not taken after three rollbacks: the network rests."),
    Metric("streamrnn_rollbacks_total", "counter", "Streams put back to their last good weights."),
    Metric("streamrnn_anomaly_events_total", "counter", "Anomalies opened, or worsened to, a severity.", ("severity",)),
    Metric("streamrnn_silences_total", "counter", "Streams that were not heard when they should have been."),
    Metric("streamrnn_feedback_total", "counter", "Words on alarms: taken, or of no event.", ("word",)),
    Metric("streamrnn_drifts_total", "counter", "Drifts found: forecasts became worse for good (model.drift)."),
    Metric("streamrnn_sessions_strange_total", "counter", "Sessions of events that were surprising as a whole."),
    Metric("streamrnn_challengers_total", "counter", "Challengers that ended, and how (model.drift).", ("end",)),
    Metric("streamrnn_batch_observations", "histogram", "Observations in a turn.", bounds=_SIZES),
    Metric("streamrnn_latency_seconds", "histogram", "From received to published.", bounds=_LATENCIES),
    Metric(
        "streamrnn_queue_frames",
        "gauge",
        "Messages found waiting at the last poll; limits.max_batch where not all could be taken.",
    ),
    Metric("streamrnn_streams", "gauge", "Streams known."),
    Metric("streamrnn_streams_forgotten_total", "counter", "Streams let go of, by whom.", ("cause",)),
    Metric("streamrnn_streams_reset_total", "counter", "Streams begun anew by an operator."),
    Metric("streamrnn_streams_resting", "gauge", "Those of them whose state is in the store alone."),
    Metric("streamrnn_streams_brought_back_total", "counter", "Streams at rest that were heard again."),
    Metric("streamrnn_streams_damaged_total", "counter", "Streams begun anew: their stored state was damaged."),
    Metric("streamrnn_streams_limit", "gauge", "Streams there is room for."),
    Metric("streamrnn_state_bytes", "gauge", "State of the streams known."),
    Metric("streamrnn_journal_rows", "gauge", "Messages in the journal."),
    Metric("streamrnn_journal_bytes", "gauge", "Bytes of the messages in the journal."),
    Metric("streamrnn_journal_commit_seconds", "histogram", "Time of a commit.", bounds=_COMMITS),
    Metric("streamrnn_journal_age_seconds", "gauge", "Since the last commit."),
    Metric("streamrnn_disk_full", "gauge", "1 while there is no room to journal: inputs wait."),
    Metric("streamrnn_loss_window_seconds", "gauge", "What a crash may take back; 0: nothing that was journaled."),
    Metric("streamrnn_disk_free_bytes", "gauge", "Free on the disk of the state."),
    Metric("streamrnn_disk_size_bytes", "gauge", "Size of that disk."),
    Metric("streamrnn_memory_limit_bytes", "gauge", "Memory at which the system stops the process."),
    Metric("streamrnn_checkpoint_age_seconds", "gauge", "Since the last complete checkpoint."),
    Metric("streamrnn_checkpoint_seconds", "histogram", "Time a part of a checkpoint held a turn.", bounds=_COMMITS),
    Metric("streamrnn_messages_published_total", "counter", "Messages published.", ("kind",)),
    Metric("streamrnn_dead_letters_suppressed_total", "counter", "Dead letters beyond the rate allowed, not sent."),
    Metric("streamrnn_peers_disconnected_total", "counter", "Ends of connections; cut: by us.", ("reason",)),
    Metric("streamrnn_handshakes_total", "counter", "Peers that showed a key, and what came of it.", ("result",)),
    Metric("streamrnn_denied_total", "counter", "What a key had no right to, dropped.", ("what",)),
    Metric("streamrnn_replayed_observations_total", "counter", "Observations applied again from the journal."),
    Metric("streamrnn_config_reloads_total", "counter", "Reloads of the configuration.", ("result",)),
    Metric("streamrnn_config_last_reload_successful", "gauge", "1 unless the last reload was refused."),
    Metric("streamrnn_ready", "gauge", "1 while messages are served."),
    Metric("streamrnn_last_observation_timestamp_seconds", "gauge", "When the last observation was received."),
    Metric("streamrnn_forecast_error_ratio", "gauge", "Median error over the target's deviation.", ("step",)),
    Metric("streamrnn_forecast_skill_persistence_ratio", "gauge", "Median 1 - error / last value's error.", ("step",)),
    Metric("streamrnn_forecast_skill_seasonal_ratio", "gauge", "Median 1 - error / seasonal naive's.", ("step",)),
    Metric("streamrnn_forecast_below_persistence_ratio", "gauge", "Share of streams worse than that.", ("step",)),
    Metric("streamrnn_interval_coverage_ratio", "gauge", "Share of values inside their interval.", ("step",)),
    Metric("streamrnn_interval_width_ratio", "gauge", "Interval's width over the target's deviation.", ("step",)),
    Metric("streamrnn_interval_score_ratio", "gauge", "Interval (Winkler) score over the same.", ("step",)),
    Metric("streamrnn_interval_level_ratio", "gauge", "Coverage that was asked for."),
    Metric("streamrnn_event_bits", "gauge", "Median bits an event, by who predicts.", ("by",)),
    Metric(
        "streamrnn_event_hits_ratio", "gauge", "Median share of events predicted: first, or among those shown.", ("as",)
    ),
    Metric("streamrnn_event_unseen_ratio", "gauge", "Median share of events outside the vocabulary."),
    Metric("streamrnn_event_skill_ratio", "gauge", "Median 1 - bits / best context table's."),
    Metric("streamrnn_event_symbols", "gauge", "Symbols in the largest vocabulary."),
)

# Bits of an outcome that are counted one to one.
_BITS = (
    (messages.LEARNED, "streamrnn_observations_learned_total", ()),
    (messages.LATE, "streamrnn_observations_late_total", ()),
    (messages.DUPLICATE, "streamrnn_observations_duplicate_total", ()),
    (messages.HELD_OFF, "streamrnn_observations_held_off_total", ()),
    (messages.SILENCE, "streamrnn_silences_total", ()),
    (messages.STRANGE, "streamrnn_sessions_strange_total", ()),
    (messages.FROZEN, "streamrnn_observations_frozen_total", ()),
    (messages.MISSING, "streamrnn_observations_with_missing_values_total", ()),
    (messages.INVALID, "streamrnn_observations_with_invalid_values_total", ()),
    (messages.SETTLED, "streamrnn_labels_late_total", ("settled",)),
    (messages.UNMATCHED, "streamrnn_labels_late_total", ("unmatched",)),
    (messages.UPDATED, "streamrnn_updates_total", ()),
    (messages.SKIPPED, "streamrnn_updates_skipped_total", ()),
    (messages.RESTED, "streamrnn_updates_rested_total", ()),
    (messages.ROLLED_BACK, "streamrnn_rollbacks_total", ()),
    (messages.JUDGED, "streamrnn_feedback_total", ("taken",)),
    (messages.UNJUDGED, "streamrnn_feedback_total", ("unknown",)),
    (messages.DRIFT_FOUND, "streamrnn_drifts_total", ()),
    (messages.TOOK_OVER, "streamrnn_challengers_total", ("takeover",)),
    (messages.WITHDRAWN, "streamrnn_challengers_total", ("withdrawn",)),
)
_RAISED = messages.OPENED | messages.WORSENED

# Of one task alone: they have no series under the others.
_OF_TASKS = ("streamrnn_interval_level_ratio", *(m.name for m in METRICS if m.name.startswith("streamrnn_event_")))

# Every value of the closed sets, so that a series exists before it is first counted.
_CLOSED = {
    "reason": REASONS,
    "result": ("settled", "unmatched"),
    "severity": messages.SEVERITIES[1:],
    "answer": producers.RESULTS,
    "cause": ("ordered", "idle"),
    "word": ("taken", "unknown"),
    "end": ("takeover", "withdrawn"),
    "kind": ("prediction", "anomaly", "drift", "status", "deadletter"),
}


class Histogram:
    """Counts in buckets; a value may be counted many times at once."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, weight: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += weight
        self.sum += value * weight

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and cumulative count of each."""
        total, rows = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class Telemetry:
    """All numbers of one daemon. Who counts keeps the count until it is asked for (`count_from`, `gather`)."""

    def __init__(self, inputs: Sequence[str]) -> None:
        self.inputs = list(inputs)
        self.turned = time.monotonic()  # end of the last turn
        self.checks: dict[str, bool] = {"engine": False, "journal": False, "sockets": False}
        self._read: Callable[[], None] = lambda: None
        self._counted: list[tuple[str, Callable[[], Mapping[str, int]]]] = []
        self._timed: list[tuple[str, Callable[[], Iterable[float]]]] = []
        self._values: dict[str, dict[tuple[str, ...], float]] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in METRICS:
            if metric.kind == "histogram":
                self._histograms[metric.name] = Histogram(metric.bounds)
            else:
                self._values[metric.name] = dict.fromkeys(_children(metric), 0.0)
        self.set("streamrnn_build_info", 1.0, __version__, platform.python_version(), version("numba"))
        self.set("streamrnn_config_last_reload_successful", 1.0)
        self.listen_to(inputs)
        self._batch = self._histograms["streamrnn_batch_observations"]
        self._latency = self._histograms["streamrnn_latency_seconds"]
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    @property
    def ready(self) -> bool:
        """Whether everything works."""
        return all(self.checks.values())

    @property
    def alive(self) -> bool:
        """Whether the loop has turned within 30 seconds."""
        return time.monotonic() - self.turned < 30.0

    def alive_at(self, now: float) -> None:
        """The loop has turned at `now`, in monotonic seconds."""
        self.turned = now

    def measure_with(self, read: Callable[[], None]) -> None:
        """`read` sets the gauges: it is called at each scrape, in the scraping thread."""
        self._read = read

    def count_from(self, name: str, take: Callable[[], Mapping[str, int]]) -> None:
        """`take` tells what was counted since it was last asked, by label; "": there is no label."""
        self._counted.append((name, take))

    def observe_from(self, name: str, take: Callable[[], Iterable[float]]) -> None:
        """`take` tells what was measured since it was last asked."""
        self._timed.append((name, take))

    def gather(self) -> None:
        """Ask all who count."""
        for name, take in self._counted:
            for label, count in take().items():
                self.count(name, count, *([label] if label else []))
        for name, times in self._timed:
            self.observe(name, times())

    def disk_full(self, full: bool) -> None:
        """Whether there is no room on the disk of the state."""
        self.checks["journal"] = not full
        self.set("streamrnn_disk_full", float(full))

    def be_ready(self, ready: bool) -> None:
        """Whether everything works from now on."""
        self.checks = dict.fromkeys(self.checks, ready)

    def count(self, name: str, amount: float = 1.0, *labels: str) -> None:
        """Add to a counter."""
        self._values[name][labels] += amount

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._values[name][labels] = value

    def value(self, name: str, *labels: str) -> float:
        """A counter or gauge as it stands."""
        return self._values[name][labels]

    def observe(self, name: str, values: Iterable[float]) -> None:
        """Add values to a histogram."""
        histogram = self._histograms[name]
        for value in values:
            histogram.add(value)

    def listen_to(self, inputs: Sequence[str]) -> None:
        """Name the inputs, in order; those known before keep their counts."""
        self.inputs = list(inputs)
        for name in ("streamrnn_frames_received_total", "streamrnn_observations_received_total"):
            for endpoint in inputs:
                self._values[name].setdefault((endpoint,), 0.0)

    def received(self, frames: dict[int, int], observations: dict[int, int], last: float) -> None:
        """Frames and observations taken, by index of the input; `last` is when, in seconds since the epoch."""
        for name, counts in (
            ("streamrnn_frames_received_total", frames),
            ("streamrnn_observations_received_total", observations),
        ):
            for origin, count in counts.items():
                self._values[name][(self.inputs[origin],)] += count
        self._values["streamrnn_last_observation_timestamp_seconds"][()] = last

    def served(self, outcomes: Outcomes | EventOutcomes, sent: int, seconds: float) -> None:
        """What the engine said, how many messages tell it, and the seconds from receiving to publishing them.

        A bit that nobody set costs nothing.
        """
        values, n, bits = self._values, len(outcomes), outcomes.bits
        seen = int(np.bitwise_or.reduce(bits))
        values["streamrnn_observations_applied_total"][()] += n
        if outcomes.sequence_gap.any():  # summed by Python: a sender can make the gaps so large that 64 bits run over
            values["streamrnn_observations_lost_total"][()] += sum(
                gap for gap in outcomes.sequence_gap.tolist() if gap > 0
            )
        for bit, name, labels in _BITS:
            if seen & bit:
                values[name][labels] += 1 if n == 1 else int(np.count_nonzero(bits & bit))
        if seen & _RAISED:
            for severity in outcomes.severity[(bits & _RAISED) != 0].tolist():
                values["streamrnn_anomaly_events_total"][(messages.SEVERITIES[severity],)] += 1
        anomalies = sum(int(np.count_nonzero(bits & bit)) for bit in STATES if seen & bit)
        drifts = int(np.count_nonzero(bits & DRIFTS)) if seen & DRIFTS else 0
        published = values["streamrnn_messages_published_total"]
        published[("prediction",)] += sent - anomalies - drifts
        published[("anomaly",)] += anomalies
        published[("drift",)] += drifts
        self._batch.add(n)
        self._latency.add(seconds, n)

    def silent(self, count: int) -> None:
        """So many streams were told to be silent."""
        self._values["streamrnn_silences_total"][()] += count
        self._values["streamrnn_messages_published_total"][("anomaly",)] += count

    def health(self, health: Health | EventHealth) -> None:
        """How good the forecasts are. What is not known yet has no series."""
        if isinstance(health, EventHealth):
            self._event_health(health)
            return
        self.set("streamrnn_interval_level_ratio", health.level)
        columns = (
            ("streamrnn_forecast_error_ratio", health.error),
            ("streamrnn_forecast_skill_persistence_ratio", health.skill_persistence),
            ("streamrnn_forecast_skill_seasonal_ratio", health.skill_seasonal),
            ("streamrnn_forecast_below_persistence_ratio", health.below_persistence),
            ("streamrnn_interval_coverage_ratio", health.coverage),
            ("streamrnn_interval_width_ratio", health.width),
            ("streamrnn_interval_score_ratio", health.winkler),
        )
        for name, column in columns:
            pairs = zip(health.steps, column.tolist(), strict=True)
            self._values[name] = {(str(step),): value for step, value in pairs if not math.isnan(value)}

    def _event_health(self, health: EventHealth) -> None:
        for name, series in (
            ("streamrnn_event_bits", {"mix": health.bits, "network": health.bits_network, "table": health.bits_table}),
            ("streamrnn_event_hits_ratio", {"first": health.top1, "shown": health.topk}),
            ("streamrnn_event_unseen_ratio", {"": health.unseen}),
            ("streamrnn_event_skill_ratio", {"": health.skill}),
            ("streamrnn_event_symbols", {"": float(health.symbols)}),
        ):
            found = [((label,) if label else (), value) for label, value in series.items()]
            self._values[name] = {labels: value for labels, value in found if not math.isnan(value)}

    def collect(self) -> Iterator[Any]:
        """The families, for prometheus-client."""
        self._read()
        for metric in METRICS:
            yield _family(metric, self._values.get(metric.name, {}), self._histograms.get(metric.name))


def _children(metric: Metric) -> list[tuple[str, ...]]:
    """Label values that are known beforehand."""
    if metric.name in _OF_TASKS:
        return []
    if not metric.labels:
        return [()]
    special = {
        "streamrnn_peers_disconnected_total": connections.REASONS,
        "streamrnn_config_reloads_total": ("ok", "refused"),
        "streamrnn_handshakes_total": authentication.RESULTS,
        "streamrnn_denied_total": authentication.DENIALS,
    }
    return [(value,) for value in special.get(metric.name, _CLOSED.get(metric.labels[0], ()))]


def _family(metric: Metric, values: dict[tuple[str, ...], float], histogram: Histogram | None) -> Any:
    if histogram is not None:
        family = HistogramMetricFamily(metric.name, metric.help)
        family.add_metric([], histogram.buckets(), histogram.sum)
        return family
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in list(values.items()):
        family.add_metric(labels, value)
    return family
