"""Recorded events: a log, bytes and a process in a CSV file, replayed and sent as they stand there."""

import json
import sys

import numpy as np
import pytest

from streamrnn import events
from streamrnn.cli.send import messages_of, open_rows
from streamrnn.config import schema
from streamrnn.config.schema import Columns
from streamrnn.engine.engine import Engine
from streamrnn.errors import StreamrnnError
from streamrnn.messages import END, STAMPED
from streamrnn.recordings.rows import Form, Rows
from streamrnn.recordings.source import FileError
from streamrnn.wire import Decoder, Frame, Source
from tests.cli.console import call

CONFIG = """\
[model]
task = "events"
preset = "light"
weights = "pooled"
vocabulary = { kind = "vocabulary", symbols = 32, shown = 3 }
[limits]
max_streams = 40
[columns]
stream = "case"
event = "activity"
"""
CASES = [["register", "check", "pay"], ["register", "check", "check", "reject"]] * 15


@pytest.fixture
def process(tmp_path):
    """A configuration and an event log of 30 cases."""
    path, file = tmp_path / "config.toml", tmp_path / "process.csv"
    path.write_text(CONFIG)
    lines = ["case,activity,time,end"]
    for number, case in enumerate(CASES):
        for i, activity in enumerate(case):
            lines.append(f"c{number},{activity},2024-05-02T{number % 24:02}:{i:02}:00,{int(i == len(case) - 1)}")
    file.write_text("\n".join(lines) + "\n")
    return path, file


def read(rows):
    """All symbols, and the batch of a small file."""
    [batch] = rows.batches()
    return [batch.symbols[number] for number in batch.event.tolist()], batch


def test_a_line_is_an_event(tmp_path):
    file = tmp_path / "system.log"
    file.write_bytes(b"started\r\n\nstarted\n" + "ü".encode() * 200 + b"\nlast")
    events, batch = read(Rows(file, Columns(name="host")))
    assert events == ["started", "started", "ü" * 128, "last"]
    assert (batch.names, batch.lengths.tolist(), batch.columnar) == (["host"], [4], [True])
    assert (batch.bits == STAMPED).all()
    assert batch.values.shape == (4, 0)


LOG = """\
2024-05-02 09:31:00 INFO Receiving block blk_17 src: /10.0.0.1:4711 dest: /10.0.0.2:50010
2024-05-02 09:31:07 INFO Receiving block blk_18 src: /10.0.0.7:4712 dest: /10.0.0.2:50010
2024-05-02 09:31:09 WARN cannot reach node seven

2024-05-02 09:32:10 INFO Receiving block blk_19 src: /10.0.0.3:4713 dest: /10.0.0.4:50010
2024-05-02 09:32:11 WARN cannot reach node eight
"""


def test_the_template_of_a_line_is_an_event(tmp_path):
    pytest.importorskip("drain3")
    file = tmp_path / "system.log"
    file.write_text(LOG)
    rows = Rows(file, Columns(name="host"), form=Form.TEMPLATES)
    events, batch = read(rows)
    assert len(set(events)) == 2
    assert [events.index(event) for event in events] == [0, 0, 2, 0, 2]
    assert events[0].startswith("<*> <*> INFO Receiving block") and "10.0.0" not in events[0]
    assert (batch.bits == STAMPED).all() and rows.tally.read == 5
    [message] = [message for message, _ in messages_of(batch, (), 8)]
    assert message == {"stream": "host", "event": events}


def test_without_the_miner_of_templates_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "drain3", None)
    file = tmp_path / "system.log"
    file.write_text(LOG)
    with pytest.raises(StreamrnnError, match="drain3") as raised:
        read(Rows(file, Columns(name="host"), form=Form.TEMPLATES))
    assert "pip install drain3" in raised.value.hint


def test_a_byte_is_an_event_of_any_file(tmp_path):
    file = tmp_path / "data.csv"
    file.write_bytes(bytes(range(256)))
    events, _ = read(Rows(file, Columns(), form=Form.BYTES))
    assert events == list(range(256))
    with pytest.raises(FileError, match="say --as"):
        Rows(tmp_path / "data.bin", Columns())


def test_cases_activities_and_times_of_a_table(process):
    path, file = process
    found = schema.load(path)
    events, batch = read(Rows(file, found.columns, (), True))
    assert events == [activity for case in CASES for activity in case]
    assert batch.names == [f"c{number}" for number in range(30)]
    assert batch.time[0] == 1714608000.0
    ends = np.flatnonzero(batch.bits & END) + 1
    assert ends.tolist() == np.cumsum([len(case) for case in CASES]).tolist()


