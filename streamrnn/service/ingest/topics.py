"""The topics that the connections of an output are subscribed to, counted by who has to answer for them."""

from collections import Counter

BYTES = 2 * 1024 * 1024  # of all topics together

Owner = str | int  # a key, or a connection that has shown none


class Topics:
    """What each connection holds, until it ends."""

    def __init__(self) -> None:
        self.bytes = 0
        self._held: dict[int, dict[bytes, Owner]] = {}
        self._counts: Counter[Owner] = Counter()

    def hold(self, descriptor: int, owner: Owner, topic: bytes, most: int) -> bool:
        """Whether there is room for a subscription of a connection, at most `most` of one owner; it is held then."""
        held = self._held.setdefault(descriptor, {})
        if topic in held:
            return True
        if self._counts[owner] >= most or self.bytes + len(topic) > BYTES:
            return False
        held[topic] = owner
        self._counts[owner] += 1
        self.bytes += len(topic)
        return True

    def release(self, descriptor: int, topic: bytes) -> None:
        """A connection has given up a subscription."""
        owner = self._held.get(descriptor, {}).pop(topic, None)
        if owner is not None:
            self._let_go(owner, topic)

    def end(self, descriptor: int) -> None:
        """A connection has ended."""
        for topic, owner in self._held.pop(descriptor, {}).items():
            self._let_go(owner, topic)

    def _let_go(self, owner: Owner, topic: bytes) -> None:
        self.bytes -= len(topic)
        self._counts[owner] -= 1
        if not self._counts[owner]:
            del self._counts[owner]
