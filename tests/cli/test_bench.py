"""The bench's instruments measure what they say, on servers whose behaviour is known."""

import os
import threading
import time

import msgspec
import pytest
import zmq

from streamrnn.bench.child import free_ports, samples
from streamrnn.bench.load import verify
from streamrnn.cli import bench
from streamrnn.errors import StreamrnnError

ANSWER = msgspec.json.encode({"time": 0, "forecasts": [1]})


@pytest.fixture
def server(tmp_path):
    """A function that starts a server which answers in order, after `pause(i)` seconds before message i."""
    stop, threads = threading.Event(), []
    context = zmq.Context()

    def start(pause, answer=ANSWER):
        pull, pub = context.socket(zmq.PULL), context.socket(zmq.PUB)
        ports = [each.bind_to_random_port("tcp://127.0.0.1") for each in (pull, pub)]

        def loop():
            i = 0
            while not stop.is_set():
                if pull.poll(20):
                    pull.recv()
                    time.sleep(pause(i))
                    pub.send_multipart([b"prediction/x/", answer])
                    i += 1
            pull.close()
            pub.close()

        threads.append(threading.Thread(target=loop))
        threads[0].start()
        return [f"tcp://127.0.0.1:{port}" for port in ports]

    yield start
    stop.set()
    for thread in threads:
        thread.join()
    context.term()


def test_a_stall_is_paid_for_by_every_message_it_delays(server):
    """At 200 a second a stall of half a second delays the next hundred, though each is served at once afterwards."""
    entry, out = server(lambda i: 0.5 if i == 100 else 0.0)
    with zmq.Context() as context, bench.client(context, entry, out, bench.single) as load:
        delay = load.open(1.0, 200.0)
    assert len(delay) == 200
    assert (delay > 0.1).sum() >= 75  # all that were due in its first four tenths of a second
    assert delay.max() > 0.45


def test_a_closed_loop_counts_every_answer(server):
    entry, out = server(lambda _: 0.002)
    with zmq.Context() as context, bench.client(context, entry, out, bench.single) as load:
        rate = load.closed(0.3, 10)
    assert 0 < rate.per_s <= 500
    assert rate.body == ANSWER


def test_who_does_not_answer_is_an_error(monkeypatch):
    monkeypatch.setattr("streamrnn.bench.load.PATIENCE", 0.3)
    entry, out = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    with (
        zmq.Context() as context,
        pytest.raises(StreamrnnError, match="no answer"),
        bench.client(context, entry, out, bench.single),
    ):
        pass


def test_the_bare_loop_answers_with_the_size_of_the_template(tmp_path):
    with (
        bench.bare(tmp_path, ANSWER, os.sched_getaffinity(0)) as (entry, out),
        zmq.Context() as context,
        bench.client(context, entry, out, bench.single) as load,
    ):
        rate = load.closed(0.2, 10)
    assert msgspec.json.decode(rate.body).keys() == msgspec.json.decode(ANSWER).keys()


def test_answers_that_are_not_learned_from_are_not_measured():
    for wrong in ({"forecasts": []}, {"forecasts": [1], "late": True}, {"forecasts": [1], "duplicate": True}):
        with pytest.raises(StreamrnnError):
            verify(msgspec.json.encode(wrong))
    verify(ANSWER)


def test_messages_are_observations_in_order_of_time():
    bodies = [msgspec.json.decode(bench.single(i)) for i in range(100)]
    assert len({body["stream"] for body in bodies}) == bench.STREAMS
    for stream in {body["stream"] for body in bodies}:
        times = [body["time"] for body in bodies if body["stream"] == stream]
        assert times == sorted(set(times))
    make = bench.columnar("msgpack")
    frames = [msgspec.msgpack.decode(make(i)) for i in (0, bench.STREAMS)]
    assert len(frames[0]["time"]) == len(frames[0]["values"]["x"]) == bench.FRAME
    assert frames[0]["time"] + frames[1]["time"] == sorted({*frames[0]["time"], *frames[1]["time"]})


def test_the_forms_do_not_share_streams():
    """A stream that had gone through its times before would only be told that it is late."""
    read = {"json": msgspec.json.decode, "msgpack": msgspec.msgpack.decode}
    streams = {form: {decode(bench.columnar(form)(i))["stream"] for i in range(50)} for form, decode in read.items()}
    assert len(streams["json"]) == len(streams["msgpack"]) == bench.STREAMS
    assert not streams["json"] & streams["msgpack"]


def test_late_answers_are_noticed(server):
    late = msgspec.json.encode({"forecasts": [1], "late": True})
    entry, out = server(lambda _: 0.0, late)
    with (
        zmq.Context() as context,
        pytest.raises(StreamrnnError, match="not the answer"),
        bench.client(context, entry, out, bench.single) as load,
    ):
        load.closed(1.0, 10)


def test_quantiles_of_the_daemons_histogram():
    def scrape(*counts):
        lines = [f'streamrnn_latency_seconds_bucket{{le="{le}"}} {n}' for le, n in counts]
        return "# TYPE streamrnn_latency_seconds histogram\n" + "\n".join(lines) + "\n"

    before = scrape(("0.001", 5), ("0.002", 5), ("+Inf", 5))
    after = scrape(("0.001", 65), ("0.002", 105), ("+Inf", 105))
    assert samples(after)["streamrnn_latency_seconds_bucket", (("le", "0.001"),)] == 65
    found = bench.quantiles(before, after)
    assert found["p50"] == pytest.approx(0.001 * 50 / 60)
    assert found["p99"] == pytest.approx(0.001 + 0.001 * 39 / 40)
