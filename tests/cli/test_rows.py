"""Recorded files become the batches that the daemon would make of the same observations."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import messages
from streamrnn.config.schema import Columns
from streamrnn.messages import digest
from streamrnn.recordings.cells import counts, numbers, times
from streamrnn.recordings.rows import Rows
from streamrnn.recordings.source import FileError


def read(tmp_path, name, text, columns, features=(), size=4096):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    rows = Rows(path, columns, features)
    return rows, list(rows.batches(size))


def names_of(batch):
    return [name for name, length in zip(batch.names, batch.lengths, strict=True) for _ in range(length)]


CSV = """\ufefftime,machine,heat,load,batch,yield
2022-03-20T11:00:00+01:00,a,1.5,,b1,
2022-03-20 11:00:00,a,NaN,2,b2,0.5
1647774000,b,3,4,,
1647774000000,b,5,6,b3,0.25
"""


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_csv(tmp_path, size):
    columns = Columns(stream="machine", label="yield", id="batch")
    rows, batches = read(tmp_path, "x.csv", CSV, columns, ("heat", "load"), size)
    assert rows.features == ("heat", "load")
    values = np.concatenate([batch.values for batch in batches])
    assert np.array_equal(values, [[1.5, np.nan], [np.nan, 2], [3, 4], [5, 6]], equal_nan=True)
    assert [name for batch in batches for name in names_of(batch)] == ["a", "a", "b", "b"]
    time = np.concatenate([batch.time for batch in batches])
    assert time.tolist() == [1647770400.0, 1647774000.0, 1647774000.0, 1647774000.0]
    assert np.concatenate([batch.ident for batch in batches]).tolist() == [digest("b1"), digest("b2"), 0, digest("b3")]
    label = np.concatenate([batch.label for batch in batches])
    assert np.array_equal(label, [np.nan, 0.5, np.nan, 0.25], equal_nan=True)
    assert rows.tally.accepted == rows.tally.read == 4
    assert rows.tally.position == (tmp_path / "x.csv").stat().st_size == rows.bytes


def test_runs_are_as_long_as_a_stream_goes_on(tmp_path):
    _, (batch,) = read(tmp_path, "x.csv", CSV, Columns(stream="machine"), ("heat",))
    assert batch.names == ["a", "b"]
    assert batch.lengths.tolist() == [2, 2]


def test_ndjson_flat_and_in_the_wire_form(tmp_path):
    lines = [
        {"time": 1.0, "stream": "a", "heat": 1.5, "load": None},
        {"time": 2.0, "stream": "a", "values": {"heat": 2.5}, "seq": 7, "end": True},
        {"time": 3.0, "stream": "b", "values": [3.5, 4.5], "extra": "text"},
        {"time": 3.0, "stream": "b", "id": "x", "label": 9},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    columns = Columns(stream="stream", label="label", id="id")
    _, (batch,) = read(tmp_path, "x.ndjson", text, columns, ("heat", "load"))
    expected = [[1.5, np.nan], [2.5, np.nan], [3.5, 4.5], [np.nan, np.nan]]
    assert np.array_equal(batch.values, expected, equal_nan=True)
    assert batch.seq.tolist() == [-1, 7, -1, -1]
    assert batch.bits.tolist() == [0, messages.END, 0, messages.LABEL_ONLY]
    assert batch.ids == {3: "x"}


def test_without_features_the_header_decides(tmp_path):
    text = "time,stream,heat,load,id\n1,a,1,2,x\n"
    rows, (batch,) = read(tmp_path, "x.csv", text, Columns())
    assert rows.features == ("heat", "load")
    assert batch.names == ["a"]
    assert batch.ids == {0: "x"}


def test_columns_may_have_other_names(tmp_path):
    columns = Columns(time=None, features={"heat": "T [°C]"})
    _, (batch,) = read(tmp_path, "x.csv", "T [°C]\n1\n2\n", columns, ("heat",))
    assert batch.values.tolist() == [[1.0], [2.0]]
    assert batch.time.tolist() == [0.0, 1.0]
    assert batch.names == ["replay"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,inf", "not_finite"),
        ("1,1e999", "not_finite"),
        ("1,1e31", "out_of_range"),
        ("1,warm", "type"),
        ("soon,1", "time"),
        ("-5,1", "time"),
        (",1", "time"),
        ("1,2,3", "schema"),
    ],
)
def test_a_bad_row_is_left_out_and_counted_and_the_others_go_on(tmp_path, line, reason):
    rows, (batch,) = read(tmp_path, "x.csv", f"time,heat\n0,1\n{line}\n\n2,3\n", Columns(), ("heat",))
    assert batch.time.tolist() == [0.0, 2.0]
    assert rows.tally.refused == {reason: 1}
    assert rows.tally.first_refusal.startswith(f"line 3: {reason}: ")


def test_a_bad_line_of_json_is_left_out(tmp_path):
    rows, (batch,) = read(tmp_path, "x.ndjson", '{"time":1,"heat":2}\n{"time"\n[1]\n', Columns(), ("heat",))
    assert len(batch) == 1
    assert rows.tally.refused == {"malformed": 2}


def test_a_missing_column_is_named_with_those_there_are(tmp_path):
    with pytest.raises(FileError, match=r"no column 'heat'; there are 'time', 'T'"):
        read(tmp_path, "x.csv", "time,T\n1,2\n", Columns(), ("heat",))


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("x.csv", "", "the file is empty"),
        ("x.csv", "\n\n", "the file is empty"),
        ("x.ndjson", "", "the file is empty"),
        ("x.csv", "time,heat\n", "only a header and no rows"),
    ],
)
def test_an_empty_file_is_called_empty(tmp_path, name, text, why):
    with pytest.raises(FileError, match=why):
        read(tmp_path, name, text, Columns(), ("heat",))


@pytest.mark.parametrize("size", [1, 2, 4096])
def test_a_late_label_needs_no_time_and_gets_that_of_the_row_before(tmp_path, size):
    lines = [
        {"time": 5.0, "heat": 1, "id": "a"},
        {"id": "a", "label": 2},
        {"heat": 3},
        {"time": 7.0, "heat": 4},
        {"id": "a", "label": 5},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    rows, batches = read(tmp_path, "x.ndjson", text, Columns(label="label", id="id"), ("heat",), size)
    late = messages.LABEL_ONLY | messages.STAMPED
    assert [time for batch in batches for time in batch.time.tolist()] == [5.0, 5.0, 7.0, 7.0]
    assert [bits for batch in batches for bits in batch.bits.tolist()] == [0, late, 0, late]
    assert rows.tally.first_refusal == "line 3: time: time is missing"


@given(st.lists(st.floats(-1e29, 1e29) | st.none() | st.just("") | st.just("n/a"), min_size=1))
def test_numbers_of_text_are_those_of_the_values(cells):
    bad = {}
    wanted = np.array([np.nan if cell in (None, "", "n/a") else cell for cell in cells], float)
    assert np.array_equal(numbers(cells, "x", bad), wanted, equal_nan=True)
    text = ["" if cell is None else str(cell) for cell in cells]
    assert np.array_equal(numbers(text, "x", bad), wanted, equal_nan=True)
    assert bad == {}


def test_counts_are_exact_and_what_is_none_is_marked():
    bad = {}
    cells = ["9007199254740993", 9223372036854775807, "7.0", 8.0, None, "", "-1", 2**63, "1.5", "many", "inf"]
    assert counts(cells, "seq", bad).tolist()[:6] == [9007199254740993, 2**63 - 1, 7, 8, -1, -1]
    reasons = ["out_of_range", "out_of_range", "type", "type", "type"]
    assert {i: reason for i, (reason, _) in bad.items()} == dict(enumerate(reasons, start=6))


def test_times_of_all_forms_are_one_moment():
    cells = [
        "2022-03-20T11:00:00Z",
        "2022-03-20 12:00:00+01:00",
        "1647774000",
        1647774000.0,
        1647774000000,
        "2022-03-20T11",
    ]
    bad = {}
    assert times(cells, "time", bad).tolist() == [1647774000.0] * 6
    assert bad == {}


def test_a_big_file_is_never_in_memory_as_a_whole(tmp_path):
    """Batches come before the end of the file has been read."""
    path = tmp_path / "x.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "heat"])
        writer.writerows((i, i % 7) for i in range(50_000))
    rows = Rows(path, Columns(), ("heat",))
    first = next(iter(rows.batches(1000)))
    assert len(first) == 1000
    assert rows.tally.position < rows.bytes / 4
