"""Observations out of order through the whole daemon: answered in order, and over any number of crashes exactly so."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Turned

Make = Callable[..., Turned]
COUNT = 60


@pytest.fixture
def waiting(turned: Make, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a daemon with `model.lateness` 5."""
    import conftest

    monkeypatch.setattr(conftest, "CONFIG", conftest.CONFIG.replace("[[input]]", "lateness = 5.0\n[[input]]"))
    return turned


def observations(seed: int) -> list[dict[str, Any]]:
    """Two streams, each up to three seconds out of order; the value is the time."""
    chance = random.Random(seed)
    found = []
    for k in range(COUNT):
        time = 100.0 + k - chance.choice([0, 0, 1, 2, 3])
        found.append({"stream": chance.choice("ab"), "time": time, "values": {"flow": time}, "seq": k})
    return found


def applied(one: Turned) -> float:
    return one.value("streamrnn_observations_applied_total") + one.value("streamrnn_replayed_observations_total")


def feed(one: Turned, some: list[dict[str, Any]]) -> None:
    before = one.value("streamrnn_frames_received_total", one.daemon.endpoints[0])
    for each in some:
        one.peers.push.send_json(each)
    wanted = before + len(some)
    one.until(lambda: one.value("streamrnn_frames_received_total", one.daemon.endpoints[0]) == wanted)


def state(one: Turned) -> tuple[Any, ...]:
    engine, order = one.daemon.parts.engine, one.daemon.parts.reorder
    return {name: engine.export(name) for name in sorted(engine.names)}, [order.export(name) for name in "ab"]


def test_answers_come_in_order_and_what_is_held_waits(waiting: Make) -> None:
    one = waiting()
    sub = one.subscribed(b"prediction/")
    feed(one, [{"stream": "a", "time": t, "values": {"flow": t}} for t in (10.0, 12.0, 11.0, 20.0)])
    times = [one.received(sub)[1]["time"] for _ in range(3)]
    assert times == [10.0, 11.0, 12.0]
    one.daemon._chores.do(0.0)
    one.daemon.parts.telemetry._read()
    assert one.value("streamrnn_observations_held") == 1
    assert one.value("streamrnn_observations_reordered_total") == 1
    assert one.value("streamrnn_observations_applied_total") == 3


def test_a_turn_in_which_nothing_is_let_go_is_well(waiting: Make) -> None:
    one = waiting()
    feed(one, [{"stream": "a", "time": 10.0, "values": {"flow": 1.0}}])
    assert one.value("streamrnn_observations_applied_total") == 0
    assert one.daemon.parts.reorder.held == 1


@pytest.mark.parametrize("seed", range(6))
def test_after_crashes_and_stops_it_is_as_if_there_had_been_none(waiting: Make, seed: int) -> None:
    chance, sent = random.Random(seed), observations(seed)
    calm = waiting()
    feed(calm, sent)
    wanted = state(calm)
    calm.kill()
    for each in (calm.path / "state").iterdir():
        each.unlink()
    one = waiting()
    while sent:
        some, sent = sent[: (count := chance.randrange(1, 15))], sent[count:]
        feed(one, some)
        how = chance.choice(["kill", "stop", "part", "go on"])
        if how == "part":  # a round of a checkpoint, cut off after its first rows
            one.daemon.parts.checkpoint.write(one.daemon.parts.engine, one.daemon.parts.journal.last, 1)
        if how in ("kill", "part"):
            one.kill()
            one.start()
        elif how == "stop":
            one.stop()
            one.start()
    assert state(one) == wanted


def test_what_a_crash_held_up_is_answered_by_the_message_that_lets_it_go(waiting: Make) -> None:
    one = waiting()
    feed(one, [{"stream": "a", "time": t, "values": {"flow": t}} for t in (10.0, 9.0)])
    one.kill()
    one.start()
    sub = one.subscribed(b"prediction/")
    feed(one, [{"stream": "a", "time": 15.0, "values": {"flow": 1.0}}])
    told = [one.received(sub)[1] for _ in range(2)]
    assert [(each["time"], each["topic_seq"], each["lsn"]) for each in told] == [(9.0, 1, 3), (10.0, 2, 3)]


def test_a_forgotten_stream_and_one_that_is_reset_hold_nothing(waiting: Make) -> None:
    one = waiting()
    for name in "ab":
        feed(one, [{"stream": name, "time": 10.0, "values": {"flow": 1.0}}])
    one.daemon.parts.commands.order("forget", "a")
    one.daemon.parts.commands.order("reset", "b")
    assert one.daemon.parts.reorder.held == 0
    one.kill()
    one.start()
    assert one.daemon.parts.reorder.held == 0


def test_a_reload_takes_over_what_is_held(waiting: Make) -> None:
    one = waiting()
    feed(one, [{"stream": "a", "time": t, "values": {"flow": t}} for t in (10.0, 9.0)])
    one.file.write_text(one.file.read_text().replace("lateness = 5.0\n", ""))
    one.daemon.reload()
    assert one.value("streamrnn_config_reloads_total", "ok") == 1
    feed(one, [{"stream": "a", "time": 10.5, "values": {"flow": 1.0}}])
    assert one.value("streamrnn_observations_applied_total") == 3
    assert one.daemon.parts.reorder.held == 0
