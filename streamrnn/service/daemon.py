"""The daemon: built from a configuration, turned by one thread, stopped by a signal.

`Daemon.turn` is the way of a message.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from msgspec import structs

from streamrnn import __version__
from streamrnn.config.schema import Config, Output, load
from streamrnn.engine.reorder import Reorder
from streamrnn.engine.tasks import AnyEngine
from streamrnn.errors import ConfigError, FullError, StreamrnnError
from streamrnn.messages import Batch, Ints
from streamrnn.service import build, changes
from streamrnn.service.ingest.admission import Refused, admit, by_input
from streamrnn.service.ingest.authentication import authenticator, granted
from streamrnn.service.ingest.disk_full import DiskFull
from streamrnn.service.ingest.producers import ProducerSessions
from streamrnn.service.ingest.rate_limit import RateLimiter, newcomers
from streamrnn.service.ingest.sockets import Sockets
from streamrnn.service.ingest.subscriptions import Message
from streamrnn.service.operations import control, logs, resources
from streamrnn.service.operations.systemd import ServiceManager
from streamrnn.service.operations.telemetry import Telemetry
from streamrnn.service.operations.web import Web
from streamrnn.service.publish import catchup
from streamrnn.service.publish.catchup import Catchup
from streamrnn.service.publish.dead_letters import DeadLetters
from streamrnn.service.publish.last_values import LastValues
from streamrnn.service.recovery import backfill, losses, poison
from streamrnn.service.recovery import replay as recovery
from streamrnn.service.recovery.backfill import History
from streamrnn.service.storage.backup import back_up
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.checkpoint_schedule import CheckpointSchedule
from streamrnn.service.storage.journal import Journal, Write
from streamrnn.service.storage.store import Store, directory
from streamrnn.service.streams.commands import StreamCommands
from streamrnn.service.streams.freeze import Freeze, freeze
from streamrnn.service.streams.generate import generate
from streamrnn.service.streams.registry import Streams
from streamrnn.service.streams.silence import Silence
from streamrnn.wire import Frame

IDLE = 0.1  # seconds a poll waits; how soon a signal is noticed
CHORES = 0.1  # seconds between rounds of what need not be done every turn
STATUS = 10.0  # seconds between lines for `systemctl status`
PARTS = 0.2  # seconds a turn may write parts of a checkpoint that is behind
STOP = 7.0  # seconds a stop may take to write what has changed; the rest is replayed at the next start
GATHER = 0.3  # of the time that a commit takes, a turn goes on taking messages
FUTURE = 300.0  # seconds that a sender's clock may be ahead before it is counted; what is learned does not change
SUBSCRIBERS = 0.5  # seconds that subscribers get to come back before they are sent what a stop held up
EXTENSION = 60  # seconds more that each part of a replay may take before the service manager loses patience

_log = structlog.get_logger("streamrnn")


class Daemon:
    """Everything, built and ready to turn: engine, state, recovery, sockets.

    `source` is the file that SIGHUP reads again, `lock` that of the state directory (`store.lock_of`); `history` is
    learned first, unless it has been; `accept_loss`: a model may lose what was learned. Raises StreamrnnError.
    """

    def __init__(
        self,
        config: Config,
        source: Path | None,
        lock: int | None = None,
        history: History | None = None,
        accept_loss: bool = False,
    ) -> None:
        self.config = config
        self._source = source
        self._manager = ServiceManager(os.environ)
        self._stopping = self._reload = False
        self._chores = self._told = time.monotonic()  # when each was last done
        self._schedule = CheckpointSchedule(config.state, self._told)
        with ExitStack() as opened:
            self._store = Store(directory(config), config.state.durability, config.state.interval, lock)
            opened.callback(self._store.close)
            losses.refuse(losses.of_store(self._store, config.model), accept_loss)
            self._memory = resources.memory()
            self._engine = build.engine(config)
            self._decoder, self._encoder = build.decoder(config), build.encoder(self._engine, config)
            self._telemetry = Telemetry([spec.endpoint for spec in config.input], self._measure)
            self._dead_letters = DeadLetters(config.limits.dead_letters_per_second, self._encoder, self._telemetry)
            self._last_values = LastValues(self._engine, self._encoder, config.output.format)
            self._authenticator = authenticator(config)
            self._rate_limiter = RateLimiter(self._authenticator.may_send, newcomers(config))
            self._reorder = Reorder(config.model.lateness)
            self._journal = Journal(self._store)
            self._checkpoint = Checkpoint(self._store, self._counts, self._reorder)
            self._streams = Streams(
                self._engine, self._encoder, self._checkpoint, config.limits.max_streams, time.monotonic()
            )
            self._producers, self._disk_full, self._freeze = (
                ProducerSessions(self._store, config.limits),
                DiskFull(),
                Freeze(self._store),
            )
            self._commands = StreamCommands(
                config, self._engine, self._encoder, self._streams, self._reorder, self._freeze, self._telemetry,
                self._append, Silence(self._engine, time.monotonic()),
            )  # fmt: skip
            agreed = recovery.agree(self._store, self._journal, recovery.reading(config))
            learn_first = backfill.due(self._store, history)
            held, replay = self._recover()
            if not agreed:
                self._settle(config)
            if history is not None and learn_first:
                self._learn(history, replay)
            self._commands.follow(config, self._engine, self._encoder)
            self._published = self._journal.last  # everything up to this lsn has been sent, or is in `held`
            self._sockets = Sockets(self._last_values.answer, self._authenticator)
            self._sockets.open(config.input, config.output, config.limits)
            opened.callback(self._sockets.close)
            self._open_control(config)
            self._catchup, self.catchup = self._open_catchup(config.output)
            self._web = self._open_web(config, opened)
            self._held = held
            self._opened = opened.pop_all()

    @property
    def endpoints(self) -> list[str]:
        """Where each input listens or connects to, and last the output."""
        return self._sockets.endpoints

    @property
    def metrics(self) -> str:
        """Where the metrics are served; empty when they are not."""
        return self._web.address if self._web else ""

    def turn(self, timeout: float) -> None:
        """Serve what is waiting, or wait at most `timeout` seconds for it."""
        frames = self._gather(timeout)
        if frames or self._disk_full.due(time.monotonic()):
            self._serve(frames)
        self._tend(len(frames))

    def run(self) -> None:
        """Turn until `stop` is called, then stop cleanly. Raises what makes going on impossible."""
        with self._opened:
            while not self._stopping:
                self.turn(IDLE)
                if self._reload:
                    self._reload = False
                    self.reload()
            self._finish()

    def stop(self) -> None:
        """Ask `run` to end; from any thread or a signal."""
        self._stopping = True

    def ask_reload(self) -> None:
        """Ask `run` to read the configuration again; from any thread or a signal."""
        self._reload = True

    def reload(self) -> None:
        """Read the configuration again. What is wrong with it is told, and all stays as it was."""
        self._manager.reloading()
        try:
            ended = self._sockets.change_grants(granted(self.config.security))  # whatever else may be wrong
            told: dict[str, Any] = {"connections_ended": ended} if ended else {}
            told |= self._change(self._load())
        except StreamrnnError as error:
            _log.error("reload refused", error=str(error))
            good, state, told = False, "reload_refused", {"error": str(error)}
        else:
            _log.info("reloaded", **told)
            good, state = True, "reloaded"
        self._telemetry.count("streamrnn_config_reloads_total", 1, "ok" if good else "refused")
        self._telemetry.set("streamrnn_config_last_reload_successful", float(good))
        self._publish_status(state, **told)
        self._manager.tell("READY=1", f"STATUS={state}: {told or 'as the file says'}")

    def _gather(self, timeout: float) -> list[Frame]:
        """What is waiting; with a commit a turn, what comes within a part of its time too: it is one for all.

        A message that comes alone is from somebody who may wait for the ack before sending the next.
        """
        frames = self._sockets.poll(timeout)
        if self._store.durability != "commit":
            return frames
        until = time.monotonic() + self._store.commit_seconds * GATHER
        most = self.config.limits.max_batch
        while 1 < len(frames) < most and not self._sockets.laden and (left := until - time.monotonic()) > 0:
            frames += self._sockets.poll(left)
        return frames

    def _serve(self, frames: list[Frame]) -> None:
        """The way of a message: sort, decode, admit, journal, acknowledge, apply, publish."""
        started = time.perf_counter()
        served = self._producers.sort(self._disk_full.take() + frames)
        decoded = self._decoder.decode(served)
        away = self._rate_limiter.reject(self._streams, served, decoded, time.monotonic())
        admitted = admit(self._streams, served, decoded, away)
        try:
            if self._disk_full.full and not admitted.frames:
                self._journal.mark(self._published)  # is there room?
            frames, place = admitted.journaled()
            committing = time.perf_counter()
            lsns = self._journal.append(frames, self._published, self._producers.also)
        except FullError as error:
            self._wait(served, error)
            return
        started += time.perf_counter() - committing  # a replay need not do that again
        if self._disk_full.full:
            self._go_on()
        self._producers.refuse(served, admitted.refused)
        self._acknowledge()
        if lsns:
            batch, runs = admitted.batch, [lsns[place[index]] for index in admitted.frame]
            if self._reorder.active:
                self._streams.hear(self._engine.admit(batch.names), time.monotonic())
                batch, runs = self._reorder.pass_on(batch, runs)
            for part in self._streams.parts(batch, runs):
                self._apply(*part, served)
            self._published = lsns[-1]
        self._refuse(admitted.refused)
        if served:
            self._telemetry.received(*by_input(served, decoded), served[-1].received)
            ahead = np.count_nonzero(decoded.batch.time > served[-1].received + FUTURE)
            self._telemetry.count("streamrnn_observations_future_total", int(ahead))
        self._schedule.worked(time.perf_counter() - started)

    def _apply(self, batch: Batch, rows: Ints, lsns: list[int], served: list[Frame]) -> None:
        """Observations through the engine, and out."""
        now = time.monotonic()  # how long a stream has been silent is no matter of a clock that may be set
        self._streams.hear(rows, now)
        outcomes = self._engine.step(batch, rows)
        self._commands.silence.hear(batch, outcomes, now)
        if self._sockets.heard or self._catchup:
            messages = self._encoder.encode(batch, outcomes, self._engine.names, lsns, False)
            self._publish(messages)
            count = len(messages)
        else:  # half of a turn's work is writing
            count = self._encoder.pass_over(batch, outcomes, self._engine.names, lsns)
        self._telemetry.served(outcomes, count, max(0.0, time.time() - served[0].received))

    def _acknowledge(self) -> None:
        """Answer the producers; what is not yet on the disk is answered when it is."""
        kept = not self._store.connection.in_transaction
        for reply in self._producers.settle() if kept else self._producers.replies():
            self._sockets.reply(*reply)

    def _wait(self, frames: list[Frame], error: FullError) -> None:
        """The disk is full: producers are told to come again, other inputs are left unread, the rest works on."""
        if self._store.durability != "commit":
            raise error  # what was applied since the last commit cannot be taken back
        self._producers.give_back(frames)
        for reply in self._producers.replies():
            self._sockets.reply(*reply)
        if self._disk_full.begin(frames, time.monotonic()):
            self._sockets.pause(True)
            self._telemetry.checks["journal"] = False
            self._telemetry.set("streamrnn_disk_full", 1.0)
            _log.error("the disk is full", error=error.args[0], hint=error.hint)

    def _go_on(self) -> None:
        self._disk_full.end()
        self._sockets.pause(False)
        self._telemetry.checks["journal"] = True
        self._telemetry.set("streamrnn_disk_full", 0.0)
        _log.info("there is room on the disk again")

    def _append(self, frames: list[Frame], also: Write | None) -> list[int]:
        """Journal what is no message; the lsn of each frame."""
        lsns = self._journal.append(frames, self._published, also)
        self._published = lsns[-1]
        return lsns

    def _order_due(self) -> None:
        """What time alone brings about. Raises FullError; then it is still to be done."""
        self._commands.forget_idle()
        self._publish(self._commands.tell_silence())

    def _counts(self, name: str) -> tuple[int, int]:
        """Messages that the topics of a stream have had."""
        return self._encoder.counts(int(self._engine.admit([name])[0])) if name else (0, 0)

    def _refuse(self, refused: Sequence[Refused]) -> None:
        if refused:
            self._publish(self._dead_letters.write(refused, time.monotonic()))

    def _refuse_malformed(self) -> None:
        """What the sockets could not make a frame of."""
        malformed = self._sockets.take_malformed()
        if malformed:
            counts = Counter(origin for origin, _ in malformed)
            self._telemetry.received(counts, counts, malformed[-1][1].received)
            self._refuse([(origin, refusal, 1) for origin, refusal in malformed])

    def _tend(self, waiting: int) -> None:
        """What follows a turn."""
        now = time.monotonic()
        self._telemetry.alive_at(now)
        self._telemetry.set("streamrnn_queue_frames", self.config.limits.max_batch if self._sockets.laden else waiting)
        self._journal.tick(now)
        if len(self._producers):
            self._acknowledge()
        with suppress(FullError):  # the next commit will tell
            self._store.fold()
        if self._schedule.due(now, waiting > 0, self._checkpoint.progress):
            self._save(now)
        if now - self._chores > CHORES:
            self._chores = now
            self._do_chores(now)
        self._manager.alive(now)

    def _save(self, now: float) -> None:
        """The next part of a checkpoint; of one that is behind, several."""
        if self._disk_full.full:
            return
        until = now + PARTS
        try:
            while True:
                self._schedule.begin()
                more = self._checkpoint.write(self._engine, self._journal.last)
                began, now = now, time.monotonic()
                self._schedule.wrote(began, now, more)
                if now > until or not self._schedule.behind(self._checkpoint.progress):
                    break
        except FullError as error:
            self._wait([], error)

    def _do_chores(self, now: float) -> None:
        self._refuse_malformed()
        for reason, count in self._sockets.ended.items():
            self._telemetry.count("streamrnn_peers_disconnected_total", count, reason)
        if self._sockets.ended["cut"]:
            _log.warning("peers cut off", count=self._sockets.ended["cut"], hint="see limits.max_frame_bytes")
        self._sockets.ended.clear()
        for name, counts in (
            ("streamrnn_handshakes_total", self._authenticator.handshakes),
            ("streamrnn_denied_total", self._authenticator.denied),
        ):
            for label, count in counts.items():
                self._telemetry.count(name, count, label)
            counts.clear()
        self._telemetry.count("streamrnn_observations_reordered_total", self._reorder.take_reordered())
        self._dead_letters.sum_up(now)
        for result, count in self._producers.counts.items():
            self._telemetry.count("streamrnn_producer_messages_total", count, result)
        self._producers.counts.clear()
        self._telemetry.passed(self._producers.passed)
        self._producers.passed.clear()
        self._telemetry.observe("streamrnn_journal_commit_seconds", self._journal.take_commit_seconds())
        self._telemetry.observe("streamrnn_checkpoint_seconds", self._checkpoint.take_seconds())
        if not self._disk_full.full:
            try:
                self._order_due()
            except FullError as error:
                self._wait([], error)
        if now - self._told > STATUS:
            self._told = now
            self._manager.tell(f"STATUS=serving {len(self._streams)} streams, lsn {self._journal.last}")

    def _measure(self, telemetry: Telemetry) -> None:
        """Set the gauges, in the thread of a scrape: this only reads."""
        engine, stats = self._engine, self._journal.stats
        free, size = resources.disk(self._store.path)
        for name, value in (
            ("streamrnn_streams", len(self._streams)),
            ("streamrnn_streams_resting", self._streams.evicted),
            ("streamrnn_streams_brought_back_total", self._streams.loaded),
            ("streamrnn_streams_damaged_total", len(self._checkpoint.damaged)),
            ("streamrnn_streams_limit", self._streams.capacity),
            ("streamrnn_state_bytes", engine.streams * engine.bytes_per_stream),
            ("streamrnn_journal_rows", stats.rows),
            ("streamrnn_journal_bytes", stats.bytes),
            ("streamrnn_journal_age_seconds", stats.age),
            ("streamrnn_loss_window_seconds", self._loss_window()),
            ("streamrnn_disk_free_bytes", free),
            ("streamrnn_disk_size_bytes", size),
            ("streamrnn_memory_limit_bytes", self._memory),
            ("streamrnn_checkpoint_age_seconds", self._checkpoint.age),
            ("streamrnn_producers", len(self._producers)),
            ("streamrnn_observations_held", self._reorder.held),
            ("streamrnn_ready", telemetry.ready),
        ):
            telemetry.set(name, value)
        telemetry.health(engine.health())

    def _loss_window(self) -> float:
        """Seconds of what was received that a crash may take back."""
        if self._store.durability == "off":
            return self._checkpoint.age
        return self._store.interval if self._store.durability == "interval" else 0.0

    def _recover(self) -> tuple[list[Message], recovery.Replay]:
        """Restore and replay; the messages that a stop may have held up."""
        began, held, count = time.monotonic(), list[Message](), 0
        engine, encoder = self._engine, self._encoder
        recovery.compare(self._checkpoint.writer, engine)
        applied = recovery.restore(self._streams, self._checkpoint, self._reorder, time.monotonic())

        def tell(part: recovery.Replayed) -> None:
            nonlocal count, held
            count += len(part.batch)
            if part.due:
                held += encoder.encode(part.batch, part.outcomes, engine.names, part.lsns, True)
            else:
                encoder.pass_over(part.batch, part.outcomes, engine.names, part.lsns)
            self._extend(f"replayed {count}")

        def obey(kind: str, name: str, lsn: int) -> None:
            nonlocal held
            messages = self._commands.obey(kind, name, lsn)
            held += messages if lsn > self._journal.published else []

        replay = recovery.Replay(
            engine, self._streams, self._journal, self._decoder, applied, len(self.config.input), obey,
            self._reorder,
        )  # fmt: skip
        freeze(engine, self._freeze.at(self._journal.floor))
        if self._journal.waiting:
            with poison.watched(self._store) as careful:
                replay.run(tell, careful)
        freeze(engine, self._freeze.now)
        self._poison = poison.refusals(replay.poison, self._decoder)
        self._telemetry.count("streamrnn_replayed_observations_total", count)
        seconds = round(time.monotonic() - began, 3)
        _log.info("recovered", streams=len(applied), observations=count, messages=len(held), seconds=seconds)
        return held, replay

    def _extend(self, status: str) -> None:
        """Ask the service manager for more time to start."""
        self._manager.tell(f"EXTEND_TIMEOUT_USEC={EXTENSION * 1_000_000}", f"STATUS={status}")

    def _learn(self, history: History, replay: recovery.Replay) -> None:
        """Learn a recorded file; nothing of it is published."""
        encoder, engine = self._encoder, self._engine

        def tell(part: recovery.Replayed) -> None:
            encoder.pass_over(part.batch, part.outcomes, engine.names, part.lsns)

        def alive(count: int) -> None:
            self._extend(f"learned {count} of {history.name}")

        learner = backfill.Backfill(
            self._store, self._journal, self._checkpoint, replay, self.config.state, alive
        )  # fmt: skip
        learner.run(history, tell)

    def _settle(self, config: Config) -> None:
        """From now on the journal is written with `config`: no journaled frame is read by two configurations."""
        self._checkpoint.finish(self._engine, self._journal.last)
        recovery.note(self._store, recovery.reading(config))

    def announce(self) -> None:
        """Say that we are ready, and send what a stop had held up. Signals must be listened to by now."""
        held, self._held = self._held, []
        self._telemetry.be_ready(True)
        self._manager.tell("READY=1", f"STATUS=serving {len(self._streams)} streams")
        if held:
            self._publish_status("replaying", messages=len(held))
            until = time.monotonic() + SUBSCRIBERS
            while (left := until - time.monotonic()) > 0:
                self._sockets.answer(left)
            self._publish(held)
        self._refuse(self._poison)
        self._publish_status("started")
        _log.info(
            "started",
            version=__version__,
            endpoints=self.endpoints,
            metrics=self.metrics,
            bytes_per_stream=self._engine.bytes_per_stream,
            bytes_total=self._engine.bytes_total,
            kernels=self._engine.kernel_digest,
            durability=self._store.durability,
            loss_window=self._store.interval if self._store.durability == "interval" else None,
        )

    def _finish(self) -> None:
        """A clean stop: nothing is left to replay, if there is the time."""
        self._manager.tell("STOPPING=1", "STATUS=stopping")
        self._telemetry.be_ready(False)
        whole = self._checkpoint.finish(self._engine, self._journal.last, STOP)
        self._journal.mark(self._published)
        self._publish_status("stopping")
        left = 0 if whole else self._journal.waiting
        _log.info("stopped", lsn=self._journal.last, streams=len(self._streams), to_replay=left)

    def _publish(self, messages: list[Message]) -> None:
        self._sockets.send(messages)
        if self._catchup:
            self._catchup.keep(messages)

    def _publish_status(self, state: str, **more: Any) -> None:
        fields = {
            "state": state,
            "time": time.time(),
            "version": __version__,
            "streams": len(self._streams),
            "lsn": self._journal.last,
            **more,
        }
        self._publish([self._last_values.status(fields)])
        self._telemetry.count("streamrnn_messages_published_total", 1, "status")

    def _open_control(self, config: Config) -> None:
        commands: dict[str, control.Command] = {
            "status": lambda _: self.status(),
            "forget": lambda asked: self._commands.order("forget", asked["stream"]),
            "reset": lambda asked: self._commands.order("reset", asked["stream"]),
            "freeze": lambda _: self._commands.order_freeze("freeze", self._journal.last + 1),
            "unfreeze": lambda _: self._commands.order_freeze("unfreeze", self._journal.last + 1),
            "backup": lambda asked: self._back_up(Path(asked["path"])),
            "reload": self._asked_reload,
            "feedback": self._commands.judge,
            "generate": lambda asked: generate(self._engine, asked),
        }
        if config.control.enabled:
            endpoint = control.endpoint(config.control.endpoint, self._store.path)
            if not config.control.endpoint and len(endpoint) > control.LONGEST:
                _log.warning("no control socket", reason=f"{endpoint} is too long", hint="set control.endpoint")
                return
            self._sockets.open_auxiliary(endpoint, control.OPTIONS, control.Control(commands).serve, always=True)

    def _open_web(self, config: Config, opened: ExitStack) -> Web | None:
        if not config.metrics.enabled:
            return None
        web = Web(config.metrics.host, config.metrics.port, self._telemetry)
        opened.callback(web.close)
        return web

    def _open_catchup(self, output: Output) -> tuple[Catchup | None, str]:
        """Where subscribers ask for what they missed, and its endpoint."""
        if not output.catchup:
            return None, ""
        door = structs.replace(output, endpoint=output.catchup)
        made = Catchup(self._streams, lambda: self._journal.last, partial(self._authenticator.may_hear, door))
        return made, self._sockets.open_auxiliary(
            output.catchup, catchup.OPTIONS | self._authenticator.options(door), made.serve
        )

    def status(self) -> dict[str, Any]:
        """What an operator wants to know first."""
        stats = self._journal.stats
        return {
            "version": __version__,
            "ready": self._telemetry.ready,
            "checks": dict(self._telemetry.checks),
            "streams": len(self._streams),
            "streams_resting": self._streams.evicted,
            "max_streams": self._streams.capacity,
            "producers": len(self._producers),
            "frozen": self._engine.frozen,
            "lsn": self._journal.last,
            "published_lsn": self._published,
            "journal_frames": stats.rows,
            "journal_bytes": stats.bytes,
            "checkpoint_age": round(self._checkpoint.age, 1),
            "durability": self._store.durability,
            "endpoints": self.endpoints,
            "catchup": self.catchup,
            "metrics": self.metrics,
        }

    def _back_up(self, path: Path) -> dict[str, Any]:
        self._journal.mark(self._published)  # nothing may be open
        return {"path": str(path), "bytes": back_up(self._store, path), "lsn": self._journal.last}

    def _asked_reload(self, asked: Mapping[str, str]) -> dict[str, Any]:
        if "dry_run" in asked:
            return changes.report(self._engine, len(self._streams), self.config, self._load())
        self._reload = True  # after this turn
        return {}

    def _load(self) -> Config:
        if self._source is None:
            raise ConfigError("there is no file to read again", "start with `streamrnn run FILE`")
        return load(self._source)

    def _change(self, config: Config) -> dict[str, Any]:
        """Go over to another configuration; what is worth telling. Raises StreamrnnError before anything changed."""
        engine = self._engine
        if config.model.task != self.config.model.task:
            raise ConfigError("model.task is not changed while running", "start again, with another state directory")
        if config.security != self.config.security:
            raise ConfigError("security is not changed while running", "keys are; for where they are, start again")
        if config.limits.max_streams < len(self._streams):
            raise ConfigError(f"limits.max_streams is below the {len(self._streams)} streams that are known")
        if (config.model, build.rows(config)) != (self.config.model, build.rows(self.config)):
            if build.rows(config) < engine.streams:
                raise ConfigError(f"limits.resident_streams is below the {engine.streams} streams in memory")
            losses.refuse(losses.of_engine(engine, config.model))
            engine = self._build(config)
            freeze(engine, self._freeze.now)
        decoder = build.decoder(config)
        try:
            self._sockets.change(config.input, config.output, config.limits)
        finally:
            self._serve_left()
        self._settle(config)
        told: dict[str, Any] = {}
        if engine is not self._engine:
            told["dropped"] = sorted(recovery.carry_over(self._engine, engine, self._alive))
        if later := build.at_start(self.config, config):
            told["at_next_start"] = later
        if engine is not self._engine or config.output.format != self.config.output.format:
            encoder = build.encoder(engine, config)
            encoder.go_on_from(self._encoder, engine.names)
            self._encoder = encoder
        self.config, self._engine, self._decoder = config, engine, decoder
        self._reorder.follow(config.model.lateness)
        self._schedule.follow(config.state)
        self._streams.follow(engine, self._encoder, config.limits.max_streams, time.monotonic())
        self._commands.follow(config, engine, self._encoder)
        self._telemetry.listen_to([spec.endpoint for spec in config.input])
        self._rate_limiter.follow(newcomers(config))
        self._dead_letters.follow(config.limits.dead_letters_per_second, self._encoder)
        self._last_values.follow(engine, self._encoder, config.output.format)
        self._producers.follow(config.limits)
        logs.configure(config.log.level)
        return told

    def _serve_left(self) -> None:
        """Serve what was taken from inputs that were closed or are read otherwise from now on, as it was sent to us."""
        left = self._sockets.take_left()
        for start in range(0, len(left), self.config.limits.max_batch):
            self._serve(left[start : start + self.config.limits.max_batch])
            self._alive()
        self._refuse_malformed()

    def _build(self, config: Config) -> AnyEngine:
        """Another engine; it may have to compile for longer than the watchdog waits."""
        with ThreadPoolExecutor(1) as builder:
            engine = builder.submit(build.engine, config)
            while not wait([engine], 1.0).done:
                self._alive()
            return engine.result()

    def _alive(self) -> None:
        now = time.monotonic()
        self._telemetry.alive_at(now)
        self._manager.alive(now)
