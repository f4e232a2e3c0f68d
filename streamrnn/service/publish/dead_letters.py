"""Dead letters: what was refused is counted in full, told to subscribers at a bounded rate, summed up in the log."""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

import structlog

from streamrnn.service.ingest.subscriptions import Message
from streamrnn.service.operations.telemetry import Telemetry
from streamrnn.wire import Refusal

SUMMARY_SECONDS = 10.0

_log = structlog.get_logger("streamrnn")


class Writer(Protocol):
    """The part of the encoder that is needed here."""

    def dead_letter(self, refusal: Refusal, source_index: int) -> Message: ...


class DeadLetters:
    """At most `rate` dead letters a second, in bursts of a second's worth."""

    def __init__(self, rate: float, encoder: Writer, telemetry: Telemetry) -> None:
        self.follow(rate, encoder)
        self._telemetry = telemetry
        self._tokens = max(1.0, rate) if rate else 0.0
        self._filled = 0.0
        self._seen: Counter[str] = Counter()
        self._told = 0.0

    def follow(self, rate: float, encoder: Writer) -> None:
        """Write with this encoder, at this rate, from now on."""
        self.rate, self.encoder = rate, encoder

    def write(self, refused: Iterable[tuple[int, Refusal, int]], now: float) -> list[Message]:
        """Count (input, refusal, observations in it), and return the letters that may be sent at `now`, monotonic."""
        self._tokens = min(max(1.0, self.rate) if self.rate else 0.0, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        letters, suppressed = [], 0
        seen: Counter[str] = Counter()
        for origin, refusal, observations in refused:
            seen[refusal.reason] += observations
            if self._tokens >= 1.0:
                self._tokens -= 1.0
                letters.append(self.encoder.dead_letter(refusal, origin))
            else:
                suppressed += 1
        for reason, count in seen.items():
            self._telemetry.count("streamrnn_observations_refused_total", count, reason)
        self._telemetry.count("streamrnn_dead_letters_suppressed_total", suppressed)
        self._telemetry.count("streamrnn_messages_published_total", len(letters), "deadletter")
        self._seen += seen
        return letters

    def sum_up(self, now: float) -> None:
        """One line in the log for what was refused since the last one, at most every ten seconds."""
        if self._seen and now - self._told >= SUMMARY_SECONDS:
            _log.warning("refused", observations=dict(self._seen), hint="subscribe to deadletter/ to see them")
            self._seen.clear()
            self._told = now
