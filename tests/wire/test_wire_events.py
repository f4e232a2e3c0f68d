"""Task "events" on the wire: every form of an event that is taken, every refusal, and what is answered."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from streamrnn import events, spec
from streamrnn.engine.engine import Engine
from streamrnn.messages import END, STAMPED, digest
from streamrnn.wire import FIELDS, Decoded, Decoder, Encoder, Events, Frame, Source
from streamrnn.wire.incoming.forms import SYMBOL_BYTES

LONG = "ü" * (SYMBOL_BYTES // 2)


def decode(*bodies: bytes, features: tuple[str, ...] = ()) -> Decoded:
    decoder = Decoder(features, "events", [Source()], 100)
    return decoder.decode([Frame(0, 50.0 + i, b"", body) for i, body in enumerate(bodies)])


def symbols(decoded: Decoded) -> list[Any]:
    assert decoded.batch.event is not None
    return [decoded.batch.symbols[number] for number in decoded.batch.event.tolist()]


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode])
@pytest.mark.parametrize("event", ["login_failed", 60, -1, LONG, " ", "\n"])
def test_a_single_event(encode: Any, event: str | int) -> None:
    found = decode(encode({"stream": "a", "event": event, "time": 10.5, "end": True, "id": 7, "seq": 3, "host": "x"}))
    assert (found.refusals, symbols(found), found.batch.names) == ([], [event], ["a"])
    assert (found.batch.time.tolist(), found.batch.bits.tolist(), found.batch.seq.tolist()) == ([10.5], [END], [3])
    assert found.batch.ids == {0: "7"}
    assert found.batch.values.shape == (1, 0)


def test_arrays_lines_and_columns() -> None:
    one, two = {"stream": "a", "event": "x"}, {"stream": "b", "event": 5}
    columns = {"stream": "c", "event": ["x", 5, "y"], "time": [1, 2, 3], "end": True}
    lines = b"\n".join(json.dumps(each).encode() for each in (one, two, columns))
    found = decode(
        json.dumps([one, two]).encode(), msgspec.msgpack.encode([two, one]), lines, msgspec.msgpack.encode(columns)
    )
    assert found.refusals == []
    assert symbols(found) == ["x", 5, 5, "x", "x", 5, "x", 5, "y", "x", 5, "y"]
    assert found.batch.lengths.tolist() == [1, 1, 1, 1, 1, 1, 3, 3]
    assert found.batch.columnar == [False] * 6 + [True] * 2
    assert found.batch.bits.tolist() == [STAMPED] * 6 + [0, 0, END] * 2
    assert digest(5) != digest("5")


def test_columns_of_events_alone_are_stamped() -> None:
    found = decode(b'{"stream": "a", "event": ["x", "y"]}', b'{"stream": "a", "event": ["z"]}')
    assert (symbols(found), found.batch.bits.tolist()) == (["x", "y", "z"], [STAMPED] * 3)


def test_numeric_context_may_come_or_not() -> None:
    found = decode(
        b'{"stream": "a", "event": "x", "values": {"level": 2}}',
        b'{"stream": "a", "event": "y"}',
        b'{"stream": "a", "event": ["x", "y"], "values": {"level": [1, null]}}',
        b'{"stream": "a", "event": ["x", "y"]}',
        features=("level",),
    )
    assert found.refusals == []
    np.testing.assert_array_equal(found.batch.values[:, 0], [2.0, np.nan, 1.0, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"stream": "a"}, "event"),
        ({"stream": "a", "event": None}, "event"),
        ({"stream": "a", "event": ""}, "event"),
        ({"stream": "a", "event": LONG + "x"}, "event"),
        ({"stream": "a", "event": 1.5}, "event"),
        ({"stream": "a", "event": True}, "event"),
        ({"stream": "a", "event": {"name": "x"}}, "event"),
        ({"stream": "a", "event": ["x", None]}, "event"),
        ({"stream": "a", "event": ["x", ""]}, "event"),
        ({"stream": "a", "time": [1, 2]}, "event"),
        ({"stream": "a", "event": 2**63}, "out_of_range"),
        ({"stream": "a", "event": []}, "empty"),
        ({"stream": "a", "event": ["x"], "time": [1, 2]}, "schema"),
        ({"event": "x"}, "schema"),
        ({"stream": "a", "event": "x", "values": {"level": 1}}, "unknown_feature"),
        ({"stream": "a", "event": "x", "time": 1647774000123}, "time"),
        ({"stream": "a", "event": ["x"] * 101}, "too_many"),
    ],
)
def test_what_is_no_event_is_refused_alone(body: dict[str, Any], reason: str) -> None:
    found = decode(json.dumps(body).encode(), b'{"stream": "b", "event": "good"}')
    assert [refused.reason for refused in found.refusals] == [reason]
    assert (found.batch.names, symbols(found)) == (["b"], ["good"])


def test_a_bad_row_of_columns_takes_its_event_with_it() -> None:
    found = decode(b'{"stream": "a", "event": ["x", "y", "z"], "time": [1, -2, 3]}')
    assert [refused.reason for refused in found.refusals] == ["time"]
    assert symbols(found) == ["x", "z"]


def test_half_a_surrogate_is_refused() -> None:
    assert decode(b'{"stream": "a", "event": "\\ud800"}').refusals[0].reason in ("malformed", "event")


@pytest.fixture(scope="module")
def engine() -> Engine:
    vocabulary = spec.Vocabulary(symbols=16, shown=3)
    return Engine(spec.Model(task="events", preset="light", vocabulary=vocabulary), 20)


def answered(engine: Engine, body: bytes, format: Any = "json") -> list[dict[str, Any]]:
    batch = decode(body).batch
    told = engine.step(batch, engine.admit(batch.names))
    messages = Encoder(Events(engine.symbol), format).encode(batch, told, engine.names, [7] * len(batch.names), False)
    codec = msgspec.json if format == "json" else msgspec.msgpack
    return [codec.decode(message) for _, message in messages]


def test_what_was_predicted_is_what_is_scored(engine: Engine) -> None:
    """The probability of what came is the one that was published before; what was expected is what stood first."""
    bodies = [json.dumps({"stream": "scored", "event": letter}).encode() for letter in "abcabd" * 30]
    told = [answered(engine, body)[0] for body in bodies]
    hits = 0
    for before, after in pairwise(told):
        shown = {each["event"]: each["probability"] for each in before["next"]}
        assert after["expected"] == before["next"][0]["event"]
        if after["event"] in shown:
            assert after["probability"] == shown[after["event"]]
            assert after["rank"] == [*shown].index(after["event"]) + 1
            hits += 1
    assert hits > 150
    assert told[-1]["symbols"] == 4
    assert [each.get("unseen", False) for each in told[:4]] == [True, True, True, False]


def test_the_fields_of_an_answer(engine: Engine) -> None:
    [one] = answered(engine, b'{"stream": "fields", "event": "x", "time": 1.0, "id": "m1", "end": true}')
    marks = {"late", "duplicate", "replayed", "retained", "missing", "frozen"}
    assert list(one) == [field for field in FIELDS["event prediction"] if field not in marks]
    assert (one["event"], one["unseen"], one["id"], one["seq"], one["lsn"]) == ("x", True, "m1", 1, 7)
    assert list(one["session"]) == list(FIELDS["session"])
    assert one["session"]["events"] == 1
    assert one["session"]["bits"] == pytest.approx(one["bits"])
    assert list(one["next"][0]) == list(FIELDS["next"])
    assert sum(each["probability"] for each in one["next"]) <= 1.0 + 1e-6


def fresh() -> Engine:
    return Engine(spec.Model(task="events", preset="light", vocabulary=spec.Vocabulary(symbols=16, shown=3)), 1)


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_columns_are_answered_by_columns_that_say_the_same(format: str) -> None:
    letters = list("abacabad") * 5
    columns = {"stream": "a", "event": letters, "time": list(range(40)), "end": [i == 6 for i in range(40)]}
    rows = [{"stream": "a", "event": x, "time": i, "end": i == 6} for i, x in enumerate(letters)]
    singles = answered(fresh(), json.dumps(rows).encode())
    [many] = answered(fresh(), json.dumps(columns).encode(), format)
    for name in ("seq", "time", "event", "expected", "probability", "rank", "bits", "anomaly_score", "is_anomaly"):
        assert many[name] == [one[name] for one in singles], name
    assert many["unseen"] == [one.get("unseen", False) for one in singles]
    assert many["session"] == [one.get("session") for one in singles]
    for name in ("next", "next_time", "overdue_time", "skill", "learned", "symbols", "warming_up"):
        assert many[name] == singles[-1][name], name


def test_a_late_event_has_no_probability(engine: Engine) -> None:
    answered(engine, b'[{"stream": "late", "event": "a", "time": 10}, {"stream": "late", "event": "b", "time": 20}]')
    [one] = answered(engine, b'{"stream": "late", "event": "c", "time": 5}')
    assert (one["late"], one["event"], one["probability"], one["rank"], one["bits"]) == (True, "c", None, None, None)


def test_a_strange_event_is_told_with_what_was_expected() -> None:
    model = spec.Model(task="events", preset="light", vocabulary=spec.Vocabulary(symbols=16, alert_rate=0.01))
    engine = Engine(model, 1)
    engine.step(batch := events(["a"] * 600, list("abc") * 200), engine.admit(batch.names))
    messages = answered(engine, b'{"stream": "a", "event": "reboot"}')
    prediction, anomaly = messages
    assert prediction["is_anomaly"]
    assert list(anomaly) == [field for field in FIELDS["anomaly"] if field not in ("feedback", "replayed")]
    assert (anomaly["state"], anomaly["monitor"]) == ("open", "event")
    assert anomaly["expected"]["event"] == "a" and anomaly["expected"]["probability"] > 0.9
    assert anomaly["actual"]["event"] == "reboot" and anomaly["actual"]["bits"] > 5
    assert anomaly["attribution"] == {"event": 1.0, "time": 0.0}
    assert anomaly["reason"].startswith("'reboot' had a probability of ")
    assert anomaly["reason"].endswith(")") and "'a' was expected" in anomaly["reason"]


def test_a_strange_session_is_told_with_what_was_expected() -> None:
    model = spec.Model(task="events", preset="light", weights="pooled", vocabulary=spec.Vocabulary(symbols=16))
    engine = Engine(model, 2)
    batch = events(["a"] * 1200, list("abcd") * 300, end=[False, False, False, True] * 300)
    engine.step(batch, engine.admit(batch.names))
    prediction, *others, anomaly = answered(engine, b'{"stream": "case", "event": ["a", "b"], "end": [false, true]}')
    assert prediction["session"][1]["anomaly_score"] == anomaly["anomaly_score"] > 0.5
    assert others == []
    assert list(anomaly) == [field for field in FIELDS["anomaly"] if field not in ("feedback", "replayed")]
    assert (anomaly["state"], anomaly["monitor"], anomaly["event_id"]) == ("session", "session", "case/session-2")
    assert anomaly["severity"] in ("minor", "major", "critical")
    assert anomaly["expected"]["event"] == "c" and anomaly["expected"]["probability"] > 0.9
    assert {name: anomaly["actual"][name] for name in ("event", "place", "events")} == {
        "event": "",
        "place": 3,
        "events": 2,
    }
    assert sum(anomaly["attribution"].values()) == pytest.approx(1.0)
    assert anomaly["reason"].startswith("a session of 2 events cost ")
    assert " of them its end, with a probability of " in anomaly["reason"]
    assert "'c' was expected (" in anomaly["reason"]


def test_the_likeliest_next_may_be_the_end() -> None:
    engine = fresh()
    engine.step(
        batch := events(["a"] * 300, list("abc") * 100, end=[False, False, True] * 100), engine.admit(["a"] * 300)
    )
    assert len(batch) == 300
    [*_, last] = answered(engine, json.dumps([{"stream": "a", "event": x} for x in "abc"]).encode())
    assert last["next"][0]["event"] == ""
    assert last["next"][0]["probability"] > 0.9


def test_the_last_answer_again(engine: Engine) -> None:
    encoder = Encoder(Events(engine.symbol))
    batch = decode(
        b'[{"stream": "again", "event": "a", "time": 1}, {"stream": "again", "event": "a", "time": 2}]'
    ).batch
    messages = encoder.encode(batch, engine.step(batch, engine.admit(batch.names)), engine.names, [1, 1], False)
    told = engine.outlook("again")
    assert told is not None
    topic, body = encoder.retained("again", told)
    assert topic == messages[-1][0]
    assert msgspec.json.decode(body) == msgspec.json.decode(messages[-1][1]) | {"retained": True}
