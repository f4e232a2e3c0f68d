"""The daemon over the fake engine and real sockets, journal and checkpoint; turned by hand."""

import json
import time
from collections.abc import Callable
from typing import Any

import fake
import pytest
import structlog
import zmq
from conftest import Turned

from streamrnn.errors import ConfigError, StorageError
from streamrnn.service import reload, startup, turn
from streamrnn.service.operations.systemd import ServiceManager
from streamrnn.wire import Frame

Make = Callable[..., Turned]


def last(turned: Turned, socket: zmq.Socket[bytes]) -> float:
    """The value the next prediction predicts."""
    topic, body = turned.received(socket)
    assert topic == "prediction/a/"
    return body["forecasts"][0]["yhat"]


def conserved(turned: Turned) -> float:
    """Observations received, which must be refused or applied."""
    received = turned.value("streamrnn_observations_received_total", f"ipc://{turned.path}/in")
    refused = sum(turned.daemon.parts.telemetry._values["streamrnn_observations_refused_total"].values())
    assert received == refused + turned.value("streamrnn_observations_applied_total")
    return received


def test_a_message_is_answered(turned: Make) -> None:
    one = turned()
    subscriber = one.subscribed(b"prediction/a/")
    one.send(4.5, time=1000, seq=7)
    topic, body = one.received(subscriber)
    assert topic == "prediction/a/"
    assert (body["stream"], body["seq"], body["topic_seq"], body["lsn"], body["time"]) == ("a", 1, 1, 1, 1000.0)
    assert body["forecasts"][0]["yhat"] == 4.5
    assert conserved(one) == 1
    assert one.value("streamrnn_frames_received_total", f"ipc://{one.path}/in") == 1


BAD: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b"not json", "malformed"),
    (b'{"stream": "a", "values"', "malformed"),
    (b"\xff\xfe\x00", "malformed"),
    (b"[" * 100_000, "malformed"),
    (b'{"stream": 7, "values": {"flow": 1}}', "type"),
    (b'{"stream": "a", "values": {"flow": "warm"}}', "type"),
    (b'{"stream": "a", "values": {"flow": NaN}}', "not_finite"),
    (b'{"stream": "a", "values": {"flow": 1e999}}', "out_of_range"),
    (b'{"stream": "a", "values": {"flow": 1e31}}', "out_of_range"),
    (b'{"stream": "a", "values": {"head": 1}}', "unknown_feature"),
    (b'{"stream": "a"}', "schema"),
    (b'{"stream": "", "values": {"flow": 1}}', "stream_name"),
    (b'{"stream": "a", "time": 1647774000000, "values": {"flow": 1}}', "time"),
    (b"[]", "empty"),
]


@pytest.mark.parametrize(("body", "reason"), BAD)
def test_bad_input_is_counted_told_and_followed_by_an_answer(turned: Make, body: bytes, reason: str) -> None:
    one = turned()
    letters, predictions = one.subscribed(b"deadletter/"), one.subscribed(b"prediction/")
    one.peers.push.send(body)
    topic, letter = one.received(letters)
    assert topic == "deadletter/"
    assert (letter["reason"], letter["size"]) == (reason, len(body))
    assert one.value("streamrnn_observations_refused_total", reason) == 1
    one.send(2.5)
    assert last(one, predictions) == 2.5
    assert conserved(one) == 2


def test_a_message_of_two_parts_is_told_too(turned: Make) -> None:
    one = turned()
    letters = one.subscribed(b"deadletter/")
    one.peers.push.send_multipart([b"one", b"two"])
    assert one.received(letters)[1]["reason"] == "malformed"
    assert conserved(one) == 1


def test_a_flood_of_new_names_is_refused_and_the_known_are_served(turned: Make) -> None:
    one = turned("[limits]\nmax_streams = 2\ndead_letters_per_second = 5\n")
    predictions = one.subscribed(b"prediction/a/")
    one.send(1.0)
    assert last(one, predictions) == 1.0
    for name in range(3000):
        one.peers.push.send_json({"stream": f"new-{name}", "values": {"flow": 1.0}})
    one.until(lambda: one.value("streamrnn_observations_refused_total", "capacity") == 2999)
    one.send(2.0)
    assert last(one, predictions) == 2.0
    assert one.value("streamrnn_dead_letters_suppressed_total") > 2900
    assert one.daemon.parts.journal.stats.rows == 3  # refused before the journal
    assert conserved(one) == 3002


