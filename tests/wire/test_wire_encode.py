"""What goes out, byte for byte where it matters, and its fields against the documented lists."""

import base64
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from streamrnn import messages as said
from streamrnn import spec
from streamrnn.messages import Batch, Outcomes
from streamrnn.wire import FIELDS, Encoder, Forecasts, Refusal, topic_of
from tests.columns import outcomes

NAN = float("nan")
PREDICTION = [
    "stream",
    "seq",
    "topic_seq",
    "lsn",
    "time",
    "forecasts",
    "level",
    "anomaly_score",
    "is_anomaly",
    "p_value",
    "skill",
    "learned",
    "warming_up",
    "shares",
    "actual",
    "expected",
    "late",
    "duplicate",
    "replayed",
    "retained",
    "missing",
    "frozen",
    "id",
]
FORECAST = ["target", "step", "time", "yhat", "yhat_lower", "yhat_upper"]
ANOMALY = [
    "stream",
    "seq",
    "topic_seq",
    "lsn",
    "event_id",
    "state",
    "time",
    "started",
    "severity",
    "anomaly_score",
    "p_value",
    "expected",
    "actual",
    "attribution",
    "monitor",
    "reason",
    "skill",
    "learned",
    "warming_up",
    "text",
    "feedback",
    "replayed",
]
FEEDBACK = ["event_id", "verdict", "alert_rate", "ignored_until"]
DRIFT = [
    *("stream", "seq", "topic_seq", "lsn", "state", "time", "since", "detector", "loss_before", "loss_after"),
    *("reactions", "skill", "learned", "replayed"),
]
DEAD_LETTER = ["reason", "detail", "input", "received", "size", "offender", "encoding", "topic_seq"]


def batch(names: list[str], lengths: list[int], columnar: bool = False, ids: dict[int, str] | None = None) -> Batch:
    n = sum(lengths)
    ints, floats = np.zeros(n, np.int64), np.zeros(n)
    sizes = np.array(lengths, np.int64)
    return Batch(names, sizes, [columnar] * len(names), floats, floats[:, None], floats, ints, ints, ints, ids or {})


def answers(n: int = 1, targets: int = 1, horizons: int = 1, **columns: Any) -> Outcomes:
    """Outcomes of n ordinary observations ten seconds apart."""
    out = outcomes(n, targets, horizons)
    out.bits[:] = said.LEARNED
    out.seq[:] = np.arange(1, n + 1)
    out.learned[:] = 40
    out.time[:] = 1000.0 + 10.0 * np.arange(n)
    out.interval[:] = 10.0
    out.score[:] = 0.25
    out.skill[:] = 0.5
    out.forecast[:] = np.array([9.5, 9.0, 10.0]) + np.arange(n)[:, None, None, None]
    for name, value in columns.items():
        getattr(out, name)[:] = value
    return out


def encoder(targets: tuple[str, ...] = ("flow",), horizons: tuple[int, ...] = (1,), **options: Any) -> Encoder:
    nulls = options.get("format") == "msgpack"
    experts = options.pop("experts", ())
    return Encoder(Forecasts(targets, horizons, 0.9, ("residual",), nulls, experts), **options)


def sent(messages: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in messages]


def test_the_fields_are_those_that_are_documented() -> None:
    expected = {"prediction": PREDICTION, "forecast": FORECAST, "anomaly": ANOMALY, "drift": DRIFT}
    expected |= {"deadletter": DEAD_LETTER, "feedback": FEEDBACK}
    events = {"event prediction", "next", "session"}  # see test_wire_events
    assert {kind: list(fields) for kind, fields in FIELDS.items() if kind not in events} == expected


def test_a_prediction_byte_for_byte() -> None:
    [(topic, body)] = encoder().encode(batch(["pump-1"], [1]), answers(), ["pump-1"], [7], False)
    assert topic == b"prediction/pump-1/"
    assert body == (
        b'{"stream":"pump-1","seq":1,"topic_seq":1,"lsn":7,"time":1000.0,"forecasts":[{"target":"flow","step":1,'
        b'"time":1010.0,"yhat":9.5,"yhat_lower":9.0,"yhat_upper":10.0}],"level":0.9,"anomaly_score":0.25,'
        b'"is_anomaly":false,"p_value":null,"skill":0.5,"learned":40,"warming_up":false,"actual":{"flow":null},'
        b'"expected":{"flow":null}}'
    )


