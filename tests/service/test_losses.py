"""A model that would lose something learned is refused, in words; what is added, or given up by a preset, is not."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from released import GOLDEN, turned, unpack
from typer.testing import CliRunner

from streamrnn import cli, spec
from streamrnn.config.schema import parse
from streamrnn.engine.bank import layout_of
from streamrnn.engine.tasks import compose
from streamrnn.errors import ConfigError
from streamrnn.model import loss, presets
from streamrnn.service.inspect import opened
from streamrnn.service.recovery import losses

CASE = GOLDEN / "0.1.0" / "forecast"
BASE = spec.Model(features=("x", "y"), layers=(spec.Gru(3),), horizons=(1, 3), experts=(spec.Last(), spec.Seasonal()))

LOST: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a horizon": ({"horizons": (1,)}, {"horizon 3"}),
    "another horizon": ({"horizons": (1, 4)}, {"horizon 3"}),
    "an expert": ({"experts": (spec.Last(), spec.Level())}, {"expert seasonal(season=1)"}),
    "a target": ({"targets": ("x",)}, {"target y"}),
    "a feature": ({"features": ("x",)}, {"feature y", "target y"}),
    "a layer": ({"layers": (spec.Gru(4),)}, {"the network"}),
    "a head": ({"head": spec.Student()}, {"the outputs of the network"}),
    "a level": ({"monitors": (spec.Conformal(0.8),)}, {"the intervals of level 0.9"}),
    "a monitor": ({"monitors": (spec.Mean(0.5),)}, {"monitor mean(rate=0.001)", "monitor hours(bins=24, rate=0.02)"}),
}
KEPT: dict[str, dict[str, Any]] = {
    "one more horizon": {"horizons": (1, 2, 3)},
    "one more expert": {"experts": (spec.Last(), spec.Seasonal(), spec.Change())},
    "one more feature": {"features": ("x", "y", "z"), "targets": ("x", "y")},
    "another optimiser": {"optimiser": spec.Sgd()},
    "another rule": {"rule": spec.Tbptt(8, 2)},
    "a rate": {"optimiser": spec.Adam(rate=0.1), "scale_rate": 0.01},
    "drift": {"drift": spec.Drift()},
}


def lost(before: spec.Model, after: spec.Model) -> loss.Loss:
    """What rows of one model would lose in another."""
    written = json.loads(json.dumps({"preset": before.preset, "task": before.task, "experts": before.experts and [1]}))
    return loss.of(layout_of(compose(before)), written, after, compose(after).planes)


@pytest.mark.parametrize("case", LOST)
def test_what_is_lost_is_said_in_words(case: str) -> None:
    changes, words = LOST[case]
    found = lost(BASE, replace(BASE, **changes))
    assert words <= set(found.lost)
    if case != "a monitor":
        assert words == set(found.lost)


@pytest.mark.parametrize("case", KEPT)
def test_what_is_added_or_tuned_is_no_loss(case: str) -> None:
    assert lost(BASE, replace(BASE, **KEPT[case])) == loss.Loss((), ())


def test_a_smaller_vocabulary_is_a_loss() -> None:
    events = spec.Model(task="events", preset="light", vocabulary=spec.Vocabulary(64))
    found = lost(events, replace(events, vocabulary=spec.Vocabulary(32)))
    assert {"the network", "the vocabulary", "the contexts of 2 symbols"} <= set(found.lost)


def test_what_a_preset_gives_up_is_told_and_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = spec.Model(features=("x",), preset="light")
    layout = layout_of(compose(model))
    monkeypatch.setitem(presets.PRESETS["light"], "experts", (spec.Last(), spec.Level()))
    found = loss.of(layout, {"preset": "light", "task": "forecast", "experts": None}, model, compose(model).planes)
    assert found.lost == ()
    assert found.told[0] == "expert profile(bins=48, period=86400)"
    chosen = replace(model, experts=(spec.Last(), spec.Level()))  # the same, asked for by an operator
    found = loss.of(layout, {"preset": "light", "task": "forecast", "experts": None}, chosen, compose(chosen).planes)
    assert found.told == ()
    assert len(found.lost) == 2


def test_a_network_that_the_preset_trains_otherwise_now_is_told_and_not_refused() -> None:
    """0.1.0 stored Adam where nobody had named an optimiser."""
    model = spec.Model(features=("x",), task="label")
    layout = layout_of(compose(replace(model, optimiser=spec.Adam())))
    before = {"preset": "standard", "task": "label", "optimiser": msgspec.to_builtins(spec.Adam())}
    assert loss.of(layout, before, model, compose(model).planes) == loss.Loss((), ("the network",))
    named = replace(model, optimiser=spec.Ekf())
    assert loss.of(layout, before, named, compose(named).planes).lost == ("the network",)


def changed(path: Path, before: str, after: str) -> str:
    """The configuration of the released case with one change."""
    text = CASE.with_suffix(".toml").read_text().format(path=path, streams=5)
    assert before in text
    return text.replace(before, after)


def test_a_stored_state_says_how_many_streams_lose_what_since_when(tmp_path: Path) -> None:
    state = unpack(CASE, tmp_path)
    model = parse(changed(tmp_path, "[1, 3]", "[1, 6]")).model
    with opened(state) as store:
        found = losses.of_store(store, model)
    assert str(found) == "horizon 3: what 3 streams have learned since about 2023-11-14"
    with pytest.raises(ConfigError, match="would lose horizon 3: what 3 streams") as caught:
        losses.refuse(found)
    assert "--accept-loss" in caught.value.hint
    losses.refuse(found, accepted=True)


def test_check_says_beforehand_what_a_start_would_refuse(tmp_path: Path) -> None:
    unpack(CASE, tmp_path)
    file, runner = tmp_path / "config.toml", CliRunner()
    file.write_text(changed(tmp_path, "[1, 3]", "[1, 3, 6]"))
    kept = runner.invoke(cli.app, ["check", str(file), "--json"])
    assert (kept.exit_code, json.loads(kept.stdout)["state"]) == (0, {"path": f"{tmp_path}/state", "given_up": []})
    file.write_text(changed(tmp_path, "[1, 3]", "[3]"))
    refused = runner.invoke(cli.app, ["check", str(file)])
    assert isinstance(refused.exception, ConfigError)
    assert "horizon 1" in str(refused.exception)


def test_a_start_and_a_reload_refuse_a_loss_and_the_old_model_goes_on(tmp_path: Path) -> None:
    unpack(CASE, tmp_path)
    with turned(CASE, tmp_path) as one:
        one.stop()
        good = one.file.read_text()
        one.file.write_text(good.replace("[1, 3]", "[1, 6]"))
        with pytest.raises(ConfigError, match="horizon 3"):
            one.start()
        one.file.write_text(good)
        one.start()
        one.file.write_text(good.replace("[1, 3]", "[1, 6]"))
        one.daemon.reload()
        assert one.daemon.parts.config.model.horizons == (1, 3)
        assert one.value("streamrnn_config_reloads_total", "refused") == 1
        one.file.write_text(good.replace("[1, 3]", "[1, 3, 6]"))
        one.daemon.reload()
        assert one.daemon.parts.config.model.horizons == (1, 3, 6)
