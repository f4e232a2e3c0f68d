"""Dead letters: counted in full, sent at a bounded rate."""

import pytest

from streamrnn.service.operations.telemetry import Telemetry
from streamrnn.service.publish.dead_letters import DeadLetters
from streamrnn.wire import Encoder, Forecasts, Refusal

REFUSED = [(0, Refusal(0, "malformed", "no", b"x"), 1)] * 30


def letters(rate: float) -> tuple[DeadLetters, Telemetry]:
    telemetry = Telemetry(["a"])
    return DeadLetters(rate, Encoder(Forecasts(("flow",), (1,), 0.9, ("residual",), False)), telemetry), telemetry


def test_a_flood_is_cut_to_its_rate_and_counted_in_full() -> None:
    box, telemetry = letters(10.0)
    sent = [len(box.write(REFUSED, now)) for now in (1000.0, 1000.0, 1000.5, 1060.0)]
    assert sent == [10, 0, 5, 10]
    assert telemetry.value("streamrnn_observations_refused_total", "malformed") == 120
    assert telemetry.value("streamrnn_dead_letters_suppressed_total") == 95
    assert telemetry.value("streamrnn_messages_published_total", "deadletter") == 25


def test_a_rate_below_one_still_sends_one() -> None:
    box, _ = letters(0.1)
    assert [len(box.write(REFUSED[:1], now)) for now in (1000.0, 1001.0, 1011.0)] == [1, 0, 1]


def test_rate_zero_sends_none() -> None:
    box, telemetry = letters(0.0)
    assert box.write(REFUSED, 1000.0) == []
    assert telemetry.value("streamrnn_dead_letters_suppressed_total") == 30


def test_a_refused_run_counts_its_observations() -> None:
    box, telemetry = letters(10.0)
    box.write([(0, Refusal(0, "capacity", "full", b"x"), 64)], 1000.0)
    assert telemetry.value("streamrnn_observations_refused_total", "capacity") == 64


def test_the_log_gets_one_line_in_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    from streamrnn.service.operations import logs

    logs.configure("info")
    box, _ = letters(10.0)
    for now in (1000.0, 1001.0, 1009.0, 1011.0, 1030.0):
        if now < 1030.0:
            box.write(REFUSED, now)
        box.sum_up(now)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert '"malformed": 30' in lines[0]
    assert '"malformed": 90' in lines[1]
