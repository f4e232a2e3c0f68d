"""`bench engine` measures the real engine and says what it measured."""

import os

from streamrnn.bench import engine


def test_every_figure_is_told_and_none_is_nonsense(monkeypatch):
    monkeypatch.setattr(engine, "SIZES", (4, 8))
    cores = os.sched_getaffinity(0)
    rows = {row.name: row.value for row in engine.measure(0.01, 50)}
    assert os.sched_getaffinity(0) == cores
    cells = {f"{kind}{size}.stride{stride}" for kind in ("gru", "lstm") for size in (4, 8) for stride in (16, 1)}
    assert {
        f"{cell}.{what}"
        for cell in cells
        for what in ("us", "engine.us", "gflops", "sgemm_fraction", "bytes_per_stream")
    } < set(rows)
    assert all(value is not None and value > 0 for value in rows.values())
    assert rows["gru8.stride1.bytes_per_stream"] > rows["gru4.stride1.bytes_per_stream"]
    assert {"gru16.streams1.obs_per_s", "gru16.streams50.obs_per_s", "gru32.one_call.us"} < set(rows)