def test_an_empty_cell_is_refused_and_counted(tmp_path):
    file = tmp_path / "rows.ndjson"
    lines = [{"event": "a"}, {"event": ""}, {}, {"event": 1.5}, {"event": 7}, {"event": "x" * 257}, {"event": 2**63}]
    file.write_text("\n".join(map(json.dumps, lines)))
    rows = Rows(file, Columns(time=None), (), True)
    assert read(rows)[0] == ["a", 7]
    assert rows.tally.refused == {"event": 5 - 1}  # {} is a line without anything
    missing = tmp_path / "rows.csv"
    missing.write_text("time,what\n1,a\n")
    with pytest.raises(FileError, match="no column 'event'"):
        list(Rows(missing, Columns(), (), True).batches())


@pytest.mark.parametrize("frame", [1, 64])
def test_what_is_sent_is_what_the_file_says(process, frame):
    path, file = process
    rows = open_rows(file, path)
    events, batch = read(rows)
    sent = [json.dumps(message).encode() for message, _ in messages_of(batch, rows.features, frame)]
    assert len(sent) == (30 if frame > 1 else len(events))
    found = Decoder((), "events", [Source()], 4096).decode([Frame(0, 5.0, b"", body) for body in sent])
    assert found.refusals == []
    np.testing.assert_array_equal(found.batch.event, batch.event)
    np.testing.assert_array_equal(found.batch.time, batch.time)
    np.testing.assert_array_equal(found.batch.bits, batch.bits)


def test_without_a_configuration_the_names_decide(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("time,stream,event,level\n1,a,x,0.5\n2,a,y,\n")
    rows = open_rows(file, None)
    events, batch = read(rows)
    assert (events, rows.features, batch.names) == (["x", "y"], ("level",), ["a"])
    [first, second] = [message for message, _ in messages_of(batch, rows.features, 1)]
    assert first == {"stream": "a", "time": 1.0, "event": "x", "values": {"level": 0.5}}
    assert second["values"] == {"level": None}


def test_replay_is_the_engine_over_the_file(process, tmp_path, monkeypatch, capsys):
    path, file = process
    output, summary = tmp_path / "out.ndjson", tmp_path / "summary.json"
    code, out, err = call(monkeypatch, capsys, "replay", path, file, "--output", output, "--json", summary)
    assert code == 0, err
    assert "Bits an event" in out
    engine = Engine(schema.load(path).model, 40)
    _, batch = read(Rows(file, schema.load(path).columns, (), True))
    told = engine.step(batch, engine.admit(batch.names))
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["bits"] for row in rows] == told.surprise.tolist()
    assert [row["event"] for row in rows] == [activity for case in CASES for activity in case]
    assert [row["expected"] for row in rows][-3:] == [engine.symbol(0, int(number)) for number in told.predicted[-3:]]
    found = json.loads(summary.read_text())
    known = told.symbol != 0  # what was never seen is no hit
    assert found["scored"] == found["observations"] == len(rows)
    assert found["bits"]["mix"] == pytest.approx(told.surprise.mean())
    assert found["top1"] == pytest.approx(((told.rank == 1) & known).mean())
    assert found["top3"] == pytest.approx(((told.rank <= 3) & known).mean())


def test_replay_of_bytes_and_of_what_is_no_event(process, tmp_path, monkeypatch, capsys):
    path, file = process
    csv = tmp_path / "bytes.csv"
    code, out, err = call(monkeypatch, capsys, "replay", path, file, "--as", "bytes", "--output", csv, "--json", "-")
    assert code == 0, err
    assert json.loads(out)["scored"] == len(file.read_bytes())
    assert csv.read_text().splitlines()[1].startswith("replay,1,0.0,99,")
    path.write_text('[model]\nfeatures = ["a"]\npreset = "light"\n')
    assert call(monkeypatch, capsys, "replay", path, file, "--as", "lines")[0] == 65


def test_the_engine_is_chosen_by_the_task():
    model = schema.parse(CONFIG).model
    engine = Engine(model, 2)
    assert isinstance(engine, Engine)
    batch = events(["a"], ["x"])
    assert len(engine.step(batch, engine.admit(batch.names))) == 1