def test_a_new_subscriber_gets_the_last_prediction_at_once_even_after_a_restart(turned: Make) -> None:
    one = turned()
    one.send(4.5, time=1000)
    one.until(lambda: one.value("streamrnn_observations_applied_total"))
    topic, body = one.received(one.subscribed(b"prediction/a/"))
    assert (topic, body["retained"], body["seq"], body["topic_seq"]) == ("prediction/a/", True, 1, 1)
    one.stop()
    one.start()
    topic, body = one.received(one.subscribed(b"prediction/a/"))
    assert (topic, body["retained"], body["seq"]) == ("prediction/a/", True, 1)
    assert body["forecasts"][0]["yhat"] == 4.5


def test_what_nobody_hears_is_not_written_and_counts_all_the_same(turned: Make) -> None:
    one = turned()
    written, encode = [0], one.daemon.parts.core.encoder.encode
    one.daemon.parts.core.encoder.encode = lambda *more: written.append(len(more[0])) or encode(*more)  # type: ignore[method-assign]
    one.send(1.5)
    one.peers.push.send_json({"stream": "a", "time": [1, 2], "values": {"flow": [2.5, 3.5]}})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 3)
    assert sum(written) == 0
    assert one.value("streamrnn_messages_published_total", "prediction") == 2
    subscriber = one.subscribed(b"prediction/a/")
    _, body = one.received(subscriber)
    assert (body["retained"], body["seq"], body["topic_seq"], body["lsn"]) == (True, 3, 2, 2)
    one.send(4.5)
    _, body = one.received(subscriber)
    assert (body["seq"], body["topic_seq"], body["lsn"]) == (4, 3, 3)
    assert sum(written) == 1
    subscriber.close()
    one.until(lambda: not one.daemon.parts.sockets.heard)
    assert one.value("streamrnn_messages_published_total", "prediction") == 3


def test_a_time_from_the_future_is_counted_and_answered(turned: Make) -> None:
    one = turned()
    subscriber = one.subscribed(b"prediction/a/")
    for ahead, count in ((60.0, 0), (3600.0, 1)):
        one.send(1.0, time=time.time() + ahead)
        assert "late" not in one.received(subscriber)[1]
        assert one.value("streamrnn_observations_future_total") == count


def test_a_name_with_slashes_has_a_last_value(turned: Make) -> None:
    one = turned()
    one.peers.push.send_json({"stream": "site/a%b", "values": {"flow": 4.5}})
    one.until(lambda: one.value("streamrnn_observations_applied_total"))
    topic, body = one.received(one.subscribed(b"prediction/site%2Fa%25b/"))
    assert (topic, body["stream"], body["retained"]) == ("prediction/site%2Fa%25b/", "site/a%b", True)


def test_a_prefix_subscriber_gets_the_status_if_it_is_among_it_and_else_nothing(turned: Make) -> None:
    one = turned()
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total"))
    everything, prefix = one.subscribed(b""), one.subscribed(b"prediction/")
    topic, body = one.received(everything)
    assert (topic, body["state"], body["retained"], body["topic_seq"]) == ("status/", "started", True, 1)
    one.send(2.0)
    assert last(one, prefix) == 2.0


def test_a_clean_stop_leaves_nothing_to_replay_and_resumes(turned: Make) -> None:
    one = turned()
    status = one.subscribed(b"status/")
    one.received(status)
    for flow in (1.0, 2.0):
        one.send(flow, time=1000 + flow)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 2)
    one.daemon.stop()
    one.daemon.run()
    assert status.poll(5000)
    body = json.loads(status.recv_multipart()[1])
    assert (body["state"], body["lsn"], body["streams"]) == ("stopping", 2, 1)
    one.peers.close()
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 0
    predictions = one.subscribed(b"prediction/")
    one.send(3.0, time=1003)
    body = one.received(predictions)[1]
    assert (body["seq"], body["lsn"]) == (3, 3)
    assert "replayed" not in body


