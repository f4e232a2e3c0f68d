"""Streams at rest: whatever is in memory when, every stream goes on as if it had always been there."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import fake
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn import spec
from streamrnn.engine import engine as real
from streamrnn.engine.reorder import Reorder
from streamrnn.service.ingest.admission import admit
from streamrnn.service.recovery import replay as recovery
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.journal import Journal
from streamrnn.service.storage.store import Store
from streamrnn.service.streams.registry import Streams
from streamrnn.wire import Decoder, Encoder, Forecasts, Frame, Source
from tests.engine.feed import tiny

NAMES = ["a", "b", "c", "d", "e", "f", "g/h"]
MODEL = spec.Model(features=("flow",))
POOLED = tiny(features=("flow",), weights="pooled")
LARGE = 300_000  # bytes that the engine says a stream takes: at most one more rests than has to


class Small:
    """The daemon's way of a message without its sockets, over an engine that may have fewer rows than `most`.

    `careful`: what is replayed is tried in a copy first, as after a start that ended in its replay.
    """

    def __init__(self, store: Store, engine: Any, most: int, careful: bool = False) -> None:
        self.engine, self.decoder = engine, Decoder(("flow",), "forecast", [Source()], 100)
        form = Forecasts(engine.targets, engine.horizons, engine.level, engine.monitors, False)
        self.encoder = Encoder(form)
        self.journal, reorder = Journal(store), Reorder(0.0)
        self.checkpoint = Checkpoint(store, self.counts, reorder)
        self.streams = Streams(engine, self.encoder, self.checkpoint, most, 0.0)
        applied = recovery.restore(self.streams, self.checkpoint, reorder, 0.0)
        self.told: list[Any] = []
        replay = recovery.Replay(engine, self.streams, self.journal, self.decoder, applied, 1, self.command, reorder)
        replay.run(lambda one: self.encoder.pass_over(one.batch, one.outcomes, engine.names, one.lsns), careful)
        self.now = 0.0

    def counts(self, name: str) -> tuple[int, int]:
        return self.encoder.counts(int(self.engine.admit([name])[0])) if name else (0, 0)

    def command(self, kind: str, name: str, lsn: int) -> None:
        (self.streams.forget(name) if kind == "forget" else self.streams.reset(name, lsn - 1))

    def order(self, kind: str, name: str) -> None:
        if self.streams.known(name):
            frame = Frame(recovery.COMMAND, 0.0, kind.encode(), name.encode())
            self.command(kind, name, self.journal.append([frame], self.journal.last)[-1])

    def feed(self, frames: Sequence[Sequence[str]], value: float) -> list[dict[str, Any]]:
        """A batch of frames, each with observations of these streams; the predictions."""
        self.now += 1.0
        made = [
            Frame(0, 1e9, b"", json.dumps([{"stream": name, "values": {"flow": value}} for name in names]).encode())
            for names in frames
        ]
        decoded = self.decoder.decode(made)
        admitted = admit(self.streams, made, decoded)
        published, place = admitted.journaled()
        lsns, messages = self.journal.append(published, self.journal.last), []
        for batch, rows, runs in self.streams.parts(admitted.batch, [lsns[place[i]] for i in admitted.frame]):
            self.streams.hear(rows, self.now)
            outcomes = self.engine.step(batch, rows)
            messages += self.encoder.encode(batch, outcomes, self.engine.names, runs, False)
        return [json.loads(body) for topic, body in messages if topic.startswith(b"prediction")]

    def state(self) -> dict[str, Any]:
        """Every stream, wherever it is."""
        found = {}
        for name in NAMES:
            if self.engine.known(name):
                found[name] = (self.engine.export(name), self.counts(name))
            elif self.streams.known(name):
                stored = self.checkpoint.fetch(name)
                assert stored is not None
                found[name] = (stored.blob, stored.counts)
        return found


@contextmanager
def opened(path: Path, engine: Any, most: int = len(NAMES), careful: bool = False) -> Iterator[Small]:
    with closing(Store(path, "commit", 1.0)) as store:
        yield Small(store, engine, most, careful)


def small_engine(capacity: int) -> fake.Engine:
    engine = fake.Engine(MODEL, capacity)
    engine.bytes_per_stream = LARGE
    return engine


frames = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), min_size=1, max_size=5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), frames),
        st.tuples(st.just("write"), st.sampled_from([1, 10_000])),
        st.tuples(st.sampled_from(["forget", "reset"]), st.sampled_from(NAMES)),
    ),
    max_size=15,
)


def play(one: Small, life: list[tuple[str, Any]]) -> list[Any]:
    """The predictions of a life; the lsn says when each was made."""
    told = []
    for number, (what, with_) in enumerate(life):
        if what == "feed":
            told += one.feed(with_, float(number))
        elif what == "write":
            one.checkpoint.write(one.engine, one.journal.last, with_)
        else:
            one.order(what, with_)
    return told


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(steps, min_size=1, max_size=4))
def test_rest_and_kills_change_nothing(lives: list[list[tuple[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as root, opened(Path(root, "all"), small_engine(len(NAMES))) as whole:
        for number, life in enumerate(lives):
            with opened(Path(root, "few"), small_engine(3), careful=number % 2 == 1) as few:
                assert play(few, life) == play(whole, life)
                assert few.state() == whole.state()
                assert len(few.streams) == len(whole.streams)
        with opened(Path(root, "few"), small_engine(3)) as few:
            assert few.state() == whole.state()


@pytest.mark.parametrize("model", [tiny(features=("flow",)), POOLED], ids=["per_stream", "pooled"])
def test_a_learner_comes_back_bit_for_bit(model: spec.Model, tmp_path: Path) -> None:
    order = [[NAMES[(7 * i + i * i // 5 + j) % len(NAMES)] for j in range(3)] for i in range(120)]
    with opened(tmp_path / "all", real.Engine(model, len(NAMES))) as whole:
        for i, names in enumerate(order):
            whole.feed([names], float(i % 9))
        for part in (order[:50], order[50:]):
            with opened(tmp_path / "few", real.Engine(model, 3), careful=True) as few:
                for names in part:
                    few.feed([names], float(few.journal.last % 9))
                assert few.streams.loaded > 20
        with opened(tmp_path / "few", real.Engine(model, 3)) as few:
            assert few.state() == whole.state()


def test_a_new_stream_beyond_the_room_is_refused_and_known_ones_are_not(tmp_path: Path) -> None:
    with opened(tmp_path, small_engine(2), most=3) as one:
        one.feed([["a"], ["b"], ["c"]], 1.0)
        assert [told["stream"] for told in one.feed([["d", "a"], ["b"]], 2.0)] == ["a", "b"]
        assert one.streams.evicted == 1
        one.order("forget", "c")
        assert [told["stream"] for told in one.feed([["d"]], 3.0)] == ["d"]


@pytest.mark.parametrize("written", [0, 1, 9])
def test_a_stream_that_was_forgotten_and_came_again_is_there_after_its_rest(tmp_path: Path, written: int) -> None:
    """Whether that it was forgotten is still to be stored, has been in a round under way, or in one that is over."""
    with opened(tmp_path, small_engine(3)) as one:
        one.feed([["a", "b"]], 1.0)
        one.order("forget", "a")
        for _ in range(written):
            one.checkpoint.write(one.engine, one.journal.last, 1)
        one.feed([["a", "b"], ["c", "d"]], 2.0)
        assert not one.engine.known("a")
        one.checkpoint.finish(one.engine, one.journal.last)
        before = one.state()
        assert before["a"][1] == (1, 0)
    with opened(tmp_path, small_engine(3)) as one:
        assert one.state() == before


def test_those_that_were_silent_the_longest_rest(tmp_path: Path) -> None:
    with opened(tmp_path, small_engine(3)) as one:
        one.feed([["a"], ["b"], ["c"]], 1.0)
        one.feed([["b"]], 2.0)
        one.feed([["a"]], 2.0)
        one.feed([["d"]], 3.0)
        assert one.streams.known("c")
        assert not one.engine.known("c")
        assert one.engine.known("a")


def test_a_damaged_row_begins_anew_and_is_named(tmp_path: Path) -> None:
    with closing(Store(tmp_path, "commit", 1.0)) as store:
        one = Small(store, small_engine(2), len(NAMES))
        one.feed([["a"], ["b"]], 1.0)
        one.feed([["c"], ["d"]], 1.0)
        with store.writing() as connection:
            connection.execute("UPDATE state SET blob = x'00' WHERE stream = 'a'")
        assert one.feed([["a"]], 2.0)[0]["seq"] == 1
        assert one.checkpoint.damaged == ["a"]


def test_rows_of_another_layout_come_back_with_what_fits_in_memory_and_from_rest(tmp_path: Path) -> None:
    older, newer = tiny(features=("flow",)), tiny(features=("flow",), rule=spec.Tbptt(8, 4))
    with opened(tmp_path, real.Engine(older, 2)) as one:
        for value in range(20):
            one.feed([["a"], ["b"], ["c"]], float(value))
        one.checkpoint.finish(one.engine, one.journal.last)
    with opened(tmp_path, real.Engine(newer, 2)) as one:
        assert one.streams.evicted == 1
        assert [told["seq"] for told in one.feed([["a"], ["b"], ["c"]], 20.0)] == [21, 21, 21]
        rests = next(name for name in ("a", "b", "c") if not one.engine.known(name))
        stored = one.checkpoint.fetch(rests)
        assert stored is not None
        assert stored.layout == one.engine.layout
