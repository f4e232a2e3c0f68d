"""Files as people have them: other delimiters, decimals, encodings, times and compressions, each concluded and told."""

import gzip
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import zstandard

from streamrnn.config.schema import Columns
from streamrnn.recordings.rows import Rows
from streamrnn.recordings.source import FileError

START = 1_166_289_840.0  # 2006-12-16 17:24 UTC
ROWS = [("16/12/2006", f"17:{24 + i}:00", f"{4 + i / 8:.3f}", f"{234 + i / 4:.3f}") for i in range(20)]
VALUES = [[float(row[2]), float(row[3])] for row in ROWS]


def read(path, wanted=(), **columns):
    rows = Rows(path, Columns(**columns), wanted)
    batches = list(rows.batches())
    return rows, np.concatenate([batch.time for batch in batches]), np.concatenate([batch.values for batch in batches])


def written(path, lines, encoding="utf-8"):
    path.write_bytes("".join(lines).encode(encoding))
    return path


def household(delimiter=";", decimal=".", end="\n", header=True, joined=False):
    """Lines in the form of a public file of household power (trial 14), as different programs write it."""
    head = ["Date", "Time", "power", "voltage"]
    if joined:
        head = ["Date", *head[2:]]
    yield delimiter.join(head) + end if header else ""
    for date, clock, power, voltage in ROWS:
        cells = [f"{date} {clock}"] if joined else [date, clock]
        yield delimiter.join([*cells, power.replace(".", decimal), voltage.replace(".", decimal)]) + end


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_spelling_of_a_household_is_read_alike(tmp_path, delimiter, decimal, joined, encoding):
    if delimiter == decimal:
        pytest.skip("no program writes that without quotes")
    path = written(tmp_path / "x.csv", household(delimiter, decimal, joined=joined), encoding)
    rows, time, values = read(path, ("power", "voltage"))
    assert time.tolist() == [START + 60 * i for i in range(20)]
    assert values.tolist() == VALUES
    assert f"decimal {decimal}" in rows.told
    assert "%d/%m/%Y %H:%M:%S" in rows.told


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_a_line_is_one(tmp_path, end):
    _, time, values = read(written(tmp_path / "x.csv", household(end=end)), ("power", "voltage"))
    assert values.tolist() == VALUES
    assert len(time) == 20


def test_german_numbers_in_quotes(tmp_path):
    text = ['time,power\n2006-12-16 17:24:00,"4,216"\n2006-12-16 17:25:00,"1.205,360"\n']
    _, time, values = read(written(tmp_path / "x.csv", text), ("power",))
    assert values.tolist() == [[4.216], [1205.36]]
    assert time.tolist() == [START, START + 60]


def test_without_a_header_the_columns_of_numbers_are_the_features_in_their_order(tmp_path):
    path = written(tmp_path / "x.csv", household(header=False))
    rows, time, values = read(path, ("power", "voltage"))
    assert values.tolist() == VALUES
    assert time[0] == START
    assert "no header" in rows.told
    named = read(path, ("voltage",), names=("d", "t", "power", "voltage"), time=("d", "t"))
    assert named[2].tolist() == [[row[1]] for row in VALUES]


def test_words_for_no_value_cost_no_row(tmp_path):
    lines = ["time;a;b\n", *(f"{i};{i};{'?' if i % 10 else 1.5}\n" for i in range(1000)), "1000;;n/v\n"]
    rows, time, values = read(written(tmp_path / "x.csv", lines), ("a", "b"))
    assert len(time) == rows.tally.accepted == 1001
    assert np.isfinite(values[:, 1]).sum() == 100
    assert not rows.tally.refused


def test_a_bad_cell_costs_that_value_and_is_counted_or_else_the_row(tmp_path):
    path = written(tmp_path / "x.csv", ["time,a,b\n", "0,1,2\n", "1,warm,3\n", "2,4,5\n", "3,warm,cold\n"])
    rows, time, values = read(path, ("a", "b"))
    assert np.array_equal(values, [[1, 2], [np.nan, 3], [4, 5]], equal_nan=True)
    assert rows.tally.odd == {"a": 2, "b": 1}
    assert rows.tally.first_odd["a"] == "a is 'warm'"
    assert rows.tally.refused == {"type": 1}
    rows, time, _ = read(path, ("a", "b"), bad_cell="refuse")
    assert time.tolist() == [0.0, 2.0]
    _, _, values = read(path, ("a", "b"), words={"Warm": 25.0, "cold": -5.0})
    assert values.tolist() == [[1, 2], [25, 3], [4, 5], [25, -5]]
    _, _, values = read(written(tmp_path / "y.csv", ["time,a\n", "0,ON\n", "1,off\n", "2,true\n"]), ("a",))
    assert values.tolist() == [[1], [0], [1]]