def test_after_a_kill_the_journal_is_replayed_and_what_may_be_unsent_is_sent_again(turned: Make) -> None:
    one = turned()
    predictions = one.subscribed(b"prediction/")
    for flow in (1.0, 2.0, 3.0):
        one.send(flow, time=1000 + flow, seq=int(flow))
        assert last(one, predictions) == flow
    one.kill()
    one.peers.endpoints = [f"ipc://{one.path}/in", f"ipc://{one.path}/out"]
    one.peers.context = zmq.Context()
    early = one.peers.subscribing(b"prediction/", b"status/")  # reconnects as soon as there is a socket
    startup.SUBSCRIBERS = 0.5
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 3
    told = [one.received(early) for _ in range(3)]
    assert [(topic, body.get("state"), body.get("seq"), body.get("replayed")) for topic, body in told] == [
        ("status/", "replaying", None, None),
        ("prediction/a/", None, 3, True),  # sent, but the mark of it was to come with the next batch
        ("status/", "started", None, None),
    ]
    early.context.destroy(linger=0)
    again = one.subscribed(b"prediction/")
    one.send(3.0, time=1003, seq=3)
    body = one.received(again)[1]
    assert (body["seq"], body["duplicate"]) == (3, True)


def test_a_kill_behind_a_checkpoint_replays_only_what_came_after(turned: Make) -> None:
    one = turned("checkpoint = 0.05\n")  # in [state], which comes last
    one.send(1.0, seq=1)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    one.until(lambda: one.daemon.parts.checkpoint.floor == 1)
    one.file.write_text(one.file.read_text().replace("checkpoint = 0.05", "checkpoint = 3600.0"))
    one.kill()
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 0
    one.send(2.0, seq=2)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    one.kill()
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 1
    assert one.daemon.parts.engine.outlook("a").seq[0] == 2


def test_what_a_stored_row_already_holds_is_passed_over_in_the_replay(turned: Make) -> None:
    one = turned()
    for stream in "abab":
        one.peers.push.send_json({"stream": stream, "values": {"flow": 1.0}})  # without seq: twice would show
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 4)
    assert one.daemon.parts.checkpoint.write(
        one.daemon.parts.engine, 4, limit_bytes=1
    )  # one row of two: the floor stays
    one.peers.push.send_json({"stream": "a", "values": {"flow": 1.0}})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 5)
    one.kill()
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 3
    assert [one.daemon.parts.engine.outlook(stream).seq[0] for stream in "ab"] == [3, 2]


def test_frames_of_an_input_that_is_gone_are_still_replayed(turned: Make) -> None:
    one = turned()
    replaced(one, "[output]", f'[[input]]\nendpoint = "ipc://{one.path}/second"\n[output]')
    one.kill()
    one.start()
    one.peers.endpoints = one.daemon.endpoints[1:]
    push = one.peers.pushing()
    push.send_json({"stream": "a", "values": {"flow": 1.0}})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    replaced(one, f'[[input]]\nendpoint = "ipc://{one.path}/second"\n', "")
    one.kill()
    one.start()
    assert one.daemon.parts.engine.outlook("a").seq[0] == 1


def test_an_error_of_ours_ends_the_daemon_and_keeps_what_was_received(turned: Make) -> None:
    one = turned()
    one.send(-999.0)
    with pytest.raises(ZeroDivisionError):
        one.until(lambda: False)
    assert one.daemon.parts.journal.stats.rows == 1


