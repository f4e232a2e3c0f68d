"""What is known ahead, on its way in."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from streamrnn.cli.send import messages_of
from streamrnn.config import schema
from streamrnn.engine.reorder import Reorder
from streamrnn.messages import Batch, keep_runs
from streamrnn.recordings.rows import configured
from streamrnn.wire import Decoder, Frame, Source

FEATURES, COMING, STEPS = ("x", "w", "v"), ("w", "v"), 2


def decoder() -> Decoder:
    return Decoder(FEATURES, "forecast", [Source()], 100, False, COMING, STEPS)


def decoded(*messages: Any, encode: Any = msgspec.json.encode) -> Any:
    return decoder().decode([Frame(0, 5.0, b"", encode(message)) for message in messages])


def one(future: Any, **more: Any) -> dict[str, Any]:
    return {"stream": "a", "time": 1.0, "values": {"x": 1.0}, "future": future, **more}


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode])
def test_values_ahead_are_read_by_feature_and_step(encode: Any) -> None:
    found = decoded(one({"w": [1, None], "v": [3.5, 4]}), one({"v": [5, 6]}), {**one(None), "time": 2.0}, encode=encode)
    assert not found.refusals
    np.testing.assert_equal(found.batch.future, [[1, np.nan, 3.5, 4], [np.nan, np.nan, 5, 6], [np.nan] * 4])


def test_values_ahead_in_columns() -> None:
    columns = {"stream": "a", "time": [1, 2], "values": {"x": [1, 2]}, "future": {"v": [[1, 2], [3, None]]}}
    found = decoded(columns, one({"w": [7, 8]}, time=3.0))
    np.testing.assert_equal(
        found.batch.future, [[np.nan, np.nan, 1, 2], [np.nan, np.nan, 3, np.nan], [7, 8, np.nan, np.nan]]
    )


@pytest.mark.parametrize(
    ("future", "reason"),
    [
        ({"w": [1.0]}, "schema"),
        ({"w": [1.0, 2.0, 3.0]}, "schema"),
        ({"x": [1.0, 2.0]}, "unknown_feature"),
        ({"w": ["a", 2.0]}, "type"),
        ({"w": 1.0}, "type"),
        ({"w": [1e31, 1.0]}, "out_of_range"),
    ],
)
def test_what_cannot_be_ahead_is_refused_and_the_others_are_not(future: Any, reason: str) -> None:
    found = decoded(one({"w": [1, 2]}), one(future), one({"w": [3, 4]}))
    assert [refusal.reason for refusal in found.refusals] == [reason]
    assert found.batch.future[:, 0].tolist() == [1, 3]


def test_columns_of_another_length_are_refused() -> None:
    columns = {"stream": "a", "time": [1, 2], "values": {"x": [1, 2]}, "future": {"v": [[1, 2]]}}
    (refused,) = decoded(columns).refusals
    assert (refused.reason, "future.v" in refused.detail) == ("schema", True)


def test_a_model_that_knows_nothing_ahead_skips_it() -> None:
    found = Decoder(FEATURES, "forecast", [Source()], 100).decode([Frame(0, 5.0, b"", json.dumps(one([])).encode())])
    assert found.batch.future is None
    assert not found.refusals


def test_what_waits_for_older_observations_keeps_what_is_known_ahead() -> None:
    batch = decoded(*(one({"w": [float(t), 0]}, time=float(t)) for t in (1, 3, 2, 9))).batch
    reorder = Reorder(5.0)
    reorder.pass_on(keep_runs(batch, [True, True, False, False]), [1, 2])
    other = Reorder(5.0)
    other.restore("a", reorder.export("a"))
    passed, _ = other.pass_on(keep_runs(batch, [False, False, True, True]), [3, 4])
    assert passed.time.tolist() == passed.future[:, 0].tolist() == [1, 2, 3]


CONFIG = """
[model]
features = ["x", "w"]
targets = ["x"]
horizons = [1, 3]
feature = { w = { known_future = true } }
"""


def files(path: Path) -> list[Path]:
    table, lines = path / "a.csv", path / "a.ndjson"
    table.write_text("time,x,w,w+1,w+3\n1,1,2,3,4\n2,1,2,,5\n")
    lines.write_text(
        '{"time": 1, "values": {"x": 1, "w": 2}, "future": {"w": [3, 4]}}\n'
        '{"time": 2, "x": 1, "w": 2, "future": {"w": [null, 5]}}\n'
    )
    return [table, lines]


def test_files_have_it_in_columns_or_as_the_wire_form(tmp_path: Path) -> None:
    read = schema.parse(CONFIG)
    for file in files(tmp_path):
        rows = configured(file, read)
        (batch,) = rows.batches()
        np.testing.assert_equal(batch.future, [[3, 4], [np.nan, 5]])
        for frame in (1, 64):
            sent = [msgspec.json.encode(message) for message, _ in messages_of(batch, rows.features, frame, rows.ahead)]
            again: Batch = (
                Decoder(("x", "w"), "forecast", [Source()], 100, False, ("w",), 2)
                .decode([Frame(0, 5.0, b"", body) for body in sent])
                .batch
            )
            np.testing.assert_equal(again.future, batch.future)
