"""Who is let in, and what is journaled of a frame that is let in partly."""

import json
from typing import Any

from fake import Engine

from streamrnn.service.ingest.admission import Admitted, admit, by_input
from streamrnn.service.streams.registry import Streams
from streamrnn.spec import Model
from streamrnn.wire import Decoder, Frame, Source


def admitted(capacity: int, *bodies: object) -> Admitted:
    frames = [Frame(0, 1000.0, b"", json.dumps(body).encode()) for body in bodies]
    decoded = Decoder(("flow",), "forecast", [Source()], 100).decode(frames)
    unused: Any = None
    return admit(Streams(Engine(Model(features=("flow",)), capacity), unused, unused, capacity, 0.0), frames, decoded)


def one(stream: str, flow: float = 1.0, **more: object) -> dict[str, object]:
    return {"stream": stream, "values": {"flow": flow}, **more}


def test_all_are_let_in() -> None:
    got = admitted(2, one("a"), one("b"), one("a"))
    assert got.batch.names == ["a", "b", "a"]
    assert got.frame == [0, 1, 2]
    assert len(got.frames) == 3
    assert got.refused == []


def test_several_runs_of_a_frame_share_its_journal_row() -> None:
    got = admitted(3, [one("a"), one("b")], one("c"))
    assert got.frame == [0, 0, 1]
    assert len(got.frames) == 2


def test_a_frame_without_an_accepted_observation_is_not_journaled() -> None:
    got = admitted(1, "nonsense", one("a"), one("b"))
    assert [json.loads(frame.body) for frame in got.frames] == [one("a")]
    assert [(refusal.reason, count) for _, refusal, count in got.refused] == [("malformed", 1), ("capacity", 1)]


def test_a_frame_is_let_in_partly() -> None:
    columns = {"stream": "b", "time": [1, 2, 3], "values": {"flow": [1.0, 2.0, 3.0]}}
    got = admitted(1, [one("a", 7.0, id="x"), one("b"), one("a", 8.0, id="y")], columns, one("a", 9.0))
    assert got.batch.names == ["a", "a", "a"]
    assert got.batch.values.ravel().tolist() == [7.0, 8.0, 9.0]
    assert got.batch.ids == {0: "x", 1: "y"}
    assert got.batch.lengths.tolist() == [1, 1, 1]
    assert got.frame == [0, 0, 1]
    assert len(got.frames) == 2
    assert [(refusal.reason, count) for _, refusal, count in got.refused] == [("capacity", 1), ("capacity", 3)]
    assert "limits.max_streams" in got.refused[0][1].detail


def test_frames_of_two_inputs_that_take_turns_are_counted_where_they_came_in() -> None:
    """A turn that goes on taking messages drains each input more than once."""
    frames = [Frame(origin, 0.0, b"", b"{}") for origin in (0, 1, 0)]
    decoded = Decoder(("flow",), "forecast", [Source(), Source()], 100).decode(frames)
    assert len(decoded.refusals) == 3
    assert by_input(frames, decoded) == ({0: 2, 1: 1}, {0: 2, 1: 1})


def test_what_is_about_a_stream_that_is_not_known_takes_no_row() -> None:
    words = [{"feedback": {"event_id": f"{stream}/1", "verdict": "true_alarm"}} for stream in "ab"]
    got = admitted(9, words[0], one("a"), *words)
    assert got.batch.names == ["a", "a", "a"]  # in one turn with its first observation
    assert [(refusal.reason, count) for _, refusal, count in got.refused] == [("unknown_stream", 1)]