def test_a_disk_that_refuses_ends_the_daemon_before_anything_is_answered(
    turned: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = turned()

    def full(*_: object) -> list[int]:
        raise StorageError("disk full")

    monkeypatch.setattr(one.daemon.parts.journal, "append", full)
    one.send(1.0)
    with pytest.raises(StorageError):
        one.until(lambda: False)
    assert one.value("streamrnn_observations_applied_total") == 0


def test_damaged_streams_begin_anew_and_are_counted(turned: Callable[..., Turned]) -> None:
    """Those that are found at the start, and one that rests until it is heard."""
    one = turned("[limits]\nmax_streams = 4\nresident_streams = 2\nmax_observations = 2\n")
    for name in ("a", "b", "c", "d"):
        one.send(1.0, stream=name)
        one.until(lambda name=name: one.daemon.parts.streams.known(name))
    one.daemon.parts.checkpoint.finish(one.daemon.parts.engine, one.daemon.parts.journal.last)
    with one.daemon.parts.store.writing() as connection:
        connection.execute("UPDATE state SET blob = x'00' WHERE stream IN ('a', 'b')")
    one.send(2.0, stream="a")
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 5)
    one.daemon.parts.telemetry._read()
    assert one.daemon.parts.engine.outlook("a").seq[0] == 1
    assert one.value("streamrnn_streams_brought_back_total") == 1
    assert one.value("streamrnn_streams_damaged_total") == 1
    one.kill()
    one.start()
    one.daemon.parts.telemetry._read()
    assert one.value("streamrnn_streams_damaged_total") == 2
    assert not one.daemon.parts.streams.known("b")
    assert one.daemon.parts.engine.outlook("a").seq[0] == 1  # what the journal had of it since


@pytest.mark.parametrize("build", ["fake", "newer"])
def test_a_state_of_another_build_is_let_in_and_said(
    turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch, build: str
) -> None:
    one = turned()
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total"))
    one.stop()
    monkeypatch.setattr(fake.Engine, "kernel_digest", build)
    with structlog.testing.capture_logs() as told:
        one.start()
    assert one.daemon.parts.engine.outlook("a").seq[0] == 1
    said = [(each["written"], each["now"]) for each in told if each["event"] == "state of another build"]
    assert said == ([("fake", "newer")] if build == "newer" else [])


def test_a_replay_asks_for_more_time(turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch) -> None:
    one = turned("checkpoint = 3600.0\n")
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total"))
    one.kill()
    said: list[str] = []
    monkeypatch.setattr(ServiceManager, "tell", lambda _, *lines: said.extend(lines))
    one.start()
    assert said.index("EXTEND_TIMEOUT_USEC=60000000") < said.index("READY=1")
    assert "STATUS=replayed 1" in said


def test_the_gauges_are_set_at_a_scrape(turned: Make) -> None:
    one = turned()
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total"))
    telemetry = one.daemon.parts.telemetry
    assert {metric.name for metric in telemetry.collect() if metric.name.startswith("streamrnn_")}
    assert one.value("streamrnn_streams") == 1
    assert one.value("streamrnn_streams_limit") == 1000
    assert one.value("streamrnn_state_bytes") == 100
    assert one.value("streamrnn_journal_rows") == 1
    assert one.value("streamrnn_ready") == 1
    assert one.value("streamrnn_interval_level_ratio") == 0.9
    assert one.value("streamrnn_forecast_error_ratio", "1") == 0.5


def test_an_endpoint_that_cannot_be_opened_leaves_nothing_behind(turned: Make) -> None:
    with pytest.raises(ConfigError):
        turned('[[input]]\nendpoint = "ipc:///no/such/directory/in"\n')
    assert turned().daemon.endpoints  # the state directory is free again


def replaced(one: Turned, before: str, after: str) -> None:
    text = one.file.read_text()
    assert before in text
    one.file.write_text(text.replace(before, after))


def reloaded(one: Turned) -> dict[str, Any]:
    """Reload, and what the status says of it."""
    status = one.subscribed(b"status/")
    one.received(status)
    one.daemon.reload()
    return one.received(status)[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('features = ["flow"]', 'features = ["flow"'),
        ('features = ["flow"]', 'features = ["flow"]\nunknown = 1'),
        ('features = ["flow"]', 'features = ["flow"]\nseed = 666'),
        ("/in", "/no/such/directory/in"),
    ],
)
def test_a_bad_file_changes_nothing_and_is_told(turned: Make, before: str, after: str) -> None:
    one = turned()
    predictions = one.subscribed(b"prediction/a/")
    config = one.daemon.parts.config
    replaced(one, before, after)
    told = reloaded(one)
    assert told["state"] == "reload_refused"
    assert told["error"]
    assert one.daemon.parts.config is config
    assert one.value("streamrnn_config_reloads_total", "refused") == 1
    assert one.value("streamrnn_config_last_reload_successful") == 0
    one.peers.push.close()
    one.peers.push = one.peers.pushing()
    one.send(2.5)
    assert last(one, predictions) == 2.5


