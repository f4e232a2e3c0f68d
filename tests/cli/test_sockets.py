"""`send` and `tail` at the other end of plain sockets."""

import json
import threading

import msgspec
import numpy as np
import pytest
import zmq

from streamrnn.cli import tail
from streamrnn.cli.send import messages_of
from streamrnn.config.schema import Columns
from streamrnn.messages import END, LABEL_ONLY, STAMPED
from streamrnn.recordings.rows import Rows
from streamrnn.wire import Decoder, Frame, Source
from tests.cli.console import call

TEXT = "time,stream,heat,load,label,id\n" + "".join(
    f"{1_700_000_000 + i},s{i // 5 % 2},{i / 7},{i if i % 4 else ''},{i if i % 3 else ''},{f'n{i}' if i % 2 else ''}\n"
    for i in range(40)
)


def receive(pull, count):
    found = []
    while len(found) < count and pull.poll(5000):
        found.append(pull.recv())
    return found


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode], ids=["json", "msgpack"])
@pytest.mark.parametrize("frame", [1, 3, 64])
def test_what_is_sent_is_read_back_as_it_stood_in_the_file(tmp_path, frame, encode):
    path = tmp_path / "rows.csv"
    path.write_text(TEXT)
    rows = Rows(path, Columns())
    (batch,) = rows.batches()
    bodies = [encode(message) for message, _ in messages_of(batch, rows.features, frame)]
    decoder = Decoder(rows.features, "label", [Source("auto", None, False)], 4096)
    found = decoder.decode([Frame(0, 0.0, b"", body) for body in bodies])
    assert found.refusals == []
    assert sum(size for _, size in messages_of(batch, rows.features, frame)) == 40
    for column in ("time", "values", "label", "ident", "seq", "bits"):
        assert np.array_equal(getattr(found.batch, column), getattr(batch, column), equal_nan=True), column
    assert np.repeat(found.batch.names, found.batch.lengths).tolist() == np.repeat(batch.names, batch.lengths).tolist()


MARKED = """\
{"time": 1, "values": {"heat": 1}, "seq": 9007199254740993}
{"time": 2, "values": {"heat": 2}, "end": true}
{"time": 3, "values": {"heat": 3}, "seq": 9223372036854775807}
{"time": 4, "label": 0.5, "id": "a"}
{"label": 1.5, "id": "b"}
{"time": 6, "values": {"heat": null}, "id": "c"}
{"time": 7, "values": {"heat": 4}, "end": true}
"""


@pytest.mark.parametrize("frame", [1, 2, 3, 64])
def test_ends_late_labels_and_large_sequence_numbers_arrive_as_they_stood(tmp_path, frame):
    path = tmp_path / "rows.ndjson"
    path.write_text(MARKED)
    rows = Rows(path, Columns(label="label", id="id"), ("heat",))
    (batch,) = rows.batches()
    assert batch.seq.tolist() == [9007199254740993, -1, 2**63 - 1, -1, -1, -1, -1]
    assert batch.bits.tolist() == [0, END, 0, LABEL_ONLY, LABEL_ONLY | STAMPED, 0, END]
    bodies = [msgspec.json.encode(message) for message, _ in messages_of(batch, rows.features, frame)]
    found = Decoder(("heat",), "label", [Source()], 4096).decode([Frame(0, 4.0, b"", body) for body in bodies])
    assert found.refusals == []
    for column in ("time", "values", "label", "ident", "seq", "bits"):
        assert np.array_equal(getattr(found.batch, column), getattr(batch, column), equal_nan=True), column


def test_send_as_a_command(tmp_path, monkeypatch, capsys):
    path = tmp_path / "rows.csv"
    path.write_text(TEXT)
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        code, out, _ = call(monkeypatch, capsys, "send", path, f"tcp://127.0.0.1:{port}", "--frame", 5)
        bodies = receive(pull, 8)
    assert code == 0
    assert "sent 40 observations" in out
    assert json.loads(bodies[0])["stream"] == "s0"
    assert [len(json.loads(body)["time"]) for body in bodies] == [5] * 8