@pytest.mark.parametrize("columnar", [False, True])
def test_a_prediction_tells_what_came_and_what_was_expected(columnar: bool) -> None:
    out = answers(2, 2)
    out.actual[:], out.expected[:] = [[1.5, NAN], [2.5, 7.0]], [[NAN, NAN], [2.25, 6.0]]
    runs, lsn = (batch(["a"], [2], True), [1]) if columnar else (batch(["a", "a"], [1, 1]), [1, 2])
    messages = sent(encoder(("flow", "water level")).encode(runs, out, ["a"], lsn, False))
    if columnar:
        assert messages[0]["actual"] == {"flow": [1.5, 2.5], "water level": [None, 7.0]}
        assert messages[0]["expected"] == {"flow": [None, 2.25], "water level": [None, 6.0]}
        return
    assert [message["actual"] for message in messages] == [
        {"flow": 1.5, "water level": None},
        {"flow": 2.5, "water level": 7.0},
    ]
    assert messages[1]["expected"] == {"flow": 2.25, "water level": 6.0}


def test_columns_are_answered_by_one_message_of_lists() -> None:
    out = answers(2, 1, 2, bits=[said.LEARNED | said.WARMING, said.LEARNED | said.ANOMALY], score=[NAN, 0.75])
    out.tail[:] = NAN, 1e-5
    [(topic, body)] = encoder(horizons=(1, 3)).encode(batch(["a"], [2], columnar=True), out, ["a"], [7], False)
    assert topic == b"prediction/a/"
    message = json.loads(body)
    assert list(message) == [*PREDICTION[:13], "actual", "expected"]
    assert [list(forecast) for forecast in message["forecasts"]] == [FORECAST, FORECAST]
    assert (message["seq"], message["time"]) == ([1, 2], [1000.0, 1010.0])
    assert (message["anomaly_score"], message["is_anomaly"]) == ([None, 0.75], [False, True])
    assert message["p_value"] == [None, 1e-5]
    assert (message["skill"], message["learned"], message["warming_up"], message["topic_seq"]) == (0.5, 40, False, 1)
    assert message["forecasts"][1] == {
        "target": "flow",
        "step": 3,
        "time": [1030.0, 1040.0],
        "yhat": [9.5, 10.5],
        "yhat_lower": [9.0, 10.0],
        "yhat_upper": [10.0, 11.0],
    }


@pytest.mark.parametrize("columnar", [False, True])
def test_shares_of_a_kind_are_added_up_and_columns_tell_the_last_ones(columnar: bool) -> None:
    out = answers(2)
    shares = np.array([[[0.1, 0.2, 0.3, 0.4]], [[0.5, 0.25, 0.125, 0.125]]])
    out = replace(out, reals=np.hstack([out.reals, shares.reshape(2, -1)]))
    told = encoder(experts=("last", "linear", "linear", "network"))
    runs, lsn = (batch(["a"], [2], True), [1]) if columnar else (batch(["a", "a"], [1, 1]), [1, 2])
    messages = sent(told.encode(runs, out, ["a"], lsn, False))
    assert messages[-1]["shares"] == {"flow": {"last": 0.5, "linear": 0.375, "network": 0.125}}
    assert len(messages) == (1 if columnar else 2)
    assert columnar or messages[0]["shares"] == {"flow": {"last": 0.1, "linear": 0.5, "network": 0.4}}


@pytest.mark.parametrize("columnar", [False, True])
def test_both_formats_say_the_same(columnar: bool) -> None:
    out = answers(3, 2, 2, skill=NAN, score=[NAN, 0.5, 1.0], interval=[0.0, 10.0, 10.0], attribution=NAN)
    out.forecast[1, 1] = NAN
    out.bits[2] |= said.OPENED | said.ANOMALY
    runs = batch(["a"], [3], columnar, {1: "x"})
    both = [
        encoder(("flow", "level"), (1, 6), format=form).encode(runs, out, ["a"], [4], True)
        for form in ("json", "msgpack")
    ]
    assert [topic for topic, _ in both[0]] == [topic for topic, _ in both[1]]
    assert len(both[0]) == (2 if columnar else 4)
    assert sent(both[0]) == [msgspec.msgpack.decode(body) for _, body in both[1]]


