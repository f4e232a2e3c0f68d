"""Every form of an observation that is taken, and every refusal with its reason."""

import json
import struct
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from streamrnn.errors import ConfigError
from streamrnn.messages import AHEAD, END, FALSE_ALARM, IGNORE, LABEL_ONLY, STAMPED
from streamrnn.wire import REASONS, Decoded, Decoder, Frame, Source

FEATURES = ("flow", "a temperature")
NAN = float("nan")


def decode(*bodies: bytes, task: str = "forecast", source: Source | None = None, topic: bytes = b"") -> Decoded:
    decoder = Decoder(FEATURES, task, [source or Source()], 100)
    return decoder.decode([Frame(0, 50.0 + i, topic, body) for i, body in enumerate(bodies)])


def dumped(*things: object) -> bytes:
    return b"\n".join(json.dumps(thing).encode() for thing in things)


def observation(**changes: object) -> dict[str, object]:
    plain = {"stream": "pump-1", "time": 10.5, "values": {"flow": 1.5, "a temperature": -2}, "seq": 3}
    return {**plain, **changes}


def packed(name: bytes, number: bytes) -> bytes:
    """A MessagePack observation with one more entry, `name`, of raw bytes `number`."""
    return b"\x83\xa6stream\xa1a\xa6values\x80" + bytes([0xA0 + len(name)]) + name + number


def float64(bits: int) -> bytes:
    return b"\xcb" + struct.pack(">Q", bits)


@pytest.mark.parametrize("encode", [dumped, msgspec.msgpack.encode])
def test_a_single_observation(encode) -> None:
    decoded = decode(encode(observation(id="x", label=4, end=True)))
    batch = decoded.batch
    assert (batch.names, batch.lengths.tolist(), batch.columnar) == (["pump-1"], [1], [False])
    assert (batch.time.tolist(), batch.values.tolist(), batch.seq.tolist()) == ([10.5], [[1.5, -2.0]], [3])
    assert (batch.label.tolist(), batch.bits.tolist(), batch.ids) == ([4.0], [END], {0: "x"})
    assert 0 < batch.ident[0] < 2**63
    assert (decoded.frame, decoded.refusals, decoded.observations) == ([0], [], 1)


def test_what_is_absent_or_null_is_missing_and_the_time_is_that_of_receipt() -> None:
    batch = decode(dumped({"stream": "a", "values": {"flow": None}}), dumped(observation(label=None, id=None))).batch
    assert np.isnan(batch.values[0]).all()
    assert batch.time.tolist() == [50.0, 10.5]
    assert (batch.seq.tolist(), batch.ident.tolist(), batch.bits.tolist()) == ([-1, 3], [0, 0], [STAMPED, 0])
    assert np.isnan(batch.label).all()


def test_values_in_schema_order() -> None:
    batch = decode(
        dumped(observation(values=[7, None])),
        dumped(observation(values=[[7, 8], None]) | {"time": [1, 2]} | {"seq": [0, 1]}),
    ).batch
    assert batch.values[:, 0].tolist() == [7.0, 7.0, 8.0]
    assert np.isnan(batch.values[:, 1]).all()


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("2024-01-01T00:00:00Z", 1704067200.0),
        ("2024-01-01T01:00:00.25+01:00", 1704067200.25),
        ("2024-01-01T00:00:00", 1704067200.0),  # without a zone it is UTC
        (1704067200, 1704067200.0),
        (0, 0.0),
    ],
)
def test_times(time: object, seconds: float) -> None:
    single, columns = (
        dumped(observation(time=time)),
        dumped({"stream": "a", "time": [1, time], "values": {"flow": [1, 2]}}),
    )
    assert decode(single, columns).batch.time.tolist() == [seconds, 1.0, seconds]


def test_a_messagepack_timestamp() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert decode(msgspec.msgpack.encode(observation(time=moment))).batch.time.tolist() == [1704067200.0]