def test_send_with_the_columns_of_a_configuration_and_a_rate(tmp_path, monkeypatch, capsys):
    config, path = tmp_path / "config.toml", tmp_path / "rows.csv"
    config.write_text('[model]\nfeatures = ["t"]\n[columns]\nname = "oven"\nfeatures = { t = "heat" }\n')
    path.write_text("time,heat,load\n1,2,3\n2,,4\n3,inf,5\n")
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        arguments = [
            "send",
            path,
            f"tcp://127.0.0.1:{port}",
            "--columns",
            config,
            "--rate",
            "1000",
            "--format",
            "msgpack",
        ]
        code, _, err = call(monkeypatch, capsys, *arguments)
        bodies = receive(pull, 2)
    assert code == 0
    assert "left out 1 rows (not_finite 1); the first: line 4: not_finite" in err
    assert [msgspec.msgpack.decode(body) for body in bodies] == [
        {"stream": "oven", "time": 1.0, "values": {"t": 2.0}},
        {"stream": "oven", "time": 2.0, "values": {"t": None}},
    ]


def test_send_to_nobody_is_an_error_with_a_hint(tmp_path, monkeypatch, capsys):
    path = tmp_path / "rows.csv"
    path.write_text(TEXT)
    monkeypatch.setattr("streamrnn.cli.send.PATIENCE", 50)
    code, _, err = call(monkeypatch, capsys, "send", path, f"ipc://{tmp_path}/nobody")
    assert code == 1
    assert "nobody takes messages" in err
    assert "hint: is the daemon running" in err


@pytest.fixture
def published():
    """A publisher that repeats its messages until told to stop."""
    prediction = {
        "time": 0.0,
        "forecasts": [{"target": "x", "step": 1, "yhat": 2.0, "yhat_lower": 1, "yhat_upper": None}],
    }
    columns = {"time": [0.0, 60.0], "forecasts": [], "anomaly_score": [0.1, 0.7], "late": True}
    anomaly = {"time": 0.0, "state": "open", "severity": "major", "reason": "x is 9 above what was expected"}
    messages = [
        (b"prediction/a/", msgspec.json.encode(prediction)),
        (b"prediction/b/", msgspec.msgpack.encode(columns)),
        (b"anomaly/a/", msgspec.json.encode(anomaly)),
        (b"status/", b'{"state":"running"}'),
        (b"deadletter/", b"\xc1"),
    ]
    stop = threading.Event()
    with zmq.Context() as context, context.socket(zmq.PUB) as pub:
        port = pub.bind_to_random_port("tcp://127.0.0.1")

        def publish():
            while not stop.wait(0.01):
                for message in messages:
                    pub.send_multipart(message)

        thread = threading.Thread(target=publish)
        thread.start()
        yield f"tcp://127.0.0.1:{port}"
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("topic", "line"),
    [
        ("prediction/a/", "prediction/a/  1970-01-01 00:00:00  x+1 2 [1, -]  score -"),
        ("prediction/b/", "prediction/b/  1970-01-01 00:01:00  score 0.7  late"),
        ("anomaly/", "anomaly/a/  1970-01-01 00:00:00  open major: x is 9 above what was expected"),
        ("status/", 'status/  {"state":"running"}'),
    ],
)
def test_tail_prints_a_line_a_message(published, topic, line, monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "tail", published, topic, "--count", 2)
    assert code == 0
    assert out.splitlines() == [line, line]


def test_tail_as_json_gives_what_came(published, monkeypatch, capsys):
    _, out, _ = call(monkeypatch, capsys, "tail", published, "prediction/b/", "--json", "--count", 1)
    assert json.loads(out)["time"] == [0.0, 60.0]


def test_tail_of_everything_survives_what_it_cannot_read(published, monkeypatch, capsys):
    _, out, _ = call(monkeypatch, capsys, "tail", published, "deadletter/", "--count", 1)
    assert "unreadable" in out


def test_a_prediction_that_warms_up_says_so():
    assert tail.line("prediction/a/", {"time": 0.0, "warming_up": True}).endswith("warming up")