def test_every_forecast_stands_at_its_target_and_step() -> None:
    out = answers(1, 2, 3)
    out.forecast[0] = np.arange(18).reshape(2, 3, 3)
    [message] = sent(encoder(("flow", "level"), (1, 3, 6)).encode(batch(["a"], [1]), out, ["a"], [1], False))
    found = [
        (f["target"], f["step"], f["time"], f["yhat"], f["yhat_lower"], f["yhat_upper"]) for f in message["forecasts"]
    ]
    assert found[1] == ("flow", 3, 1030.0, 3.0, 4.0, 5.0)
    assert found[5] == ("level", 6, 1060.0, 15.0, 16.0, 17.0)


def test_what_is_unknown_is_null() -> None:
    out = answers(interval=0.0, forecast=NAN, score=NAN, skill=NAN, bits=said.LEARNED | said.WARMING)
    [message] = sent(encoder().encode(batch(["a"], [1]), out, ["a"], [None], False))
    assert message["forecasts"] == [dict.fromkeys(FORECAST) | {"target": "flow", "step": 1}]
    assert (message["anomaly_score"], message["skill"], message["lsn"], message["warming_up"]) == (
        None,
        None,
        None,
        True,
    )


def test_a_label_is_predicted_for_the_time_of_its_observation() -> None:
    [message] = sent(encoder(("label",), (0,)).encode(batch(["a"], [1]), answers(interval=0.0), ["a"], [1], False))
    assert (message["forecasts"][0]["step"], message["forecasts"][0]["time"]) == (0, 1000.0)


def test_marks_are_written_only_where_they_say_something() -> None:
    bits = [said.LEARNED, said.LATE | said.MISSING, said.DUPLICATE]
    runs = batch(["a", "a", "a"], [1, 1, 1], ids={2: "x-1"})
    messages = sent(encoder().encode(runs, answers(3, bits=bits), ["a"], [1, 2, 3], False))
    assert [{k: v for k, v in message.items() if k in PREDICTION[16:]} for message in messages] == [
        {},
        {"late": True, "missing": True},
        {"duplicate": True, "id": "x-1"},
    ]
    [message] = sent(encoder().encode(batch(["a"], [3], True, {2: "x-1"}), answers(3, bits=bits), ["a"], [1], True))
    assert {k: v for k, v in message.items() if k in PREDICTION[16:]} == {
        "late": [False, True, False],
        "duplicate": [False, False, True],
        "replayed": True,
        "missing": [False, True, False],
        "id": [None, None, "x-1"],
    }


def test_topics_are_numbered_each_for_itself() -> None:
    under_test, names = encoder(), ["a", "b"]
    out = answers(3, row=[0, 1, 0])
    first = sent(under_test.encode(batch(["a", "b", "a"], [1, 1, 1]), out, names, [1, 2, 3], False))
    names.append("c")
    second = sent(under_test.encode(batch(["c", "a"], [1, 1]), answers(2, row=[2, 0]), names, [4, 5], False))
    found = [(message["stream"], message["topic_seq"], message["lsn"]) for message in first + second]
    assert found == [("a", 1, 1), ("b", 1, 2), ("a", 2, 3), ("c", 1, 4), ("a", 3, 5)]


@pytest.mark.parametrize("columnar", [False, True])
def test_a_late_label_that_only_settles_is_not_answered(columnar: bool) -> None:
    out = answers(3, bits=[said.SETTLED, said.UNMATCHED, said.LEARNED], row=[0, 0, 1])
    messages = encoder().encode(batch(["a", "b"], [2, 1], columnar), out, ["a", "b"], [1, 2], False)
    assert [topic for topic, _ in messages] == [b"prediction/b/"]


def test_an_anomaly_tells_what_where_and_why() -> None:
    out = answers(
        2, 2, bits=[said.LEARNED, said.LEARNED | said.ANOMALY | said.OPENED], event=3, severity=2, started=1010.0
    )
    out.expected[1], out.actual[1], out.attribution[1] = [5.0, 9.3], [5.5, 12.4], [0.25, 0.75]
    messages = encoder(("level", "flow")).encode(batch(["a/b"], [2], True), out, ["a/b"], [7], False)
    assert [topic for topic, _ in messages] == [b"prediction/a%2Fb/", b"anomaly/a%2Fb/"]
    message = json.loads(messages[1][1])
    assert list(message) == ANOMALY[:-2]
    assert message == {
        "stream": "a/b",
        "seq": 2,
        "topic_seq": 1,
        "lsn": 7,
        "event_id": "a/b/3",
        "state": "open",
        "time": 1010.0,
        "started": 1010.0,
        "severity": "major",
        "anomaly_score": 0.25,
        "p_value": None,
        "expected": {"level": 5.0, "flow": 9.3},
        "actual": {"level": 5.5, "flow": 12.4},
        "attribution": {"level": 0.25, "flow": 0.75},
        "monitor": "residual",
        "reason": "flow is 3.1 above what was expected (12.4 instead of 9.3)",
        "skill": 0.5,
        "learned": 40,
        "warming_up": False,
        "text": "a/b major: flow 12.4 (expected 9.3), level 5.5 (expected 5.0); since 1970-01-01 00:16:50 UTC",
    }


