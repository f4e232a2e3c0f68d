"""The daemon with task "events": the real engine behind the paths of every other task."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Turned
from test_control import ask

from streamrnn.config import schema
from streamrnn.service import inspect

Make = Callable[..., Turned]
MODEL = '[model]\nfeatures = ["flow"]'  # of the fixture; replaced
EVENTS = """
[model]
task = "events"
preset = "light"
weights = "WEIGHTS"
vocabulary = {{ kind = "vocabulary", symbols = 16, shown = 3 }}
"""


@pytest.fixture(params=["per_stream", "pooled"])
def serving(request: pytest.FixtureRequest, turned: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Turned]:
    """Makes a daemon of events whose checkpoints are made by the test."""
    import conftest

    text = conftest.CONFIG.replace(MODEL, EVENTS.replace("WEIGHTS", request.param).strip())
    assert text != conftest.CONFIG
    monkeypatch.setattr(conftest, "CONFIG", text)
    return lambda: turned("checkpoint = 3600.0\n[limits]\nmax_streams = 8\n")


def fed(one: Turned, events: list[tuple[str, Any]], **more: Any) -> None:
    before = one.value("streamrnn_observations_applied_total")
    for stream, event in events:
        one.peers.push.send_json({"stream": stream, "event": event, **more})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == before + len(events))


def state(one: Turned) -> dict[str, bytes]:
    engine = one.daemon.parts.engine
    pool = [""] if engine.model.weights == "pooled" else []
    return {name: engine.export(name) for name in [*engine.names, *pool] if name or pool}


WORDS = [(stream, letter) for letter in "abcabdabc" * 6 for stream in ("a", "b/c")]


def test_it_answers_and_recovers_bit_for_bit(serving: Callable[[], Turned]) -> None:
    """Killed with rows stored, with rows half stored and with none: the state and the next answer are the same."""
    one = serving()
    subscriber = one.subscribed(b"prediction/")
    fed(one, WORDS, time=1e6)
    topics = {one.received(subscriber)[0] for _ in WORDS}
    assert topics == {"prediction/a/", "prediction/b%2Fc/"}
    for part in (None, 1, 10_000_000):
        before = state(one)
        if part:
            one.daemon.parts.checkpoint.write(one.daemon.parts.engine, one.daemon.parts.journal.last, limit_bytes=part)
        fed(one, [("a", 5), ("new", "z")], time=1e6)
        then = state(one)
        assert then != before
        one.kill()
        one.start()
        assert state(one) == then
    fed(one, [("a", "a")], time=2e6)
    engine = one.daemon.parts.engine
    row = engine.names.index("a")
    assert {"a", "b", "c", "d", 5} <= {engine.symbol(row, number) for number in range(1, engine.symbols(row))}
    then = state(one)
    one.stop()
    one.start()
    assert state(one) == then


def test_the_last_answer_is_kept_for_who_comes_later(serving: Callable[[], Turned]) -> None:
    one = serving()
    fed(one, WORDS[:13])
    topic, body = one.received(one.subscribed(b"prediction/a/"))
    assert (topic, body["event"], body["seq"], body["topic_seq"]) == ("prediction/a/", "a", 7, 7)
    assert body["retained"]
    assert len(body["next"]) == 3
    one.kill()
    one.start()
    again = one.received(one.subscribed(b"prediction/a/"))[1]
    assert again == body | {"lsn": again["lsn"]}


def test_a_strange_session_is_told_and_counted(serving: Callable[[], Turned]) -> None:
    one = serving()
    subscriber = one.subscribed(b"anomaly/a/")
    ordinary = {"stream": "a", "event": list("abcd") * 50, "end": [False, False, False, True] * 50}
    for _ in range(4):
        one.peers.push.send_json(ordinary)
    one.peers.push.send_json({"stream": "a", "event": ["a", "b"], "end": [False, True]})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 802)
    one.until(lambda: one.value("streamrnn_sessions_strange_total") > 0)
    bodies = []
    while not bodies or bodies[-1]["event_id"] != "a/session-802":
        bodies.append(one.received(subscriber)[1])
    assert (bodies[-1]["state"], bodies[-1]["actual"]["event"], bodies[-1]["expected"]["event"]) == ("session", "", "c")
    assert one.value("streamrnn_sessions_strange_total") == sum(body["state"] == "session" for body in bodies)
    assert one.value("streamrnn_messages_published_total", "anomaly") == len(bodies)


def test_what_is_no_event_is_a_dead_letter(serving: Callable[[], Turned]) -> None:
    one = serving()
    subscriber = one.subscribed(b"deadletter/")
    one.peers.push.send_json({"stream": "a", "values": {}})
    letter = one.received(subscriber)[1]
    assert letter["reason"] == "event"
    assert 'add "event"' in letter["detail"]
    assert one.value("streamrnn_observations_refused_total", "event") == 1


def test_forgetting_and_beginning_anew(serving: Callable[[], Turned]) -> None:
    one = serving()
    fed(one, [*WORDS, ("a", "only a")])
    assert ask(one, command="reset", stream="a")["ok"]
    assert ask(one, command="forget", stream="b/c")["ok"]
    engine = one.daemon.parts.engine
    assert (engine.streams, engine.names) == (1, ["a", ""])
    told = engine.outlook("a")
    assert told is not None
    assert told.seq[0] == 0
    assert one.received(one.subscribed(b"prediction/a/"))[1]["event"] is None
    fed(one, [("other", "x"), ("a", "y")])
    if engine.model.weights == "per_stream":
        assert [engine.symbol(row, 1) for row in (0, 1)] == ["y", "x"]
    else:
        assert engine.symbol(0, 1) == "a"  # what the pool knows it keeps
    then = state(one)
    one.kill()
    one.start()
    assert state(one) == then


def test_its_figures_are_scraped(serving: Callable[[], Turned]) -> None:
    one = serving()
    fed(one, WORDS)
    one.daemon.parts.telemetry._read()
    assert one.value("streamrnn_event_symbols") == 4
    for by in ("mix", "network", "table"):
        assert 0.0 < one.value("streamrnn_event_bits", by) < 8.0
    assert (
        0.0 < one.value("streamrnn_event_hits_ratio", "first") <= one.value("streamrnn_event_hits_ratio", "shown") < 1.0
    )
    assert one.value("streamrnn_event_skill_ratio") > -1.0
    assert 0.0 < one.value("streamrnn_event_unseen_ratio") < 1.0
    assert one.daemon.parts.telemetry._values["streamrnn_interval_level_ratio"] == {}


def test_stored_rows_can_be_checked_and_dumped(serving: Callable[[], Turned]) -> None:
    one = serving()
    fed(one, WORDS)
    one.stop()
    with inspect.opened(one.path / "state") as store:
        found, lines = inspect.check(store), list(inspect.dump(store))
        exported = inspect.export(store, "a")
    assert found["damaged"] == []
    assert {line["stream"] for line in lines if line.get("stream")} == {"a", "b/c"}
    assert any(name.startswith("i64.history") for name in exported["slices"])
    one.start()


def test_the_task_is_not_changed_while_it_runs(serving: Callable[[], Turned]) -> None:
    one = serving()
    subscriber = one.subscribed(b"status/")
    one.received(subscriber)
    text = one.file.read_text()
    one.file.write_text(text.replace('task = "events"', 'features = ["flow"]').replace("vocabulary = ", "#"))
    assert schema.load(one.file).model.task == "forecast"
    one.daemon.reload()
    told = one.received(subscriber)[1]
    assert (told["state"], "model.task" in told["error"]) == ("reload_refused", True)
    fed(one, WORDS)


def test_an_acknowledged_event_is_known_after_a_crash(serving: Callable[[], Turned]) -> None:
    """MessagePack on the same input, one frame of columns."""
    import msgspec

    one = serving()
    one.peers.push.send(msgspec.msgpack.encode({"stream": "a", "event": ["x", 7, "x"], "end": True}))
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 3)
    one.kill()
    one.start()
    told = one.daemon.parts.engine.outlook("a")
    assert told is not None
    assert told.seq[0] == 3
    assert json.dumps([one.daemon.parts.engine.symbol(0, number) for number in (1, 2)]) == '["x", 7]'


def test_streams_that_rest_in_the_store_come_back_with_their_words(
    turned: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows for four streams with vocabularies of their own: a row's words never show under another stream."""
    import conftest

    text = conftest.CONFIG.replace(MODEL, EVENTS.replace("WEIGHTS", "per_stream").strip())
    monkeypatch.setattr(conftest, "CONFIG", text)
    one = turned("[limits]\nmax_streams = 4\nresident_streams = 2\nmax_observations = 2\n")
    subscriber = one.subscribed(b"prediction/")
    for _ in range(8):
        for stream in ("a", "b", "c", "d"):
            fed(one, [(stream, stream), (stream, stream * 2)])
            for _ in range(2):
                body = one.received(subscriber)[1]
                assert {each["event"] for each in body["next"]} <= {None, stream, stream * 2}
    assert body["symbols"] == 2
    assert one.daemon.parts.streams.loaded > 8


