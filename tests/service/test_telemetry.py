"""The numbers, and the pages that show them."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from streamrnn import messages
from streamrnn.errors import StreamrnnError
from streamrnn.messages import EventHealth, Health
from streamrnn.service.operations import web as module
from streamrnn.service.operations.metrics import METRICS
from streamrnn.service.operations.telemetry import Telemetry
from streamrnn.service.operations.web import CONNECTIONS, Web
from tests.columns import outcomes


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(["tcp://a", "tcp://b"])


@pytest.fixture
def web(telemetry: Telemetry) -> Iterator[Web]:
    served = Web("127.0.0.1", 0, telemetry)
    yield served
    served.close()


def get(url: str, **headers: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def samples(web: Web) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(get(f"{web.address}/metrics")[2])
        for sample in family.samples
    }


def test_every_metric_is_scraped_under_its_name_and_nothing_else_of_ours(telemetry: Telemetry, web: Web) -> None:
    one = np.array([0.5])
    telemetry.health(Health((1,), one, one, one, one, one, one, one, 0.9))
    of_numbers = {name for name, _ in samples(web)}
    assert not any(name.startswith("streamrnn_event_") for name in of_numbers)
    telemetry.health(EventHealth(1.0, 1.5, 2.0, 0.5, 0.9, 0.0, 7, 0.5))
    seen = {name for name, _ in samples(web) if name.startswith("streamrnn_")}
    plain = {metric.name for metric in METRICS if metric.kind != "histogram"}
    parts = {f"{m.name}_{part}" for m in METRICS if m.kind == "histogram" for part in ("bucket", "count", "sum")}
    assert seen == plain | parts
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_the_process_and_python_are_there(web: Web) -> None:
    names = {name for name, _ in samples(web)}
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= names


def test_open_metrics_is_negotiated(web: Web) -> None:
    status, kind, text = get(f"{web.address}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert (status, kind.split(";")[0]) == (200, "application/openmetrics-text")
    assert "streamrnn_updates" in {family.name for family in open_families(text)}
    assert "_created" not in text


def test_what_was_lost_only_grows_however_large_the_gaps_are(telemetry: Telemetry) -> None:
    out = outcomes(4, 1, 1)
    out.sequence_gap[:] = [2**62, 2**62, 2**62, -5]
    telemetry.served(out, 0, 0.0)
    assert telemetry.value("streamrnn_observations_lost_total") == 3 * 2.0**62


def test_a_batch_is_counted_by_its_bits(telemetry: Telemetry, web: Web) -> None:
    out = outcomes(6, 1, 1)
    out.bits[:] = [
        messages.LEARNED | messages.UPDATED | messages.MISSING,
        messages.LEARNED | messages.OPENED | messages.ANOMALY,
        messages.LEARNED | messages.WORSENED | messages.SKIPPED,
        messages.LATE,
        messages.DUPLICATE | messages.CLOSED | messages.ROLLED_BACK,
        messages.UNMATCHED,
    ]
    out.severity[:] = [0, 1, 3, 0, 0, 0]
    out.sequence_gap[0] = 4
    telemetry.served(out, 8, 0.0015)
    telemetry.received({1: 3}, {1: 7}, 1234.5)
    got = samples(web)

    def value(name: str, **labels: str) -> float:
        return got[f"streamrnn_{name}", tuple(sorted(labels.items()))]

    assert value("observations_applied_total") == 6
    assert value("observations_learned_total") == 3
    assert value("observations_late_total") == value("observations_duplicate_total") == 1
    assert value("observations_with_missing_values_total") == 1
    assert value("observations_lost_total") == 4
    assert value("labels_late_total", result="unmatched") == 1
    assert value("labels_late_total", result="settled") == 0
    assert value("updates_total") == value("updates_skipped_total") == value("rollbacks_total") == 1
    assert [value("anomaly_events_total", severity=s) for s in ("minor", "major", "critical")] == [1, 0, 1]
    assert value("messages_published_total", kind="prediction") == 5
    assert value("messages_published_total", kind="anomaly") == 3
    assert value("latency_seconds_count") == 6
    assert value("latency_seconds_bucket", le="0.001") == 0
    assert value("latency_seconds_bucket", le="0.002") == value("latency_seconds_bucket", le="+Inf") == 6
    assert value("latency_seconds_sum") == pytest.approx(6 * 0.0015)
    assert value("batch_observations_sum") == 6
    assert value("frames_received_total", input="tcp://b") == 3
    assert value("observations_received_total", input="tcp://b") == 7
    assert value("observations_received_total", input="tcp://a") == 0
    assert value("last_observation_timestamp_seconds") == 1234.5


def test_a_value_on_a_bound_is_in_its_bucket(telemetry: Telemetry, web: Web) -> None:
    telemetry.observe("streamrnn_journal_commit_seconds", [0.001, 7.0])
    got = samples(web)
    assert got["streamrnn_journal_commit_seconds_bucket", (("le", "0.001"),)] == 1
    assert got["streamrnn_journal_commit_seconds_bucket", (("le", "5.0"),)] == 1
    assert got["streamrnn_journal_commit_seconds_count", ()] == 2


def test_what_is_not_known_yet_has_no_series(telemetry: Telemetry, web: Web) -> None:
    known, half = np.array([0.5, 0.25]), np.array([np.nan, -1.0])
    telemetry.health(Health((1, 6), known, half, known, known, known, known, known, 0.9))
    got = samples(web)
    assert got["streamrnn_forecast_skill_persistence_ratio", (("step", "6"),)] == -1.0
    assert ("streamrnn_forecast_skill_persistence_ratio", (("step", "1"),)) not in got


def test_inputs_that_stay_keep_their_counts(telemetry: Telemetry) -> None:
    telemetry.received({0: 5}, {0: 5}, 1.0)
    telemetry.listen_to(["tcp://c", "tcp://a"])
    telemetry.received({1: 1}, {1: 1}, 2.0)
    assert telemetry.value("streamrnn_frames_received_total", "tcp://a") == 6
    assert telemetry.value("streamrnn_frames_received_total", "tcp://c") == 0


def test_a_label_outside_the_closed_sets_is_a_bug(telemetry: Telemetry) -> None:
    with pytest.raises(KeyError):
        telemetry.count("streamrnn_observations_refused_total", 1, "whatever a sender wrote")


def test_ready_names_what_is_not(telemetry: Telemetry, web: Web) -> None:
    assert get(f"{web.address}/readyz")[0] == 503
    telemetry.checks = {"engine": True, "journal": False, "sockets": True}
    status, kind, text = get(f"{web.address}/readyz")
    assert (status, kind) == (503, "application/json")
    assert text == '{"ready": false, "checks": {"engine": true, "journal": false, "sockets": true}}\n'
    telemetry.checks["journal"] = True
    assert get(f"{web.address}/readyz")[0] == 200


def test_alive_while_the_loop_turns(telemetry: Telemetry, web: Web) -> None:
    assert get(f"{web.address}/healthz")[0] == 200
    telemetry.turned -= 31.0
    assert get(f"{web.address}/healthz")[0] == 503


def test_other_pages_and_verbs_are_refused(web: Web) -> None:
    assert get(f"{web.address}/etc/passwd")[0] == 404
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(urllib.request.Request(f"{web.address}/metrics", data=b"x"), timeout=5)


def test_clients_that_say_nothing_leave_when_they_go(web: Web) -> None:
    host, port = web.address.removeprefix("http://").split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(CONNECTIONS)]
    beyond = socket.create_connection((host, int(port)))
    beyond.settimeout(5)
    assert beyond.recv(1) == b""  # turned away
    for each in [*silent, beyond]:
        each.close()
    deadline = time.monotonic() + 10.0
    while True:
        try:
            assert get(f"{web.address}/healthz")[0] == 200
            return
        except (urllib.error.URLError, ConnectionError):  # their places are not free yet
            assert time.monotonic() < deadline


def test_a_connection_that_sends_a_byte_now_and_then_has_its_time_too(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.3)
    served = Web("127.0.0.1", 0, telemetry)
    host, port = served.address.removeprefix("http://").split(":")
    slow, deadline = socket.create_connection((host, int(port))), time.monotonic() + 10.0
    slow.settimeout(0.05)
    while True:  # each byte comes long before the limit of one read
        assert time.monotonic() < deadline
        try:
            slow.sendall(b"G")
            if slow.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    slow.close()
    served.close()


def test_a_port_that_is_taken(telemetry: Telemetry, web: Web) -> None:
    with pytest.raises(StreamrnnError, match="in use"):
        Web("127.0.0.1", int(web.address.rsplit(":", 1)[1]), telemetry)
