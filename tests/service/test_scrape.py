"""The metrics page under many streams and many who hold it up."""

import socket
import time
import urllib.request
from collections.abc import Callable

import pytest
from conftest import Turned
from prometheus_client.exposition import generate_latest

from streamrnn.config import schema
from streamrnn.engine.engine import Engine
from streamrnn.service.operations import web
from streamrnn.service.operations.telemetry import Telemetry
from streamrnn.service.operations.web import CONNECTIONS, SECONDS
from tests.columns import batch_of

MOST_SERIES, MOST_SECONDS = 1500, 0.05  # a scrape


def series(page: str) -> int:
    return sum(not line.startswith("#") for line in page.splitlines())


def scrape(address: str) -> str:
    with urllib.request.urlopen(f"{address}/metrics", timeout=SECONDS) as answer:
        return answer.read().decode()


def test_streams_and_odd_messages_add_no_series(turned: Callable[..., Turned]) -> None:
    one = turned("[limits]\nmax_streams = 3000\n")
    before = series(scrape(one.daemon.started.metrics))
    many = [{"stream": f"s{k}", "values": {"flow": 1.0}} for k in range(2000)]
    one.peers.push.send_json(many)
    for odd in (b"{", b'{"stream": "x"}', b'{"stream": "x", "values": {"other": 1}}', b"\xff" * 100):
        one.peers.push.send(odd)
    one.until(lambda: one.value("streamrnn_observations_refused_total", "malformed") == 2)
    after = scrape(one.daemon.started.metrics)
    assert one.daemon.parts.engine.streams == 2000
    assert before - 20 <= series(after) <= before + 20 < MOST_SERIES  # the quality of forecasts, which is known by then
    assert "s1999" not in after


def test_two_hundred_who_hold_the_page_up_hold_up_nothing_else(
    turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slowloris: requests that are begun and never ended."""
    monkeypatch.setattr(web._Page, "timeout", 1.0)
    one = turned()
    host, _, port = one.daemon.started.metrics.removeprefix("http://").rpartition(":")
    crowd = []
    try:
        for _ in range(200):
            each = socket.create_connection((host, int(port)), timeout=SECONDS)
            crowd.append(each)
            each.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        listener = one.subscribed(b"prediction/a/")
        for k in range(50):
            one.send(float(k))
            assert one.received(listener)[1]["seq"] == k + 1
        ended = 0
        for each in crowd:
            each.settimeout(0.05 if ended < len(crowd) - CONNECTIONS else 0.0)
            try:
                ended += each.recv(1) == b""
            except ConnectionError:
                ended += 1
            except (TimeoutError, BlockingIOError):
                pass
        assert ended >= len(crowd) - CONNECTIONS
    finally:
        for each in crowd:
            each.close()
    deadline = time.monotonic() + 2 * SECONDS
    while True:
        try:
            assert "streamrnn_ready" in scrape(one.daemon.started.metrics)
            return
        except OSError:  # the last of them are still let go of
            assert time.monotonic() < deadline


@pytest.mark.long
def test_a_scrape_of_fifty_thousand_streams() -> None:
    text = '[model]\nfeatures = ["x"]\npreset = "light"\nlayers = [{kind = "gru", size = 4}]\n'
    engine = Engine(schema.parse(text).model, 50_000)
    names = [f"s{k}" for k in range(50_000)]
    for turn in range(3):
        engine.step(batch_of([(name, 60.0 * turn) for name in names]), engine.admit(names))
    telemetry = Telemetry(["tcp://127.0.0.1:5555"])
    telemetry.measure_with(lambda: telemetry.health(engine.health()))
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        page = generate_latest(telemetry.registry).decode()
        seconds.append(time.perf_counter() - began)
    print(f"{series(page)} series, {1000 * min(seconds):.1f} ms")
    assert series(page) <= MOST_SERIES
    assert min(seconds) <= MOST_SECONDS