def test_columns() -> None:
    columns = {
        "stream": "a",
        "time": [1, 2.5, 3],
        "values": {"flow": [1, None, 3]},
        "label": [None, 5, 6],
        "id": ["x", None, 7],
        "seq": [4, 5, None],
        "end": [False, True, False],
    }
    for encode in (dumped, msgspec.msgpack.encode):
        batch = decode(encode(columns), dumped(observation()), encode(columns)).batch
        assert (batch.names, batch.lengths.tolist()) == (["a", "pump-1", "a"], [3, 1, 3])
        assert batch.columnar == [True, False, True]
        assert batch.time.tolist() == [1.0, 2.5, 3.0, 10.5, 1.0, 2.5, 3.0]
        np.testing.assert_array_equal(batch.values[:3], [[1, NAN], [NAN, NAN], [3, NAN]])
        np.testing.assert_array_equal(batch.label[4:], [NAN, 5, 6])
        assert batch.seq.tolist() == [4, 5, -1, 3, 4, 5, -1]
        assert batch.bits.tolist() == [0, END, 0, 0, 0, END, 0]
        assert batch.ids == {0: "x", 2: "7", 4: "x", 6: "7"}


def test_columns_without_time_and_one_end_for_the_last_row() -> None:
    batch = decode(dumped({"stream": "a", "values": {"flow": [1, 2]}, "end": True})).batch
    assert (batch.time.tolist(), batch.bits.tolist()) == ([50.0, 50.0], [STAMPED, STAMPED | END])


def test_labels_of_a_binary_head_are_0_or_1() -> None:
    decoder = Decoder(FEATURES, "label", [Source()], 100, binary=True)
    bodies = [dumped(observation(label=label)) for label in (0, 1, 0.5, -1, None, True)]
    late = [dumped({"stream": "a", "label": label, "id": "x"}) for label in (1, 2)]
    decoded = decoder.decode([Frame(0, 50.0, b"", body) for body in (*bodies, *late)])
    assert [(refused.frame, refused.reason) for refused in decoded.refusals] == [
        (2, "label"),
        (3, "label"),
        (5, "label"),
        (7, "label"),
    ]
    assert np.nan_to_num(decoded.batch.label, nan=9.0).tolist() == [0.0, 1.0, 9.0, 1.0]


def test_a_late_label_needs_its_id_and_a_task_that_takes_labels() -> None:
    late = {"stream": "a", "label": 2.5, "id": "x"}
    batch = decode(dumped(late), dumped({**late, "label": [1, 2], "id": ["p", "q"]}), task="label").batch
    assert batch.bits.tolist() == [LABEL_ONLY | STAMPED] * 3
    assert batch.label.tolist() == [2.5, 1.0, 2.0]
    assert np.isnan(batch.values).all()
    assert [r.reason for r in decode(dumped(late)).refusals] == ["schema"]
    assert [r.reason for r in decode(dumped({"stream": "a", "label": 1}), task="label").refusals] == ["label"]


def test_an_id_is_the_same_as_text_and_as_number() -> None:
    ident = decode(dumped(observation(id=5)), dumped(observation(id="5")), dumped(observation(id="6"))).batch.ident
    assert ident[0] == ident[1] != ident[2]


@pytest.mark.parametrize("start", [b"", b" ", b"\n"])
def test_arrays_and_lines_refuse_only_the_bad_item(start: bytes) -> None:
    bad = [5, observation(values={"flew": 1}), observation(values={"flow": 1e31}), observation(time=-1)]
    items = [observation(), bad[0], observation(seq=4), *bad[1:], {"stream": "c", "values": {"flow": [1, 2]}}]
    reasons = ["type", "unknown_feature", "out_of_range", "time"]
    for body in (start + dumped(items), start + dumped(*items), start + dumped(*items).replace(b"\n", b"\r\n\r\n")):
        decoded = decode(body)
        assert decoded.batch.names == ["pump-1", "pump-1", "c"]
        assert decoded.batch.columnar == [False, False, True]
        assert decoded.batch.seq.tolist() == [3, 4, -1, -1]
        assert decoded.observations == 8
        found = {r.reason: json.loads(r.offender) for r in decoded.refusals}
        assert found == dict(zip(reasons, bad, strict=True))


def test_a_messagepack_array_refuses_only_the_bad_item() -> None:
    bad = observation(values={"flow": NAN})
    decoded = decode(msgspec.msgpack.encode([observation(), bad, observation(seq=9)]))
    assert decoded.batch.seq.tolist() == [3, 9]
    assert [(r.reason, r.offender) for r in decoded.refusals] == [("not_finite", msgspec.msgpack.encode(bad))]


