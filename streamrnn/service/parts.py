"""What a daemon is made of, and the part of it that a configuration decides.

`Core` is what a configuration makes. A reload makes another one and hands it to the same objects (`Parts.follow`) as
the start does, so there is one wiring.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from streamrnn import __version__
from streamrnn.config.schema import Config
from streamrnn.engine.engine import Engine
from streamrnn.engine.reorder import Reorder
from streamrnn.service.ingest.authentication import Authenticator
from streamrnn.service.ingest.backlog import Backlog
from streamrnn.service.ingest.disk_full import DiskFull
from streamrnn.service.ingest.producers import ProducerSessions
from streamrnn.service.ingest.rate_limit import RateLimiter, newcomers
from streamrnn.service.ingest.sockets import Sockets
from streamrnn.service.operations.systemd import ServiceManager
from streamrnn.service.operations.telemetry import Telemetry
from streamrnn.service.publish.catchup import Catchup
from streamrnn.service.publish.dead_letters import DeadLetters
from streamrnn.service.publish.last_values import LastValues
from streamrnn.service.publish.publisher import Publisher
from streamrnn.service.recovery import replay
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.checkpoint_schedule import CheckpointSchedule
from streamrnn.service.storage.incarnation import Incarnation
from streamrnn.service.storage.journal import Journal
from streamrnn.service.storage.reserve import Reserve
from streamrnn.service.storage.store import Store
from streamrnn.service.streams.commands import StreamCommands
from streamrnn.service.streams.freeze import Freeze
from streamrnn.service.streams.registry import Streams
from streamrnn.wire import Decoder, Encoder


class Core(NamedTuple):
    """What a configuration makes; exchanged as one."""

    config: Config
    engine: Engine
    decoder: Decoder
    encoder: Encoder


@dataclass(slots=True)
class Parts:
    """The objects of one daemon. `source` is the file that a reload reads again."""

    core: Core
    source: Path | None
    manager: ServiceManager
    store: Store
    telemetry: Telemetry
    authenticator: Authenticator
    rate_limiter: RateLimiter
    reorder: Reorder
    journal: Journal
    checkpoint: Checkpoint
    schedule: CheckpointSchedule
    streams: Streams
    producers: ProducerSessions
    freeze: Freeze
    commands: StreamCommands
    dead_letters: DeadLetters
    last_values: LastValues
    sockets: Sockets
    catchup: Catchup | None
    publisher: Publisher
    disk_full: DiskFull
    backlog: Backlog
    incarnation: Incarnation
    reserve: Reserve

    @property
    def config(self) -> Config:
        """The one that is kept to."""
        return self.core.config

    @property
    def engine(self) -> Engine:
        """The one that serves."""
        return self.core.engine

    def follow(self, core: Core) -> None:
        """Go over to what another configuration has made; at the start, to what a recovery has left."""
        config, now = core.config, time.monotonic()
        self.core = core
        self.reorder.follow(config.model.lateness)
        self.schedule.follow(config.state)
        self.streams.follow(core.engine, core.encoder, config.limits.max_streams, now)
        self.commands.follow(config, core.engine, core.encoder)
        self.telemetry.listen_to([spec.endpoint for spec in config.input])
        self.rate_limiter.follow(newcomers(config))
        self.dead_letters.follow(config.limits.dead_letters_per_second, core.encoder)
        self.last_values.follow(core.engine, core.encoder, config.output.format)
        self.publisher.follow(core.engine, core.encoder)
        self.producers.follow(config.limits, self.incarnation.id)

    def settle(self, config: Config) -> None:
        """From now on the journal is written with `config`: no journaled frame is read by two configurations."""
        self.checkpoint.finish(self.engine, self.journal.last, alive=self.alive)
        replay.note(self.store, replay.reading(config))

    def acknowledge(self) -> None:
        """Answer the producers; what is not yet on the disk is answered when it is."""
        for reply in self.producers.settle():
            self.sockets.reply(*reply)

    def tell_status(self, state: str, **more: Any) -> None:
        """Publish what has become of the daemon."""
        fields = {
            "state": state,
            "time": time.time(),
            "version": __version__,
            "streams": len(self.streams),
            "lsn": self.journal.last,
            **self.incarnation.told(),
            **more,
        }
        self.publisher.send([self.last_values.status(fields)])
        self.telemetry.count("streamrnn_messages_published_total", 1, "status")

    def alive(self) -> None:
        """A sign of life from long work between turns."""
        now = time.monotonic()
        self.telemetry.alive_at(now)
        self.manager.alive(now)
