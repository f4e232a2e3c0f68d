"""What is published: outcomes, dead letters, the status. It is sent, and kept for catch-up."""

import time
from collections.abc import Sequence

from streamrnn.engine.engine import Engine
from streamrnn.messages import Batch, EventOutcomes, Outcomes
from streamrnn.service.ingest.admission import Refused
from streamrnn.service.ingest.sockets import Sockets
from streamrnn.service.ingest.subscriptions import Message
from streamrnn.service.publish.catchup import Catchup
from streamrnn.service.publish.dead_letters import DeadLetters
from streamrnn.wire import Encoder


class Publisher:
    """`lsn`: everything up to it has been sent, or waits to be sent when the start is complete."""

    def __init__(
        self,
        engine: Engine,
        encoder: Encoder,
        sockets: Sockets,
        catchup: Catchup | None,
        dead_letters: DeadLetters,
    ) -> None:
        self.lsn = 0
        self._sockets, self._catchup, self._dead_letters = sockets, catchup, dead_letters
        self.follow(engine, encoder)

    def follow(self, engine: Engine, encoder: Encoder) -> None:
        """Write the outcomes of this engine from now on."""
        self._engine, self._encoder = engine, encoder

    def send(self, messages: list[Message]) -> None:
        """To all subscribers."""
        self._sockets.send(messages)
        if self._catchup:
            self._catchup.keep(messages)

    def outcomes(self, batch: Batch, outcomes: Outcomes | EventOutcomes, lsns: list[int]) -> int:
        """What came of a batch; `lsns` (m) of its runs. How many messages that is."""
        if not self._sockets.heard and not self._catchup:  # half of a turn's work is writing
            return self._encoder.pass_over(batch, outcomes, self._engine.names, lsns)
        messages = self._encoder.encode(batch, outcomes, self._engine.names, lsns, False)
        self.send(messages)
        return len(messages)

    def refuse(self, refused: Sequence[Refused]) -> None:
        """Dead letters, as many as their rate allows."""
        if refused:
            self.send(self._dead_letters.write(refused, time.monotonic()))

    def sent(self, lsn: int) -> None:
        """Everything up to `lsn` has been sent."""
        self.lsn = lsn