def test_meters_of_london(tmp_path):
    """Trial 15: a blank at the end of a name, seven digits of a second, CRLF, "Null", local times over the change."""
    london = ZoneInfo("Europe/London")
    stamps = [START - 48 * 86400 + 1800 * i for i in range(48 * 60)]  # the clocks went back on 29 October 2006
    lines = ["LCLid,stdorToU,DateTime,KWH/hh (per half hour) \r\n"]
    for i, stamp in enumerate(stamps):
        local = datetime.fromtimestamp(stamp, london)
        said = "Null" if i == 777 else f" {i / 1000:.3f} "
        lines.append(f"MAC1,Std,{local:%Y-%m-%d %H:%M:%S}.0000000,{said}\r\n")
    path = written(tmp_path / "x.csv", lines)
    said = {"stream": "LCLid", "time": "DateTime", "features": {"kwh": "KWH/hh (per half hour) "}}
    _, time, values = read(path, ("kwh",), timezone="Europe/London", **said)
    assert time.tolist() == stamps
    assert np.isnan(values[:, 0]).sum() == 1


def test_encodings(tmp_path):
    """Trial 36: UTF-16, carriage returns alone and inside a row, names in Windows-1252."""
    lines = ["time,Temp (°C),Größe\r\n", *(f"2025-09-01T00:0{i}:00,20.{i},{i}\r\n" for i in range(4))]
    for encoding in ("utf-16", "utf-16-le", "cp1252", "utf-8"):
        path = written(tmp_path / f"{encoding}.csv", lines, encoding)
        rows, _, values = read(path, ("temp",), features={"temp": "Temp (°C)"})
        assert values.tolist() == [[20.0], [20.1], [20.2], [20.3]], encoding
        assert encoding in rows.told
    text = ["time,x\n2025-09-01T00:00:00,1\n2025-09-01T00:01:00,2\rjunk\n2025-09-01T00:02:00,3\n"]
    rows, _, values = read(written(tmp_path / "inside.csv", text), ("x",))
    assert values.tolist() == [[1.0], [2.0], [3.0]]
    assert rows.tally.refused == {"schema": 1}
    assert rows.tally.first_refusal.startswith("line 4: ")


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_what_is_compressed_is_unpacked_and_what_is_damaged_is_told(tmp_path, ending):
    pack = gzip.compress if ending == ".gz" else zstandard.ZstdCompressor().compress
    packed = pack("".join(household()).encode())
    path = tmp_path / f"x.csv{ending}"
    path.write_bytes(packed)
    rows, _, values = read(path, ("power", "voltage"))
    assert values.tolist() == VALUES
    assert rows.tally.position == rows.bytes == len(packed)
    path.write_bytes(packed[:10] + bytes([packed[10] ^ 255]) + packed[11 : len(packed) // 2])
    with pytest.raises(FileError, match=r"x\.csv.*(damaged|nothing to use|no column|names the columns|empty)"):
        read(path, ("power", "voltage"))


@pytest.mark.parametrize(
    ("first", "second", "moment"),
    [
        ("1647774000000000", "1647774060000000", 1647774000),
        ("1647774000000000000", "1647774060000000000", 1647774000),
        ("20.03.2022 11:00", "20.03.2022 11:01", 1647774000),
        ("03/20/2022 11:00 AM", "03/20/2022 11:01 AM", 1647774000),
        ("20-Mar-2022 11:00:00", "20-Mar-2022 11:01:00", 1647774000),
        ("2022-03-20T12:00:00+0100", "2022-03-20T12:01:00+0100", 1647774000),
        ("20220320", "20220321", 1647734400),
    ],
)
def test_the_format_of_times_is_found(tmp_path, first, second, moment):
    _, time, _ = read(written(tmp_path / "x.csv", ["when,x\n", f"{first},1\n", f"{second},2\n"]), ("x",))
    assert time[0] == moment
    assert time[1] > moment


def test_where_day_and_month_could_be_either_the_order_of_the_rows_decides(tmp_path):
    lines = ["when,x\n", *(f"0{month}/0{day}/2024,1\n" for month in (1, 2, 3) for day in (1, 2, 3, 4))]
    rows, time, _ = read(written(tmp_path / "x.csv", lines), ("x",))
    assert "%m/%d/%Y" in rows.told
    assert (np.diff(time) > 0).all()


def test_a_wrong_name_is_answered_with_the_nearest_and_all(tmp_path):
    path = written(tmp_path / "x.csv", ["time,Temperatur,load\n", "0,1,2\n"])
    with pytest.raises(FileError, match="no column 'temperature'; there are 'time', 'Temperatur', 'load'") as caught:
        Rows(path, Columns(), ("temperature",))
    assert "did you mean 'Temperatur'?" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\xff\x13\x37" * 500, b'a,"b\n', b"\xff\xfe", b";;;\n;;;\n"])
def test_what_is_no_table_is_the_file_s_fault(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        list(Rows(path, Columns(), ("x",)).batches())
    assert caught.value.exit_code == 65


def test_a_text_file_is_a_table_where_numbers_are_wanted(tmp_path):
    _, _, values = read(written(tmp_path / "x.txt", household()), ("power", "voltage"))
    assert values.tolist() == VALUES
