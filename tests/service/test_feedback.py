"""Feedback on alarms through the daemon: as a message and by an operator, journaled, and the same over a crash."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import Turned
from test_control import ask

from streamrnn.engine import engine
from streamrnn.messages import IGNORE
from streamrnn.service import build

Make = Callable[..., Turned]
MODEL = """
[model]
features = ["flow"]
preset = "light"
layers = [{{ kind = "elman", size = 4 }}]
experts = [{{ kind = "last" }}]
"""


@pytest.fixture
def serving(turned: Make, monkeypatch: pytest.MonkeyPatch) -> Turned:
    """A daemon with the real engine; its checkpoints are made by the test."""
    import conftest

    changed = conftest.CONFIG.replace('[model]\nfeatures = ["flow"]', MODEL.strip())
    monkeypatch.setattr(conftest, "CONFIG", changed)
    monkeypatch.setattr(build, "Engine", engine.Engine)
    return turned("checkpoint = 3600.0\n")


def fed(one: Turned, start: int, values: Any) -> None:
    """Values of stream a/b, ten minutes apart."""
    times = [1e9 + 600.0 * (start + i) for i in range(len(values))]
    one.peers.push.send_json({"stream": "a/b", "time": times, "values": {"flow": list(values)}})
    one.until(lambda: one.value("streamrnn_observations_learned_total") == start + len(values))


def spiky(n: int) -> Any:
    values = np.random.default_rng(1).normal(0, 1, n)
    values[300::300] = [80.0, 1e6, 80.0][: len(values[300::300])]
    return values.tolist()


def test_it_is_journaled_told_in_the_next_anomaly_and_the_same_over_a_crash(serving: Turned) -> None:
    one, values = serving, spiky(1000)
    subscriber = one.subscribed(b"anomaly/a%2Fb/")
    fed(one, 0, values[:400])
    first = one.received(subscriber)[1]
    assert (first["state"], first["event_id"], "feedback" in first) == ("open", "a/b/1", False)
    one.peers.push.send_json({"feedback": {"event_id": "a/b/1", "verdict": "false_alarm"}})
    one.until(lambda: one.value("streamrnn_feedback_total", "taken") == 1)
    said = ask(one, command="feedback", event_id="a/b/7", verdict="true_alarm")
    assert (said["ok"], said["taken"]) == (True, False)
    assert one.value("streamrnn_feedback_total", "unknown") == 1
    fed(one, 400, values[400:700])
    while (told := one.received(subscriber)[1])["time"] < 1e9 + 600.0 * 600:
        pass
    assert told["state"] == "open"
    assert told["feedback"] == {
        "event_id": "a/b/1", "verdict": "false_alarm", "alert_rate": 0.5, "ignored_until": None
    }  # fmt: skip
    until = str(1e9 + 600.0 * 950)
    assert ask(one, command="feedback", event_id=told["event_id"], verdict="ignore", until=until)["taken"]
    fed(one, 700, values[700:])
    outlook = one.daemon.parts.engine.outlook("a/b")
    assert f"a/b/{outlook.feedback_event[0]}" == told["event_id"]
    assert outlook.event[0] == outlook.feedback_event[0]  # the spike at 900 was none
    assert (outlook.feedback_verdict[0], outlook.alert_rate_halvings[0]) == (IGNORE, 2)
    assert outlook.ignored_until[0] == float(until)
    before = one.daemon.parts.engine.export("a/b")
    one.kill()
    one.start()
    assert one.daemon.parts.engine.export("a/b") == before
    one.stop()
    one.start()
    assert one.daemon.parts.engine.export("a/b") == before


def test_what_cannot_be_said_is_refused(serving: Turned) -> None:
    one = serving
    fed(one, 0, spiky(100))
    for asked in (
        {"event_id": "a/b/1", "verdict": "nonsense"},
        {"event_id": "a/b", "verdict": "false_alarm"},
        {"event_id": "a/b/1", "verdict": "ignore"},
        {"event_id": "a/b/1", "verdict": "true_alarm", "until": "5"},
        {"event_id": "a/b/1", "verdict": "ignore", "until": "soon"},
        {"event_id": "c/1", "verdict": "true_alarm"},
    ):
        said = ask(one, command="feedback", **asked)
        assert (said["ok"], bool(said["hint"])) == (False, True), asked
    assert one.daemon.parts.journal.last == 1
