"""What the engine does about drift, said with river's detectors."""

from dataclasses import dataclass, field
from typing import Any

from river import drift

SETTLED, RATE = 50, 0.001


@dataclass
class Watch:
    """One stream with one target: errors in, drifts out."""

    make: Any = drift.ADWIN
    usual: float = 0.0
    seen: int = 0
    detector: Any = field(init=False)
    told: list[float] = field(default_factory=list)  # of the detector that is at work

    def __post_init__(self) -> None:
        self.detector = self.make()

    def see(self, error: float) -> bool:
        """Whether this error shows a change to the worse."""
        loss = abs(error) / (abs(error) + self.usual) if error else 0.0
        ready = self.seen >= SETTLED
        self.seen += 1
        self.usual += max(RATE, 1 / self.seen) * (abs(error) - self.usual)
        if not ready:
            return False
        self.told.append(loss)
        self.detector.update(loss)
        if not self.detector.drift_detected:
            return False
        half = self.told[len(self.told) // 2 :]
        worse = sum(half) / len(half) > sum(self.told) / len(self.told)
        self.told.clear()
        if worse:
            self.seen = min(self.seen, SETTLED)
            self.detector = self.make()
        return worse