def test_generating_changes_nothing_that_will_be_learned(serving: Callable[[], Turned]) -> None:
    one = serving()
    fed(one, [("a", letter) for letter in "abcd" * 40], time=1e6)
    before = state(one)
    more = {"command": "generate", "stream": "a", "n": "12", "temperature": "0.1", "prime": '["b"]'}
    said = ask(one, **more)
    assert (said["ok"], "".join(said["events"])) == (True, "cdabcdabcdab")
    assert ask(one, **more) == said
    assert state(one) == before
    assert one.daemon.parts.engine.take_dirty(10) == ["a"]  # of what was learned before
    ask(one, **more)
    assert one.daemon.parts.engine.take_dirty(10) == []
    fed(one, [("a", "a")], time=1e6)
    then = state(one)
    one.kill()
    one.start()  # what is replayed knows nothing of what was generated
    assert state(one) == then != before
    for wrong, code in (({"stream": "nobody"}, 1), ({"n": "0"}, 78), ({"top_p": "2"}, 78), ({"prime": '["z"]'}, 78)):
        refused = ask(one, **{**more, **wrong})
        assert (refused["ok"], refused["exit_code"]) == (False, code)
        assert refused["hint"]


def test_it_is_frozen_and_hears_feedback_and_a_replay_does_the_same(serving: Callable[[], Turned]) -> None:
    one = serving()
    fed(one, WORDS)
    assert ask(one, command="freeze")["frozen"]
    before = state(one)
    learned = one.value("streamrnn_observations_learned_total")
    fed(one, [("a", "never-seen"), ("a", "b")])
    assert one.value("streamrnn_observations_frozen_total") == 2
    assert one.value("streamrnn_observations_learned_total") == learned
    assert not ask(one, command="unfreeze")["frozen"]
    one.peers.push.send_json({"feedback": {"event_id": "a/999", "verdict": "false_alarm"}})
    one.until(lambda: one.value("streamrnn_feedback_total", "unknown") == 1)  # there was no such event
    assert not ask(one, command="feedback", event_id="a/998", verdict="true_alarm")["taken"]
    after = state(one)
    assert after != before
    one.kill()
    one.start()
    assert state(one) == after
