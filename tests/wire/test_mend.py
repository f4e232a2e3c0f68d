"""Messages of home-automation bridges (trial 18): one bad value costs that value."""

import json

import msgspec
import numpy as np
import pytest

from streamrnn.wire import Decoder, Frame, Source

FEATURES = ("temperature", "humidity", "power", "state")
T = 1_790_000_000
NAN = np.nan


def decode(body, mend=True, task="forecast"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Decoder(FEATURES, task, [Source(mend=mend)], 100).decode([Frame(0, 5.0, b"", body)])


def one(**values):
    return {"stream": "room", "time": T, "values": values}


@pytest.mark.parametrize(
    ("values", "wanted", "notes"),
    [
        ({"temperature": 21.5, "state": True}, [21.5, NAN, NAN, 1.0], {}),
        ({"temperature": 21.5, "state": "ON"}, [21.5, NAN, NAN, 1.0], {}),
        ({"temperature": "21.5", "humidity": 48}, [21.5, 48, NAN, NAN], {}),
        ({"temperature": 21.5, "humidity": "unavailable"}, [21.5, NAN, NAN, NAN], {}),
        ({"temperature": 21.5, "humidity": "moist"}, [21.5, NAN, NAN, NAN], {("type", "humidity"): 1}),
        ({"temperature": 21.5, "linkquality": 88}, [21.5, NAN, NAN, NAN], {("unknown_feature", "linkquality"): 1}),
        ({"temperature": 21.5, "update": {"state": "idle"}}, [21.5, NAN, NAN, NAN], {("unknown_feature", "update"): 1}),
        ({"temperature": 21.5, "power": {"w": 3}}, [21.5, NAN, NAN, NAN], {("type", "power"): 1}),
        ({"temperature": NAN, "humidity": 40}, [NAN, 40, NAN, NAN], {("not_finite", "temperature"): 1}),
        ({"temperature": 10**400, "humidity": 40}, [NAN, 40, NAN, NAN], {("out_of_range", "temperature"): 1}),
    ],
)
def test_one_bad_value_costs_that_value(values, wanted, notes):
    found = decode(one(**values))
    assert found.refusals == []
    assert np.array_equal(found.batch.values, [wanted], equal_nan=True)
    assert found.notes == notes
    assert found.batch.time.tolist() == [T]


@pytest.mark.parametrize("values", [{"humidity": "moist"}, {"temprature": 1}, {"state": {}}, {"temperature": NAN}])
def test_an_observation_of_which_nothing_is_left_is_refused(values):
    found = decode(one(**values))
    assert len(found.refusals) == 1
    assert found.notes == {}


def test_the_old_way_is_a_setting():
    found = decode(one(temperature=21.5, linkquality=88), mend=False)
    assert [refused.reason for refused in found.refusals] == ["unknown_feature"]
    assert found.notes == {}


def test_columns_arrays_lines_and_msgpack():
    columns = {
        "stream": "room",
        "time": [T, T + 1, T + 2],
        "values": {"temperature": [20.0, "bad", 20.2], "x": [1, 2, 3]},
    }
    found = decode(columns)
    assert np.array_equal(found.batch.values[:, 0], [20.0, NAN, 20.2], equal_nan=True)
    assert found.notes == {("type", "temperature"): 1, ("unknown_feature", "x"): 1}
    items = [one(temperature=1.0), one(temperature=2.0, humidity="bad"), one(temperature="warm")]
    for body in (json.dumps(items).encode(), b"\n".join(json.dumps(item).encode() for item in items)):
        found = decode(body)
        assert found.batch.values[:, 0].tolist() == [1.0, 2.0]
        assert [refused.reason for refused in found.refusals] == ["type"]
        assert found.observations == 3
    found = decode(msgspec.msgpack.encode(one(temperature=1.0, humidity="bad")))
    assert np.array_equal(found.batch.values, [[1.0, NAN, NAN, NAN]], equal_nan=True)
    assert found.notes == {("type", "humidity"): 1}


def test_a_list_in_schema_order():
    found = decode({"stream": "room", "time": T, "values": [1.0, "x", "OFF", None]})
    assert np.array_equal(found.batch.values, [[1.0, NAN, 0.0, NAN]], equal_nan=True)


@pytest.mark.parametrize("key", ["timestamp", "ts"])
def test_a_time_under_another_name_is_noted(key):
    found = decode({"stream": "room", key: T, "values": {"temperature": 21.5}})
    assert found.batch.time.tolist() == [5.0]
    assert found.notes == {("time", key): 1}
    assert decode({"stream": "room", "values": {"temperature": 21.5}}).notes == {}
    assert decode({"stream": "room", "time": T, key: T, "values": {"temperature": 21.5}}).notes == {}


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'{"values": 3}', b'{"values": {"temperature": [[1]]}}', b"\xff"])
def test_what_cannot_be_mended_is_refused_as_ever(body):
    with_it, without = decode(body), decode(body, mend=False)
    assert [refused.reason for refused in with_it.refusals] == [refused.reason for refused in without.refusals]
    assert len(with_it.batch) == 0
