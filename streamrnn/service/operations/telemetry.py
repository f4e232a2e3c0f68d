"""What Prometheus sees, and whether the daemon is alive and ready.

`metrics` has the one list of names. Counts are kept as plain numbers and become metric families when somebody asks, so
a turn pays a few microseconds. No label carries a stream's name or anything else that a sender chooses.
"""

import math
import platform
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from streamrnn import __version__, messages
from streamrnn.messages import EventHealth, EventOutcomes, Health, Outcomes
from streamrnn.service.ingest import authentication, connections, producers
from streamrnn.service.operations.metrics import METRICS, Metric
from streamrnn.wire import REASONS
from streamrnn.wire.outgoing.drifts import DRIFTS
from streamrnn.wire.outgoing.encode import STATES

NAMES_TOLD = 100  # values left out that the log names: a sender may invent names
LEFT_OUT = {  # why a value of an observation that was taken is left out, and what to do
    "type": "it is no number and counts as missing; send a number or null",
    "not_finite": "NaN and infinities count as missing; send null",
    "out_of_range": "it is beyond 1e308 and counts as missing",
    "unknown_feature": "it is not in model.features; add it there, or leave it out",
    "time": 'the observation has no "time" and gets that of its arrival; did you mean "time"?',
}
_log = structlog.get_logger("streamrnn")

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
        self._told: set[tuple[str, str]] = set()  # values left out of which the log has said so
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

    def left_out(self, reason: str, name: str, count: int) -> None:
        """So many values of a name were left out of observations; the log says it once for every name."""
        self._values["streamrnn_values_left_out_total"][(reason,)] += count
        if (reason, name) not in self._told and len(self._told) < NAMES_TOLD:
            self._told.add((reason, name))
            _log.warning("values are left out", reason=reason, name=name, hint=LEFT_OUT[reason])

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
        "streamrnn_values_left_out_total": tuple(LEFT_OUT),
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
