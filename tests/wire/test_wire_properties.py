"""Round trips through every form, and frames that nobody would send on purpose."""

import json
import random

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.messages import Batch
from streamrnn.wire import REASONS, Decoded, Decoder, Frame, Source

FEATURES = ("flow", "level", "a temperature")

numbers = st.none() | st.floats(-1e30, 1e30)
observations = st.fixed_dictionaries(
    {
        "time": st.floats(0, 1e11),
        "values": st.fixed_dictionaries(dict.fromkeys(FEATURES, numbers)),
        "label": numbers,
        "id": st.none() | st.text(st.characters(codec="utf-8"), max_size=20) | st.integers(0, 2**63 - 1),
        "seq": st.none() | st.integers(0, 2**63 - 1),
        "end": st.booleans(),
    }
)
names = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=128)


def decoder(limit: int = 1000) -> Decoder:
    return Decoder(FEATURES, "label", [Source()], limit)


def decode(*bodies: bytes) -> Batch:
    decoded = decoder().decode([Frame(0, 5.0, b"", body) for body in bodies])
    assert decoded.refusals == []
    return decoded.batch


def as_columns(stream: str, items: list[dict]) -> dict:
    table = {key: [item[key] for item in items] for key in ("time", "label", "id", "seq", "end")}
    return {"stream": stream, **table, "values": {name: [item["values"][name] for item in items] for name in FEATURES}}


def same(one: Batch, other: Batch) -> None:
    assert np.repeat(one.names, one.lengths).tolist() == np.repeat(other.names, other.lengths).tolist()
    for column in ("time", "values", "label", "ident", "seq", "bits"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))
    assert one.ids == other.ids


@settings(deadline=None, max_examples=60)
@given(names, st.lists(observations, min_size=1, max_size=8))
def test_every_form_gives_the_same_batch(stream: str, items: list[dict]) -> None:
    singles = [{"stream": stream, **item} for item in items]
    lists = [{**item, "values": [item["values"][name] for name in FEATURES]} for item in singles]
    sparse = [{**item, "values": {k: v for k, v in item["values"].items() if v is not None}} for item in singles]
    table = as_columns(stream, items)
    expected = decode(*[json.dumps(item).encode() for item in singles])
    assert expected.time.tolist() == [item["time"] for item in items]
    for encode in (lambda thing: json.dumps(thing).encode(), msgspec.msgpack.encode, msgspec.json.encode):
        same(expected, decode(*map(encode, lists)))
        same(expected, decode(*map(encode, sparse)))
        same(expected, decode(encode(singles)))
        same(expected, decode(encode(table)))
        same(expected, decode(encode([table])))
    same(expected, decode(b"\n".join(json.dumps(item).encode() for item in singles) + b"\n"))


def check(decoded: Decoded, frames: int) -> None:
    """What must hold of everything that is decoded, whatever it was."""
    batch = decoded.batch
    assert len(decoded.frame) == len(batch.names) == len(batch.lengths) == len(batch.columnar)
    assert batch.lengths.sum() == len(batch) and (batch.lengths > 0).all()
    assert decoded.observations == len(batch) + len(decoded.refusals)
    assert {*decoded.frame, *(refused.frame for refused in decoded.refusals)} == set(range(frames))
    assert ((batch.time >= 0) & (batch.time <= 1e11)).all()
    assert (np.isnan(batch.values) | (np.abs(batch.values) <= 1e30)).all()
    assert (np.isnan(batch.label) | (np.abs(batch.label) <= 1e30)).all()
    assert (batch.seq >= -1).all() and (batch.ident >= 0).all()
    assert all(0 < len(name.encode()) <= 128 and name.isprintable() for name in batch.names)
    assert set(batch.ids) == set(np.flatnonzero(batch.ident).tolist())
    for refused in decoded.refusals:
        assert refused.reason in REASONS and refused.detail and len(refused.offender) <= 4096 <= 4096 + refused.size


@settings(deadline=None, max_examples=400)
@given(st.lists(st.binary(max_size=60) | st.text(max_size=40).map(str.encode), min_size=1, max_size=4))
def test_arbitrary_bytes_are_accepted_or_refused(bodies: list[bytes]) -> None:
    check(decoder().decode([Frame(0, 5.0, body, body) for body in bodies]), len(bodies))


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["stream", "time", "values", "label", "id", "seq", "end", "flow"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(trees)
def test_any_structure_is_accepted_or_refused(tree: object) -> None:
    bodies = [msgspec.msgpack.encode(tree), msgspec.json.encode(tree)]
    check(decoder().decode([Frame(0, 5.0, b"", body) for body in bodies]), 2)


def mutated(body: bytes, chance: random.Random) -> bytes:
    """A few bytes replaced, removed, repeated or cut off."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        stop = min(len(data), start + chance.randint(0, 6))
        match chance.randrange(5):
            case 0:
                data[start:stop] = chance.randbytes(stop - start)
            case 1:
                del data[start:stop]
            case 2:
                data[start:start] = data[start:stop] * chance.randint(1, 3)
            case 3:
                data[start:stop] = chance.choice(
                    [b"null", b"[", b"}", b"\n", b"1e999", b"NaN", b"-", b"\xdd\xff\xff\xff\xff"]
                )
            case 4 if chance.random() < 0.2:
                del data[start:]
    return bytes(data)


def seeds() -> list[bytes]:
    chance = random.Random(1)
    items = [
        {
            "time": 1.6e9 + i,
            "values": {name: chance.random() for name in FEATURES},
            "label": chance.choice([None, 1.5]),
            "id": chance.choice([None, f"id-{i}", i]),
            "seq": i,
            "end": i == 3,
        }
        for i in range(5)
    ]
    singles = [{"stream": f"pump-{i}", **item} for i, item in enumerate(items)]
    things = [singles[0], singles, as_columns("pump", items), [as_columns("pump", items), singles[1]]]
    encoded = [encode(thing) for thing in things for encode in (msgspec.json.encode, msgspec.msgpack.encode)]
    return [*encoded, b"\n".join(msgspec.json.encode(item) for item in singles)]


def test_mutations_of_good_frames_are_accepted_or_refused() -> None:
    chance, bodies, under_test = random.Random(7), seeds(), decoder(50)
    reasons: set[str] = set()
    accepted = 0
    for _ in range(3000):
        frames = [Frame(0, 5.0, b"", mutated(chance.choice(bodies), chance)) for _ in range(4)]
        decoded = under_test.decode(frames)
        check(decoded, 4)
        reasons |= {refused.reason for refused in decoded.refusals}
        accepted += len(decoded.batch)
    assert accepted > 1000
    assert reasons >= {"malformed", "type", "schema", "unknown_feature", "not_finite", "out_of_range"}


def test_what_a_source_sent_before_does_not_change_what_is_read() -> None:
    chance, bodies = random.Random(9), seeds()
    singles, columns = decoder(), decoder()
    for _ in range(1000):
        frame = Frame(0, 5.0, b"", mutated(chance.choice(bodies), chance))
        singles.decode([Frame(0, 5.0, b"", bodies[0])])
        columns.decode([Frame(0, 5.0, b"", bodies[4])])
        one, other = singles.decode([frame]), columns.decode([frame])
        same(one.batch, other.batch)
        assert one.batch.columnar == other.batch.columnar
        assert [(r.reason, r.offender) for r in one.refusals] == [(r.reason, r.offender) for r in other.refusals]