@pytest.mark.parametrize(
    ("bit", "expected", "actual", "sentence"),
    [
        (said.OPENED, 12.4, 9.3, "flow is 3.1 below what was expected (9.3 instead of 12.4)"),
        (said.WORSENED, 100.5, 100.5042, "flow is 0.0042 above what was expected (100.5042 instead of 100.5000)"),
        (said.OPENED, 1.0, 2e12, "flow is 2e+12 above what was expected (2e+12 instead of 1)"),
        (said.OPENED, 0.0, 123.4, "flow is 123 above what was expected (123 instead of 0)"),
        (said.OPENED, 5.0, 5.0, "flow is 5.00, as expected"),
        (said.OPENED, 5.0, NAN, "flow is missing"),
        (said.OPENED, NAN, 5.5, "flow is 5.5, nothing was expected yet"),
        (said.CLOSED, 9.5, 9.25, "flow is back to what is expected (9.25, expected 9.50)"),
    ],
)
def test_the_reason_is_a_sentence(bit: int, expected: float, actual: float, sentence: str) -> None:
    out = answers(bits=said.LEARNED | bit, expected=expected, actual=actual, attribution=1.0)
    messages = sent(encoder().encode(batch(["a"], [1]), out, ["a"], [1], True))
    assert messages[1]["reason"] == sentence
    assert messages[1]["state"] == {said.OPENED: "open", said.WORSENED: "worsen", said.CLOSED: "close"}[bit]
    assert messages[1]["replayed"] is True


@pytest.mark.parametrize(
    ("bit", "expected", "actual", "rest"),
    [
        (said.OPENED, 9.3, 12.4, "flow 12.4 (expected 9.3); since {since}; ordinary data bring this once in {rare}"),
        (said.WORSENED, 9.26, 12.0, "flow 12 (expected 9); since {since}; ordinary data bring this once in {rare}"),
        (said.OPENED, 100.0, 100.0042, "flow 100.0042 (expected 100.0000); since {since}; {often}"),
        (said.OPENED, 12.01, 12.0, "flow 12.000 (expected 12.010); since {since}; {often}"),
        (said.OPENED, 1 / 3, 2 / 3, "flow 0.67 (expected 0.33); since {since}; {often}"),
        (said.OPENED, 5.0, NAN, "flow is missing; since {since}; {often}"),
        (said.CLOSED, 9.3, 9.4, "as expected again, flow 9.4 (expected 9.3); lasted 16 minutes"),
        (said.REGIME, 9.3, 12.4, "a new level, flow 12.4 (expected 9.3); lasted 16 minutes"),
    ],
)
def test_the_text_is_for_an_operator(bit: int, expected: float, actual: float, rest: str) -> None:
    out = answers(bits=bit, expected=expected, actual=actual, attribution=1.0, severity=2, started=0.0, tail=1e-5)
    out.time[:] = 960.0
    text = sent(encoder().encode(batch(["a"], [1]), out, ["a"], [1], False))[1]["text"]
    since, rare = "1970-01-01 00:00:00 UTC", "2 weeks"
    told = rest.format(since=since, rare=rare, often=f"ordinary data bring this once in {rare}")
    assert text == ("a: " if bit in (said.CLOSED, said.REGIME) else "a major: ") + told


@pytest.mark.parametrize(("monitor", "why"), [("joint", "together as never before"), ("creep", "the mean of the day")])
def test_the_text_says_what_the_value_alone_does_not(monitor: str, why: str) -> None:
    out = answers(bits=said.OPENED, expected=5.0, actual=5.5, attribution=1.0, severity=1, started=1000.0)
    told = Encoder(Forecasts(("flow",), (1,), 0.9, (monitor,), False))
    assert why in sent(told.encode(batch(["a"], [1]), out, ["a"], [1], False))[1]["text"]