def test_a_line_that_is_not_json_is_refused_alone() -> None:
    decoded = decode(b'{"stream": "a", "val\n' + dumped(observation()) + b"\nrubbish\n\n")
    assert [(r.reason, r.offender) for r in decoded.refusals] == [
        ("malformed", b'{"stream": "a", "val'),
        ("malformed", b"rubbish"),
    ]
    assert decoded.batch.names == ["pump-1"]


def test_printed_with_indents_it_is_one_observation_and_one_refusal_when_it_is_broken() -> None:
    body = json.dumps(observation(), indent=2).encode()
    assert len(decode(body, body + b"\n").batch) == 2
    assert [r.reason for r in decode(body[:-2]).refusals] == ["malformed"]


def test_a_bad_row_of_columns_is_refused_alone_and_named() -> None:
    body = dumped({"stream": "a", "time": [1, -1, 3, 4], "values": {"flow": [1, 2, 3, 1e300]}, "id": list("pqrs")})
    decoded = decode(dumped(observation(id="o")), body, dumped(observation(id="t")))
    assert decoded.batch.lengths.tolist() == [1, 2, 1]
    assert decoded.batch.ids == {0: "o", 1: "p", 2: "r", 3: "t"}
    assert decoded.batch.values[:, 0].tolist() == [1.5, 1.0, 3.0, 1.5]
    assert [(r.frame, r.reason, r.offender, r.size, r.received) for r in decoded.refusals] == [
        (1, "time", body, len(body), 51.0),
        (1, "out_of_range", body, len(body), 51.0),
    ]
    assert decoded.refusals[0].detail.startswith("observation 1 of the columns")


def test_a_run_without_a_good_row_disappears() -> None:
    decoded = decode(dumped({"stream": "a", "time": [-1, -2], "values": {"flow": [1, 2]}}), dumped(observation()))
    assert (decoded.batch.names, decoded.frame, decoded.observations) == (["pump-1"], [1], 3)


