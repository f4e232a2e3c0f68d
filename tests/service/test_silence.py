"""A stream that falls silent under the daemon: journaled, told once, ended by what comes, and over a crash the same."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Turned

from streamrnn.config import schema
from streamrnn.errors import FullError
from streamrnn.service import daemon as module
from streamrnn.service import startup

Make = Callable[..., Turned]
MODEL = """
[model]
task = "events"
preset = "light"
silence = SILENCE
monitors = [{{ kind = "anomaly", warmup = 50 }}]
vocabulary = {{ kind = "vocabulary", symbols = 8, shown = 2 }}
"""
WORD = "abcd" * 20
BEAT = 0.02  # seconds between events


@pytest.fixture
def serving(turned: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Turned]:
    """Makes a daemon of events that waits so many times the predicted time; its checkpoints are made by the test."""
    import conftest

    text = conftest.CONFIG

    def make(silence: float) -> Turned:
        changed = text.replace('[model]\nfeatures = ["flow"]', MODEL.replace("SILENCE", str(silence)).strip())
        monkeypatch.setattr(conftest, "CONFIG", changed)
        return turned("checkpoint = 3600.0\n[limits]\nmax_streams = 8\n")

    return make


def fed(one: Turned, *names: str) -> None:
    """A word of each stream, ending now."""
    now, before = time.time(), one.value("streamrnn_observations_applied_total")
    for i, symbol in enumerate(WORD):
        for name in names:
            at = now - BEAT * (len(WORD) - i)
            one.peers.push.send_json({"stream": name, "event": symbol, "time": at})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == before + len(names) * len(WORD))


def test_a_silence_is_told_once_and_closed_by_what_comes(serving: Callable[[float], Turned]) -> None:
    one = serving(1.0)
    subscriber = one.subscribed(b"anomaly/")
    fed(one, "a", "b")
    told = [one.received(subscriber) for _ in "ab"]
    assert sorted(topic for topic, _ in told) == ["anomaly/a/", "anomaly/b/"]
    topic, first = min(told)
    assert (first["state"], first["monitor"], first["topic_seq"]) == ("silence", "silence", 1)
    assert (first["event_id"], first["seq"], first["severity"]) == ("a/1", len(WORD), "major")
    assert (first["expected"]["event"], first["actual"]["event"]) == ("a", None)
    assert first["lsn"] > 2 * len(WORD)
    assert "due" in first["reason"]
    one.until(lambda: one.value("streamrnn_silences_total") == 2)
    assert one.value("streamrnn_messages_published_total", "anomaly") == 2
    one.peers.push.send_json({"stream": "a", "event": "a", "time": time.time()})
    topic, second = one.received(subscriber)
    assert (topic, second["event_id"], second["state"]) == ("anomaly/a/", "a/1", "close")


def test_over_a_crash_it_is_the_same_silence(serving: Callable[[float], Turned]) -> None:
    """Whether it was published before the crash or not; and no second one is told afterwards."""
    one = serving(1.0)
    subscriber = one.subscribed(b"anomaly/")
    fed(one, "a")
    one.received(subscriber)
    state = one.daemon.parts.engine.export("a")
    one.kill()
    one.start()
    assert one.daemon.parts.engine.export("a") == state
    assert one.daemon.parts.streams.counts("a") == (len(WORD), 1)
    one.until(lambda: not one.daemon.parts.commands.silence.overdue(time.monotonic() + 1e9).names)
    assert one.daemon.parts.streams.counts("a") == (len(WORD), 1)
    assert one.daemon.parts.engine.export("a") == state


def test_what_may_not_have_been_sent_before_a_crash_is_sent_after_it(
    serving: Callable[[float], Turned], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = serving(1.0)
    fed(one, "a")
    monkeypatch.setattr(one.daemon.parts.publisher, "send", lambda _: None)
    one.until(lambda: one.value("streamrnn_silences_total") == 1)
    one.kill()
    one.daemon = module.Daemon(startup.start(schema.load(one.file), one.file))
    held = [json.loads(body) for topic, body in one.daemon.started.held if topic == b"anomaly/a/"]
    assert [(told["state"], told["topic_seq"], told["replayed"]) for told in held] == [("silence", 1, True)]


def test_a_silence_that_a_full_disk_cannot_hold_is_told_when_there_is_room(
    serving: Callable[[float], Turned], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = serving(1.0)
    append, failed = one.daemon.parts.journal.append, []

    def once(frames: Any, *more: Any) -> list[int]:
        if frames and frames[0].topic == b"silence" and not failed:
            failed.append(frames)
            raise FullError("the disk is full")
        return append(frames, *more)

    monkeypatch.setattr(one.daemon.parts.journal, "append", once)
    fed(one, "a")
    one.until(lambda: one.value("streamrnn_silences_total") == 1)
    assert len(failed) == 1
    assert not one.daemon.parts.disk_full.full


def test_streams_that_are_known_after_a_start_are_waited_for(serving: Callable[[float], Turned]) -> None:
    one = serving(1e4)
    fed(one, "a")
    one.stop()
    one.start()
    assert one.daemon.parts.commands.silence.overdue(time.monotonic()).names == []
    names, rows = one.daemon.parts.commands.silence.overdue(time.monotonic() + 1e9)
    assert names == ["a"]
    one.daemon.parts.commands.silence.told(rows)
    assert one.daemon.parts.commands.silence.overdue(time.monotonic() + 1e9).names == []


def test_without_the_setting_nobody_waits(serving: Callable[[float], Turned]) -> None:
    one = serving(0.0)
    fed(one, "a")
    assert one.daemon.parts.commands.silence.overdue(time.monotonic() + 1e9).names == []