def test_the_retained_value_repeats_the_last_number() -> None:
    under_test = encoder()
    for lsn in (5, 6):
        under_test.encode(batch(["a"], [1]), answers(), ["a"], [lsn], False)
    topic, body = under_test.retained("a", answers())
    message = json.loads(body)
    assert (topic, message["topic_seq"], message["lsn"], message["retained"]) == (b"prediction/a/", 2, 6, True)
    [following] = sent(under_test.encode(batch(["a"], [1]), answers(), ["a"], [7], False))
    assert (following["topic_seq"], "retained" in following) == (3, False)


def test_a_value_retained_from_before_the_start_has_no_number_yet() -> None:
    message = json.loads(encoder().retained("a", answers(row=4))[1])
    assert (message["stream"], message["topic_seq"], message["lsn"]) == ("a", 0, None)


@pytest.mark.parametrize(
    ("offender", "size", "text", "encoding"),
    [
        ("fl\u00fcss".encode(), -1, "fl\u00fcss", "utf-8"),
        (b"fl\xc3", 6, "fl", "utf-8"),  # cut within a character
        (b"fl\xc3", -1, base64.b64encode(b"fl\xc3").decode(), "base64"),
        (b"\xff\x00", 9000, "/wA=", "base64"),
        (b"", -1, "", "utf-8"),
    ],
)
def test_a_dead_letter(offender: bytes, size: int, text: str, encoding: str) -> None:
    topic, body = encoder().dead_letter(Refusal(0, "type", "why", offender, size, 12.5), 3)
    assert topic == b"deadletter/"
    message = json.loads(body)
    assert list(message) == DEAD_LETTER
    expected = ["type", "why", 3, 12.5, len(offender) if size < 0 else size, text, encoding, 1]
    assert list(message.values()) == expected


def test_status_and_dead_letters_are_numbered() -> None:
    under_test = encoder(format="msgpack")
    bodies = [under_test.status({"state": "started"}), under_test.status({"state": "stopping"})]
    assert {topic for topic, _ in bodies} == {b"status/"}
    found = [msgspec.msgpack.decode(body) for _, body in bodies]
    assert found == [{"state": "started", "topic_seq": 1}, {"state": "stopping", "topic_seq": 2}]
    letters = [msgspec.msgpack.decode(under_test.dead_letter(Refusal(0, "type", "", b""), 0)[1]) for _ in range(2)]
    assert [(letter["topic_seq"], letter["received"]) for letter in letters] == [(1, None), (2, None)]


def test_nothing_is_sent_for_an_empty_batch() -> None:
    assert encoder().encode(batch([], []), answers(0), [], [], False) == []


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("pump-1", b"prediction/pump-1/"),
        ("a/b", b"prediction/a%2Fb/"),
        ("50%", b"prediction/50%25/"),
        ("a\x00\x1f\x7f", b"prediction/a%00%1F%7F/"),
        ("größe 1", "prediction/größe 1/".encode()),
    ],
)
def test_topics_name_exactly_one_stream(name: str, topic: bytes) -> None:
    assert topic_of("prediction", name) == topic


def test_a_drift_is_told_behind_the_predictions_with_the_number_of_its_stream() -> None:
    out = answers(3)
    out.bits[1] |= said.DRIFT_FOUND
    found = np.array([[0.0, 0.0, 0.0, 0.0, 2.0], [1.0, 940.0, 0.4, 0.7, 3.0], [1.0, 940.0, 0.4, 0.7, 3.0]])
    told = replace(out, reals=np.hstack([out.reals, found]), drifts=5)
    settings = spec.Drift(detectors=(spec.Adwin(), spec.PageHinkley()), reactions=("forget",))
    messages = encoder(drift=settings).encode(batch(["a/b"], [3], columnar=True), told, ["a/b"], [7], True)
    assert [topic for topic, _ in messages] == [b"prediction/a%2Fb/", b"drift/a%2Fb/"]
    assert sent(messages)[1] == {
        "stream": "a/b", "seq": 2, "topic_seq": 3, "lsn": 7, "state": "drift", "time": 1010.0, "since": 940.0,
        "detector": "page_hinkley",
        "loss_before": 0.4, "loss_after": 0.7, "reactions": ["forget"], "skill": 0.5, "learned": 40, "replayed": True,
    }  # fmt: skip
