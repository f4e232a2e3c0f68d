"""Nobody there, or somebody else: the commands that speak to a daemon say so within two seconds."""

import json
import threading
import time

import pytest
import zmq

from streamrnn.client.meeting import Meeting, meet
from tests.cli.console import call

CONFIG = '[model]\nfeatures = ["heat"]\n[state]\npath = "{path}"\n'
ROWS = "time,heat\n" + "".join(f"{1_700_000_000 + i},{i}\n" for i in range(18))


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made
        made.destroy(0)


def bound(context, kind):
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    return socket, f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"


@pytest.mark.parametrize(("theirs", "found"), [(zmq.PULL, Meeting.MET), (zmq.ROUTER, Meeting.OTHER)])
def test_who_is_there_is_told(context, theirs, found):
    _, endpoint = bound(context, theirs)
    with context.socket(zmq.PUSH) as socket:
        assert meet(socket, endpoint, 5.0) is found


def test_ctl_without_a_daemon(tmp_path, monkeypatch, capsys):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(path=tmp_path))
    begin = time.monotonic()
    code, _, err = call(monkeypatch, capsys, "ctl", "status", path)
    assert time.monotonic() - begin < 10.0  # SECONDS on an idle machine
    assert code == 1
    assert "no daemon answers on ipc://" in err
    assert f"streamrnn run {path}" in err


def test_tail_says_that_nobody_is_there_and_goes_on_waiting(context, monkeypatch, capsys):
    socket, endpoint = bound(context, zmq.XPUB)
    socket.unbind(endpoint)

    def publish():
        time.sleep(1.6)  # the command has told by then
        socket.bind(endpoint)
        socket.recv()
        socket.send_multipart([b"status/", b"{}"])

    thread = threading.Thread(target=publish)
    thread.start()
    code, out, err = call(monkeypatch, capsys, "tail", endpoint, "--count", 1)
    thread.join()
    assert code == 0
    assert f"{endpoint} is not there; waiting" in err
    assert "status/" in out


def test_tail_at_an_input_and_without_a_message(context, monkeypatch, capsys):
    socket, endpoint = bound(context, zmq.XPUB)

    def publish():
        socket.recv()
        time.sleep(1.2)
        socket.send_multipart([b"status/", b"{}"])

    thread = threading.Thread(target=publish)
    thread.start()
    _, _, err = call(monkeypatch, capsys, "tail", endpoint, "status/", "--count", 1)
    thread.join()
    assert "nothing has come on status/ so far" in err
    assert "anomaly/STREAM/" in err


def serve(context, refuse):
    """A pull input and an output that answer every observation: refused where its number is in `refuse`."""
    entry, where = bound(context, zmq.PULL)
    out, told = bound(context, zmq.XPUB)
    stop = threading.Event()

    def run():
        while not stop.is_set():
            if out.poll(1):
                out.recv()
            while entry.poll(5):
                heat = json.loads(entry.recv())["values"]["heat"]
                letter = {"reason": "unknown_feature", "detail": "heat is no feature"}
                kind = b"deadletter/" if heat in refuse else b"prediction/rows/"
                out.send_multipart([kind, json.dumps(letter if heat in refuse else {}).encode()])

    thread = threading.Thread(target=run)
    thread.start()
    return where, told, lambda: (stop.set(), thread.join())


@pytest.mark.parametrize("refused", [18, 3, 0])
def test_send_tells_what_was_taken_and_refused(refused, tmp_path, context, monkeypatch, capsys):
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    where, told, stop = serve(context, range(refused))
    try:
        code, out, _ = call(monkeypatch, capsys, "send", path, where, "--output", told)
    finally:
        stop()
    assert code == (1 if refused == 18 else 0)
    assert out.startswith("sent 18 observations")
    assert (f"; {refused} refused (unknown_feature {refused}), the first: heat is no feature" in out) == bool(refused)
    assert ("nothing was taken" in out) == (refused == 18)
    assert ("all taken" in out) == (refused == 0)


@pytest.mark.parametrize("theirs", [zmq.XPUB, zmq.ROUTER])
def test_send_to_what_is_no_input(theirs, tmp_path, context, monkeypatch, capsys):
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    _, endpoint = bound(context, theirs)
    code, _, err = call(monkeypatch, capsys, "send", path, endpoint)
    assert code == 1
    assert f"what listens at {endpoint} takes no messages" in err


def test_send_from_standard_input(tmp_path, context, monkeypatch, capsys):
    (tmp_path / "in").write_bytes(b'{"time": 1, "stream": "a", "values": {"heat": 2}}\n' * 3)
    entry, endpoint = bound(context, zmq.PULL)
    with (tmp_path / "in").open() as piped:
        monkeypatch.setattr("sys.stdin", piped)
        code, out, _ = call(monkeypatch, capsys, "send", "-", endpoint)
    assert code == 0
    assert out.startswith("sent 3 observations")
    assert json.loads(entry.recv())["values"] == {"heat": 2.0}