REFUSED = [
    (b"", "empty"),
    (b" \n", "empty"),
    (b"[]", "empty"),
    (b"\x90", "empty"),
    (dumped({"stream": "a", "time": [], "values": {"flow": []}}), "empty"),
    (b"hello", "malformed"),
    (b"\xff\x00", "malformed"),
    (b'{"stream": "a"', "malformed"),
    (b'{"stream": "\xff\xfe"}', "malformed"),
    (b'{"stream": "\\ud800", "values": {}}', "malformed"),
    (dumped(observation()) + b"}", "malformed"),
    (b'{"x": ' + b"[" * 100_000, "malformed"),
    (b'{"x": ' + b'{"x": ' * 100_000, "malformed"),
    (b"\x81\xa1x" + b"\x91" * 100_000, "malformed"),
    (b"\x81\xa1x\xdd\xff\xff\xff\xff", "malformed"),
    (b"\x81\xa6stream\xdb\xff\xff\xff\xff", "malformed"),
    (b"\xdf\xff\xff\xff\xff", "malformed"),
    (b"\x81\xa6stream\xa2\xff\xff", "malformed"),
    (b" 5", "type"),
    (dumped(observation(stream=5)), "type"),
    (dumped(observation(values=5)), "type"),
    (dumped(observation(values={"flow": "1.5"})), "type"),
    (dumped(observation(values={"flow": True})), "type"),
    (dumped(observation(seq=1.5)), "type"),
    (dumped(observation(id=[])), "type"),
    (dumped(observation(end=1)), "type"),
    (dumped(observation(time=True)), "type"),
    (dumped(observation(values={"flow": [1, 2]})), "type"),  # columns under a single time
    (dumped({"values": {"flow": 1}}), "schema"),
    (dumped({"stream": "a"}), "schema"),
    (dumped(observation(values=None)), "schema"),
    (dumped(observation(values=[1])), "schema"),
    (dumped(observation(values=[1, 2, 3])), "schema"),
    (dumped({"stream": "a", "time": [1, 2], "values": {"flow": [1]}}), "schema"),
    (dumped({"stream": "a", "time": [1, 2]}), "schema"),
    (dumped(observation(values={"flew": 1})), "unknown_feature"),
    (dumped({"stream": "a", "time": [1], "values": {"flew": [1]}}), "unknown_feature"),
    (b'{"stream": "a", "values": {"flow": NaN}}', "not_finite"),
    (b'{"stream": "a", "values": {"flow": -Infinity}}', "not_finite"),
    (packed(b"label", float64(0x7FF8 << 48)), "not_finite"),
    (b"\x82\xa6stream\xa1a\xa6values\x81\xa4flow" + float64(0x7FF0 << 48), "not_finite"),
    (b"\x82\xa6stream\xa1a\xa6values\x81\xa4flow" + float64((0x7FF0 << 48) + 1), "not_finite"),  # signalling NaN
    (b'{"stream": "a", "values": {"flow": 1e999}}', "out_of_range"),
    (b'{"stream": "a", "values": {"flow": ' + b"9" * 5000 + b"}}", "out_of_range"),
    (dumped(observation(values={"flow": -1.1e30})), "out_of_range"),
    (dumped(observation(label=1e31)), "out_of_range"),
    (dumped(observation(seq=-1)), "out_of_range"),
    (dumped(observation(seq=2**63)), "out_of_range"),
    (dumped(observation(seq=10**40)), "out_of_range"),
    (dumped(observation(id="x" * 257)), "out_of_range"),
    (dumped(observation(id=2**63)), "out_of_range"),
    (dumped(observation(time=1647774000123)), "time"),
    (dumped(observation(time=-1)), "time"),
    (dumped(observation(time="yesterday")), "time"),
    (dumped(observation(time="0001-01-01T00:00:00+14:00")), "time"),
    (packed(b"time", float64(0x7FF8 << 48)), "time"),
    (packed(b"time", b"\xc7\x0c\xff" + b"\xff" * 12), "time"),
    (dumped(observation(stream="")), "stream_name"),
    (dumped(observation(stream="x" * 129)), "stream_name"),
    (dumped(observation(stream="ü" * 65)), "stream_name"),
    (dumped(observation(stream="a\nb")), "stream_name"),
    (dumped([{}] * 101), "too_many"),
    (dumped(*[{}] * 101), "too_many"),
    (b"\xdd\xff\xff\xff\xff", "too_many"),
    (dumped({"stream": "a", "time": [1] * 101, "values": {}}), "too_many"),
    (dumped(observation(label="broken")), "label"),
]


@pytest.mark.parametrize(("body", "reason"), REFUSED, ids=[f"{i}-{reason}" for i, (_, reason) in enumerate(REFUSED)])
def test_a_frame_is_refused_with_its_reason_and_the_next_is_taken(body: bytes, reason: str) -> None:
    decoded = decode(body, dumped(observation()))
    assert [(r.frame, r.reason) for r in decoded.refusals] == [(0, reason)]
    assert decoded.refusals[0].offender == body[:4096]
    assert decoded.refusals[0].size == len(body)
    assert decoded.refusals[0].detail
    assert (decoded.batch.names, decoded.frame, decoded.observations) == (["pump-1"], [1], 2)


def test_the_refusals_cover_every_reason_that_is_ours() -> None:
    assert {reason for _, reason in REFUSED} == set(REASONS) - {
        "capacity",
        "denied",
        "event",
        "feedback",
        "new_streams",
        "poison",
        "unknown_stream",
    }  # those of the admission, the doors and another task; feedback: below


def test_details_say_what_to_do() -> None:
    assert "milliseconds?" in decode(dumped(observation(time=1647774000123))).refusals[0].detail
    assert "`flew`" in decode(dumped(observation(values={"flew": 1}))).refusals[0].detail
    assert "null for a missing value" in decode(b'{"stream": "a", "values": {"flow": NaN}}').refusals[0].detail


def test_the_limit_holds_for_all_columns_of_an_array_together() -> None:
    columns = {"stream": "a", "time": [1] * 60, "values": {}}
    decoded = decode(dumped([columns, columns, observation()]), dumped(columns))
    assert decoded.batch.lengths.tolist() == [60, 1, 60]
    assert [r.reason for r in decoded.refusals] == ["too_many"]


