"""The anchor of the event benchmarks: order-k Witten-Bell blends (Witten and Bell 1991), counted as it comes."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

Symbol = Hashable


class WittenBell:
    """P_k(s) = (c(s) + T P_{k-1}(s)) / (C + T), C occurrences and T successors of the context."""

    def __init__(self, order: int, alphabet: int) -> None:
        self.order, self.alphabet = order, alphabet
        self.counts: dict[tuple[Symbol, ...], Counter[Symbol]] = defaultdict(Counter)

    def share(self, history: Sequence[Symbol], s: Symbol) -> float:
        p = 1.0 / self.alphabet
        for key in self._keys(history):
            found = self.counts.get(key)
            if found:
                kinds = len(found)
                p = (found[s] + kinds * p) / (found.total() + kinds)
        return p

    def best(self, history: Sequence[Symbol]) -> Symbol | None:
        """The likeliest successor of the longest context known: ties go to the one seen first."""
        for key in reversed(self._keys(history)):
            if key in self.counts:
                seen: set[Symbol] = set()
                for known in reversed(self._keys(history)):
                    seen.update(self.counts.get(known, ()))
                return max(seen, key=lambda s: self.share(history, s))
        return None

    def observe(self, history: Sequence[Symbol], s: Symbol) -> tuple[float, bool]:
        """Bits of s and whether it was the likeliest; then count it."""
        bits, hit = -math.log2(self.share(history, s)), self.best(history) == s
        for key in self._keys(history):
            self.counts[key][s] += 1
        return bits, hit

    def _keys(self, history: Sequence[Symbol]) -> list[tuple[Symbol, ...]]:
        return [tuple(history[len(history) - k :]) for k in range(min(self.order, len(history)) + 1)]
