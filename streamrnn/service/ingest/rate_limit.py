"""What a sender may not send: frames are turned away whole, before the journal, so that a replay need not decide again.

A key sends the streams that its grant names. New streams are let in at a rate, a bucket a sender: a frame is taken when
there is credit, and its new streams are paid for afterwards, so a gateway's first frame of a thousand sensors gets in
and a flood of invented names does not, whatever the size of its frames. Streams that are known are never held up.

Rejected: a small state on probation for the first messages of a stream. `limits.max_streams` bounds the memory of all
streams beforehand, and the rate how soon it can be used up.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from streamrnn.config.schema import Config
from streamrnn.wire.frames import Decoded, Frame

RATE = 50.0  # new streams a second of a peer with a key, unless the configuration says otherwise
BURST = 2.0  # seconds of credit that are saved up


class Known(Protocol):
    """The part of the engine that is needed here."""

    def known(self, name: str) -> bool: ...


class RateLimiter:
    """`rate`: new streams a second of one sender, infinite for no limit; None: RATE for peers with a key alone."""

    def __init__(self, may_send: Callable[[str, str], bool], rate: float | None) -> None:
        self.rate = rate
        self._may_send = may_send
        self._buckets: dict[str, tuple[float, float]] = {}  # sender -> credit, and when it was counted

    def follow(self, rate: float | None) -> None:
        """Keep to this rate from now on."""
        self.rate = rate

    def reject(self, engine: Known, frames: Sequence[Frame], decoded: Decoded, now: float) -> dict[int, str]:
        """Frame -> reason of those that are not let in; `now` in monotonic seconds."""
        away: dict[int, str] = {}
        if self.rate is None and not any(frame.user for frame in frames):
            return away
        new: dict[int, set[str]] = {}
        for index, name in zip(decoded.frame, decoded.batch.names, strict=True):
            key = frames[index].user
            if not self._may_send(key, name):
                away[index] = "denied"
            elif not engine.known(name) and (key or self.rate is not None):
                new.setdefault(index, set()).add(name)
        entered: set[str] = set()
        for index, names in new.items():
            count = len(names - entered)
            if index in away or not count:
                continue
            if self._pays(frames[index], count, now):
                entered |= names
            else:
                away[index] = "new_streams"
        return away

    def _pays(self, frame: Frame, count: int, now: float) -> bool:
        rate = RATE if self.rate is None else self.rate
        if rate == math.inf:
            return True
        sender = frame.user or str(frame.origin)
        most = max(1.0, rate * BURST) if rate else 0.0
        credit, since = self._buckets.get(sender, (most, now))
        credit = min(most, credit + (now - since) * rate)
        paid = credit >= 1.0
        self._buckets[sender] = (credit - count * paid, now)
        return paid


def newcomers(config: Config) -> float | None:
    """New streams a second of a sender; the cases of a pool are short and many, and not limited."""
    return config.limits.new_streams_per_second if config.model.weights == "per_stream" else math.inf