def test_a_model_too_large_for_the_memory_is_refused_and_the_daemon_lives(
    turned: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(capacity: int, horizons: int) -> None:
        if capacity * horizons > 1_000_000:
            raise MemoryError

    monkeypatch.setattr(fake, "allocate", allocate)
    one = turned()
    predictions = one.subscribed(b"prediction/a/")
    replaced(one, 'features = ["flow"]', 'features = ["flow"]\nhorizons = [1, 4096]')
    one.file.write_text(one.file.read_text() + "[limits]\nmax_streams = 1000000\n")
    told = reloaded(one)
    assert told["state"] == "reload_refused"
    assert "memory" in told["error"]
    one.send(2.5)
    assert last(one, predictions) == 2.5
    one.stop()
    with pytest.raises(ConfigError, match="memory"):
        one.start()


def test_another_model_keeps_the_state_that_fits_and_says_what_it_dropped(turned: Make) -> None:
    one = turned()
    one.send(4.5, seq=3)
    one.until(lambda: one.value("streamrnn_observations_applied_total"))
    replaced(one, 'features = ["flow"]', 'features = ["head"]')
    told = reloaded(one)
    assert (told["state"], told["dropped"]) == ("reloaded", ["flow"])
    assert one.value("streamrnn_config_last_reload_successful") == 1
    predictions = one.subscribed(b"prediction/a/")
    assert one.received(predictions)[1]["seq"] == 1  # retained
    one.peers.push.send_json({"stream": "a", "values": {"head": 7.0}, "seq": 4})
    body = one.received(predictions)[1]
    assert (body["seq"], body["forecasts"][0]["target"], body["forecasts"][0]["yhat"]) == (2, "head", 7.0)
    one.kill()
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 1
    assert one.daemon.parts.engine.outlook("a").seq[0] == 2


@pytest.mark.parametrize("what", ["model", "format"])
def test_a_reload_numbers_the_messages_on(turned: Make, what: str) -> None:
    one = turned()
    predictions, letters = one.subscribed(b"prediction/a/"), one.subscribed(b"deadletter/")
    for k in (1, 2):
        one.send(1.0)
        assert one.received(predictions)[1]["topic_seq"] == k
        one.peers.push.send(b"")
        assert one.received(letters)[1]["topic_seq"] == k
    if what == "format":  # another format and back, so that a test of JSON can read it
        replaced(one, "[output]", '[output]\nformat = "msgpack"')
        one.daemon.reload()
        replaced(one, '\nformat = "msgpack"', "")
        one.daemon.reload()
    else:
        replaced(one, 'features = ["flow"]', 'features = ["flow"]\nseed = 2')
        one.daemon.reload()
    assert one.value("streamrnn_config_reloads_total", "ok") >= 1
    one.send(1.0)
    assert one.received(predictions)[1]["topic_seq"] == 3
    one.peers.push.send(b"")
    assert one.received(letters)[1]["topic_seq"] == 3


def test_another_input_is_listened_to(turned: Make) -> None:
    one = turned()
    predictions = one.subscribed(b"prediction/a/")
    replaced(one, "/in", "/other")
    assert reloaded(one)["state"] == "reloaded"
    one.peers.endpoints = one.daemon.endpoints
    one.peers.push.close()
    one.peers.push = one.peers.pushing()
    one.send(2.5)
    assert last(one, predictions) == 2.5
    assert one.value("streamrnn_frames_received_total", f"ipc://{one.path}/other") == 1


def test_limits_change_without_losing_a_stream(turned: Make) -> None:
    one = turned("[limits]\nmax_streams = 1\n")
    one.send(1.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total"))
    replaced(one, "max_streams = 1", "max_streams = 2\ndead_letters_per_second = 7")
    assert reloaded(one)["dropped"] == []
    one.peers.push.send_json({"stream": "b", "values": {"flow": 1.0}})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 2)
    assert one.daemon.parts.dead_letters.rate == 7
    replaced(one, "max_streams = 2", "max_streams = 1")
    assert "below the 2 streams" in reloaded(one)["error"]


def second(one: Turned) -> zmq.Socket[bytes]:
    """A PUSH to a second input, which is added; its connection has been seen."""
    replaced(one, "[output]", f'[[input]]\nendpoint = "ipc://{one.path}/second"\n[output]')
    one.daemon.reload()
    one.peers.endpoints = one.daemon.endpoints[1:]
    push = one.peers.pushing()
    push.send(b"")
    one.until(lambda: one.value("streamrnn_frames_received_total", f"ipc://{one.path}/second") == 1)
    return push


def waiting(one: Turned, origin: int) -> bool:
    return bool(one.daemon.parts.sockets.ports[origin].socket.poll(10_000))


def test_an_input_goes_while_a_message_of_many_parts_and_a_good_one_wait_in_it(turned: Make) -> None:
    one = turned()
    push = second(one)
    letters = one.subscribed(b"deadletter/")
    push.send_multipart([b"one", b"two", b"three"])
    push.send_json({"stream": "a", "values": {"flow": 1.0}})
    assert waiting(one, 1)
    replaced(one, f'[[input]]\nendpoint = "ipc://{one.path}/second"\n', "")
    one.daemon.reload()
    assert len(one.daemon.endpoints) == 2
    assert one.received(letters)[1]["input"] == 1
    assert one.value("streamrnn_frames_received_total", f"ipc://{one.path}/second") == 3
    assert one.value("streamrnn_observations_applied_total") == 1
    one.until(lambda: True)


def test_a_message_of_many_parts_that_was_taken_before_the_reload_is_its_inputs(turned: Make) -> None:
    one = turned()
    push = second(one)
    push.send_multipart([b"one", b"two"])
    assert waiting(one, 1)
    while not one.daemon.parts.sockets.malformed:
        one.daemon.parts.sockets.poll(0.01)
    replaced(one, f'[[input]]\nendpoint = "ipc://{one.path}/second"\n', "")
    one.daemon.reload()
    one.until(lambda: not one.daemon.parts.sockets.malformed)
    assert one.value("streamrnn_frames_received_total", f"ipc://{one.path}/second") == 2


def test_a_refused_reload_loses_nothing_that_waits(turned: Make) -> None:
    one = turned()
    one.send(0.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    for k in range(1, 6):
        one.send(float(k))
    assert waiting(one, 0)
    replaced(one, "/in", "/no/such/directory/in")
    one.daemon.reload()
    assert one.value("streamrnn_config_reloads_total", "refused") == 1
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 6)


@pytest.mark.parametrize(("laden", "taken"), [(False, 4), (True, 2)])
def test_a_turn_that_has_large_frames_gathers_no_more(
    turned: Make, monkeypatch: pytest.MonkeyPatch, laden: bool, taken: int
) -> None:
    """However long a commit takes, and however small the frames are that come meanwhile; what it leaves is told."""
    daemon = turned("[limits]\nmax_batch = 3\n").daemon

    def poll(timeout: float) -> list[Frame]:
        daemon.parts.sockets._receiver.laden = laden
        return 2 * [Frame(0, 1.0, b"", b"{}")]

    monkeypatch.setattr(daemon.parts.sockets, "poll", poll)
    daemon.parts.store.commit_seconds = 1e9
    assert len(turn.gather(daemon.parts, 0.0)) == taken
    daemon._chores.tend(taken)
    assert daemon.parts.telemetry.value("streamrnn_queue_frames") == (3 if laden else 4)


def test_what_was_left_is_served_in_batches_of_the_usual_size(turned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = turned("[limits]\nmax_batch = 2\n")
    sizes: list[int] = []
    served = turn.serve
    monkeypatch.setattr(reload, "serve", lambda parts, frames: (sizes.append(len(frames)), served(parts, frames)))
    one.send(0.0)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    for k in range(1, 6):
        one.send(float(k))
    while len(one.daemon.parts.sockets.left) < 5 and one.daemon.parts.sockets.ports[0].socket.poll(10_000):
        one.daemon.parts.sockets._take([])
    replaced(one, "/in", "/other")
    one.daemon.reload()
    assert sizes == [2, 2, 1]
    assert one.value("streamrnn_observations_applied_total") == 6


def test_what_cannot_change_while_running_is_told(turned: Make) -> None:
    one = turned()
    replaced(one, "port = 0", "port = 1")
    assert reloaded(one)["at_next_start"] == ["metrics"]