def test_each_bad_item_of_an_array_is_refused_with_its_own_bytes() -> None:
    items = [{"stream": "a", "seq": i} for i in range(100)]
    refused = decode(dumped(items)).refusals
    assert [json.loads(r.offender)["seq"] for r in refused] == list(range(100))
    assert {r.reason for r in refused} == {"schema"}


def test_of_a_duplicate_key_the_last_one_counts() -> None:
    body = b'{"stream": "a", "values": {"flow": 1, "flow": 2}, "stream": "b"}'
    batch = decode(body).batch
    assert (batch.names, batch.values[0, 0]) == (["b"], 2.0)


def test_names_of_streams_that_name_none() -> None:
    body, topical = dumped({"values": {}}), Source("json", "default", True)
    assert decode(body, source=Source("json", "default")).batch.names == ["default"]
    assert decode(body, source=topical, topic=b"plant/pump").batch.names == ["plant/pump"]
    assert decode(body, source=topical).batch.names == ["default"]
    assert decode(dumped(observation()), source=topical, topic=b"other").batch.names == ["pump-1"]
    assert [r.reason for r in decode(body, source=topical, topic=b"\xff").refusals] == ["stream_name"]


def test_a_declared_format_is_not_guessed() -> None:
    pack = msgspec.msgpack.encode(observation())
    assert [r.reason for r in decode(pack, source=Source("json")).refusals] == ["malformed"]
    assert decode(dumped(observation()), source=Source("msgpack")).refusals
    assert len(decode(pack, source=Source("msgpack")).batch) == 1


def test_no_frames_are_an_empty_batch() -> None:
    decoded = decode()
    assert (len(decoded.batch), decoded.batch.values.shape, decoded.observations) == (0, (0, 2), 0)


@pytest.mark.parametrize("features", [("a", "a"), ('a"b',), ("a\\b",), ("a\nb",)])
def test_features_that_no_message_can_name_are_the_operators_fault(features: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="feature names"):
        Decoder(features, "forecast", [Source()], 10)


def test_feedback_is_an_observation_without_values() -> None:
    said = {"event_id": "pump/1/3", "verdict": "false_alarm"}
    muted = {"event_id": "a/1", "verdict": "ignore", "until": "2001-09-09T01:46:40Z"}
    found = decode(dumped({"feedback": said}), dumped({"stream": "a", "feedback": muted}))
    batch = found.batch
    assert not found.refusals
    assert batch.names == ["pump/1", "a"]
    assert batch.bits.tolist() == [FALSE_ALARM, IGNORE]
    assert batch.ident.tolist() == [3, 1]
    assert batch.time[1] == 1e9
    assert np.isnan(batch.values).all()


@pytest.mark.parametrize(
    "message",
    [
        {"feedback": {"event_id": "a", "verdict": "true_alarm"}},
        {"feedback": {"event_id": "a/x", "verdict": "true_alarm"}},
        {"feedback": {"event_id": "a/1", "verdict": "maybe"}},
        {"feedback": {"event_id": "a/1", "verdict": "ignore"}},
        {"feedback": {"event_id": "a/1", "verdict": "true_alarm", "until": 5}},
        {"feedback": {"event_id": "a/1", "verdict": "true_alarm", "more": 5}},
        {"feedback": {"event_id": "a/1", "verdict": "true_alarm"}, "values": {"flow": 1.0}},
        {"stream": "b", "feedback": {"event_id": "a/1", "verdict": "true_alarm"}},
    ],
)
def test_feedback_that_says_nothing_is_refused(message: dict[str, object]) -> None:
    found = decode(dumped(message))
    assert len(found.batch) == 0
    assert [refused.reason for refused in found.refusals] == ["feedback"]


def test_a_time_far_ahead_of_its_arrival_is_marked() -> None:
    frames = [Frame(0, 1.7e9, b"", dumped(observation(time=time))) for time in (1.7e9, 1.7e9 + 86_400, 2e9)]
    batch = Decoder(FEATURES, "forecast", [Source()], 100).decode(frames).batch
    assert (batch.bits & AHEAD > 0).tolist() == [False, False, True]
