"""New streams that begin with what a trained one has learned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.cli.check import describe
from streamrnn.config import resources as files
from streamrnn.config import schema
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from streamrnn.model.prior import Prior
from tests.engine.feed import feed, same, tiny, weights

MODEL = tiny(experts=(spec.Last(), spec.Profile(), spec.Linear("lags", lags=6)), layers=(spec.Gru(8),), horizons=(1, 2))


def series(n: int, seed: int, scale: float) -> Any:
    """A damped oscillation that noise keeps going, in units of its own."""
    random, x = np.random.default_rng(seed), np.zeros(n)
    for t in range(2, n):
        x[t] = 1.8 * x[t - 1] - 0.95 * x[t - 2] + random.normal(0, 1)
    return 7.0 * scale + scale * x


def trained(scale: float = 1.0) -> Prior:
    engine = Engine(MODEL, 1)
    feed(engine, series(1500, 1, scale))
    return Prior("a", engine.layout, engine.export("a"))


def error(engine: Engine, scale: float, n: int = 60) -> float:
    values = series(200, 2, scale)[50 : 50 + n]
    told = feed(engine, values, "new")
    return float(np.abs(told.expected[10:, 0] - values[10:]).mean()) / scale


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_a_new_stream_predicts_better_from_the_start_in_any_unit(scale: float) -> None:
    with_, without = error(Engine(MODEL, 1, prior=trained()), scale), error(Engine(MODEL, 1), scale)
    assert with_ < 0.8 * without


def test_a_stream_still_depends_on_its_own_messages_alone() -> None:
    given = trained()
    alone, beside = Engine(MODEL, 1, prior=given), Engine(MODEL, 3, prior=given)
    feed(beside, series(300, 3, 5.0), "x")
    values = series(200, 2, 1.0)
    same(feed(alone, values, "b"), feed(beside, values, "b"))
    beside.forget("x")
    same(feed(Engine(MODEL, 1, prior=given), values, "c"), feed(beside, values, "c"))
    assert beside.reset("b")
    same(feed(alone, values, "d") if alone.forget("b") is not None else None, feed(beside, values, "b"))


def test_a_new_stream_begins_with_the_weights_of_the_prior() -> None:
    engine = Engine(MODEL, 2)
    feed(engine, series(500, 1, 1.0))
    new = Engine(MODEL, 2, prior=Prior("a", engine.layout, engine.export("a")))
    new.admit(["n"])
    assert weights(new, "n").tobytes() == weights(engine, "a").tobytes()


def test_a_prior_of_another_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="prior"):
        Engine(tiny(layers=(spec.Gru(9),)), 1, prior=trained())
    with pytest.raises(ConfigError, match="pooled"):
        Engine(tiny(weights="pooled", prior="x"), 1)


def test_check_finds_a_prior_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.prior"
    files.write(path, trained())
    text = '[model]\nfeatures = ["x"]\nlayers = [{{ kind = "gru", size = {} }}]\nhorizons = [1, 2]\nprior = "{}"\n'
    text += (
        'experts = [{{ kind = "last" }}, {{ kind = "profile" }}, {{ kind = "linear", inputs = "lags", lags = 6 }}]\n'
    )
    text += 'monitors = [{{ kind = "conformal" }}, {{ kind = "anomaly", warmup = 100 }}, {{ kind = "residual" }}]\n'
    text += 'rule = {{ kind = "tbptt", window = 4, stride = 2 }}\n'
    assert describe(schema.parse(text.format(8, path)))["memory"]
    with pytest.raises(ConfigError, match="prior"):
        describe(schema.parse(text.format(9, path)))


def test_the_file_of_a_prior(tmp_path: Path) -> None:
    path, given = tmp_path / "a.prior", trained()
    files.write(path, given)
    found, digest = files.prior(str(path))
    assert found == given
    assert files.prior("") == (None, "")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match="damaged"):
        files.prior(str(path))
    for content in (b"", b"\x93\x01"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="no prior"):
            files.prior(str(path))
    with pytest.raises(ConfigError, match="cannot read"):
        files.prior(str(tmp_path / "none"))
    assert len(digest) == 8
