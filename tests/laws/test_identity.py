"""Stored state outlives its version: what a slice is called rests on what its numbers mean, and on nothing else."""

import json
import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import fields, replace

from streamrnn import spec
from streamrnn.engine.bank import layout_of
from streamrnn.engine.engine import Engine
from streamrnn.engine.tasks import compose
from streamrnn.kernels.core.program import Program
from streamrnn.model import loss, parts
from streamrnn.model.transfer import Transfer, transfer
from tests.engine.feed import START, STEP, feed, tiny

GOLDEN = Path(__file__).parents[1] / "service" / "golden"
TABLES = (parts.LAYERS, parts.EXPERTS, parts.HEADS, parts.MONITORS, parts.DETECTORS, parts.OPTIMISERS)
# What a change of these drops nothing: they tune, and every number keeps its meaning.
TUNING = {
    "lru": {"r_min", "r_max", "phase"},  # of the first weights
    "dropout": {"share"},
    "tbptt": {"window", "stride"},  # the tape's length is named by its rows
    "rtrl": {"stride"},
    "snap1": {"stride"},
    "immediate": {"stride"},
    "adam": {"rate", "beta1", "beta2", "decay"},
    "rmsprop": {"rate", "decay"},
    "sgd": {"rate", "momentum"},
    "ekf": {"weights", "readout", "noise", "clip", "threshold"},
    "obgd": {"rate", "kappa"},
    "anomaly": {"alerts_per_week", "warmup", "quiet", "holdoff"},
    "joint": {"targets"},
    "adwin": {"delta"},
    "page_hinkley": {"threshold"},
    "drift": {"detectors", "reactions"},  # every detector is named by its own identity
    "vocabulary": {"shown", "alert_rate"},
}
DESCENT = {"clip", "clip_value", "cap", "schedule", "period"}  # the learning rate's state is named by its schedule


def kinds(of: type[spec.Part] = spec.Part) -> Iterator[type[spec.Part]]:
    """Every part that an operator may name."""
    for each in of.__subclasses__():
        if each is not spec.Descent and each.__module__.startswith("streamrnn."):
            yield each
        yield from kinds(each)


EVERY = list(kinds())
named = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: str(kind.__struct_config__.tag))


def model(part: spec.Part) -> spec.Model:
    """A model with this part in it."""
    features = ("x", "y")
    if isinstance(part, spec.Embedding | spec.Context | spec.Vocabulary):
        layers = (part if isinstance(part, spec.Embedding) else spec.Embedding(3), spec.Gru(3))
        experts = (part if isinstance(part, spec.Context) else spec.Context(2, 16),)
        symbols = part if isinstance(part, spec.Vocabulary) else spec.Vocabulary(8)
        return spec.Model(task="events", layers=layers, experts=experts, vocabulary=symbols)
    if isinstance(part, spec.Binary):
        return spec.Model(features=features, task="label", layers=(spec.Gru(3),), head=part)
    if isinstance(part, spec.Dropout):
        layers = (spec.Gru(3), part)
        return tiny(features=features, layers=layers, rule=spec.Tbptt(5, 2, recompute=True), gate=False)
    place: dict[Any, Any] = {
        spec.Layer: lambda: {"layers": (part, spec.Gru(3))},
        spec.Expert: lambda: {"experts": (spec.Last(), part)},
        spec.Head: lambda: {"head": part},
        spec.Monitor: lambda: {"monitors": (part, spec.Mean(0.5))},
        spec.Detector: lambda: {"drift": spec.Drift((part,))},  # type: ignore[arg-type]
        spec.Optimiser: lambda: {"optimiser": part},
        spec.Rule: lambda: {"rule": part, "gate": False, "layers": (spec.Lru(4),)},
        spec.Drift: lambda: {"drift": part},
    }
    found = next(make for family, make in place.items() if isinstance(part, family))
    return tiny(**{"features": features, **found()})


def moved(before: spec.Model, after: spec.Model) -> Transfer:
    """How rows of one model become rows of another."""
    return transfer(layout_of(compose(before)), compose(after).planes, after.timezone)


@named
def test_every_setting_is_known_to_change_the_meaning_or_to_tune(kind: type[spec.Part]) -> None:
    tag = str(kind.__struct_config__.tag)
    tuning = TUNING.get(tag, set()) | (DESCENT if issubclass(kind, spec.Descent) else set())
    settings = {each.name for each in fields(kind)}
    assert settings - tuning == set(kind.meaning), "say in TUNING or in `meaning` what the setting does to stored state"
    assert not tuning & set(kind.meaning)


@named
def test_a_new_setting_and_another_class_name_drop_nothing(
    kind: type[spec.Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = kind.__struct_config__.tag
    renamed = msgspec.defstruct(
        "Renamed", [("novelty", int, 7)], bases=(kind,), tag=tag, frozen=True, forbid_unknown_fields=True
    )
    for table in TABLES:
        if kind in table:
            monkeypatch.setitem(table, renamed, table[kind])
    moves = moved(model(kind()), model(renamed()))
    assert (moves.lost, moves.begun) == ((), ())


def others(part: spec.Part) -> Iterator[tuple[str, spec.Part]]:
    """The part with one setting changed, for every setting."""
    special: dict[str, Any] = {
        "inputs": "calendar",
        "activation": "relu",
        "levels": (0.1, 0.5, 0.9),
        "schedule": "sqrt",
        "season": 2,
        "detectors": (spec.Adwin(0.5),),
        "reactions": ("rate",),
        "forget": 0.99,
        "alpha": 0.5,
        "symbols": 16,
        "contexts": 64,
        "size": 6,
    }
    for each in fields(part):
        now = getattr(part, each.name)
        if each.name in special:
            other = special[each.name]
        elif isinstance(now, bool):
            other = not now
        else:
            other = now + 1 if now == int(now) else now / 2
        yield each.name, replace(part, **{each.name: other})


@named
def test_what_changes_the_meaning_has_another_name_and_what_tunes_has_not(kind: type[spec.Part]) -> None:
    part = kind()
    for setting, other in others(part):
        if setting == "schedule":
            continue
        assert (part.identity() != other.identity()) == (setting in kind.meaning), setting
        if setting in kind.meaning and kind is not spec.Tbptt:
            moves = moved(model(part), model(other))
            assert moves.lost or moves.begun, setting


MODEL_SETTINGS: dict[str, Any] = {
    "features": ("x",),
    "horizons": (1, 3),
    "targets": ("y",),
    "seasons": (3600.0, 86400.0),
    "history": 64,
    "timezone": "Europe/Berlin",
    "weights": "pooled",
    "gate": False,
}
MODEL_TUNING: dict[str, Any] = {
    "feature": {"x": spec.Feature(lower=0.0, direction="up", least=1.0, mute=("02:00-03:00",))},
    "frozen": True,
    "half_life": 3.0,
    "steps": "time",
    "lateness": 60.0,
    "silence": 3.0,
    "scale_rate": 0.01,
    "seed": 2,
    "prior": "x",
}


def seasonal(**changes: Any) -> spec.Model:
    """A model whose numbers rest on the seasons and on the hour of the day."""
    experts = (spec.Last(), spec.Seasonal(), spec.Profile(), spec.Level(2))
    given = {
        "features": ("x", "y"),
        "experts": experts,
        "horizons": (1, 2),
        "monitors": (spec.Conformal(), spec.Hours()),
    }
    return tiny(**{**given, **changes})


@pytest.mark.parametrize("setting", MODEL_SETTINGS)
def test_a_setting_of_the_model_that_changes_the_meaning_drops_what_it_is_about(setting: str) -> None:
    moves = moved(seasonal(), seasonal(**{setting: MODEL_SETTINGS[setting]}))
    back = moved(seasonal(**{setting: MODEL_SETTINGS[setting]}), seasonal())
    assert moves.lost or back.lost


@pytest.mark.parametrize("setting", MODEL_TUNING)
def test_a_setting_of_the_model_that_tunes_drops_nothing(setting: str) -> None:
    moves = moved(seasonal(), seasonal(**{setting: MODEL_TUNING[setting]}))
    assert (moves.lost, moves.begun) == ((), ())


# What 0.1.0 did not have: it begins anew beside what is kept, and nothing is lost for it.
NEW = r"f64\.level|f64\.creep\b.*|f64\.joint\b.*"
ADDED = re.compile(
    rf"f64\.peaks|{NEW}|f64\.gaps\b.*|i64\.leads|i64\.feedback|i64\.stream: (passed|ahead)|f64\.seasons .*: passed"
    r"|f64\.(scale|target|watch|clock|pending): "
    r"(least|usual deviation|deviations|away|widest learned|doubt|raw|odd days|largest change|blind|soon|doubted)"
)


def released() -> list[Any]:
    """Model and layout of many models, as released versions named the slices."""
    return [
        pytest.param(case["model"], case["layout"], id=f"{path.parent.name}-{number}")
        for path in sorted(GOLDEN.glob("*/layouts.json.xz"))
        for number, case in enumerate(json.loads(lzma.decompress(path.read_bytes())))
    ]


@pytest.mark.parametrize(("written", "layout"), released())
def test_every_slice_of_a_released_version_is_found_again(written: dict[str, Any], layout: dict[str, Any]) -> None:
    before = msgspec.convert(written, spec.Model)
    if before.experts is None and before.task != "label":  # a preset may have other members today
        before = replace(before, experts=_experts_of_release(before))
    plan = compose(before)
    moves = transfer(layout, plan.planes, before.timezone)
    assert [str(part) for part in moves.lost] == []
    assert [str(part) for part in moves.begun if not ADDED.fullmatch(str(part))] == []


@pytest.mark.parametrize(("written", "layout"), released())
def test_a_released_state_goes_on_under_the_presets_of_today(written: dict[str, Any], layout: dict[str, Any]) -> None:
    """Nobody asked for the new members: what a preset has given up, or reads anew for them, is told and not refused."""
    model = msgspec.convert(written, spec.Model)
    found = loss.of(layout, written, model, compose(model).planes)
    assert found.lost == ()
    assert set(found.told) <= {"the network"}  # whose first layer has no weights by input: a convolution, attention


def _experts_of_release(before: spec.Model) -> Any:
    """The experts of 0.1.0's presets."""
    if before.task == "events":
        longest, contexts = {"light": (4, 1024), "standard": (6, 4096), "full": (8, 65536)}[before.preset]
        return (spec.Context(longest, contexts),)
    return {
        "light": (spec.Last(), spec.Profile(), spec.Linear("lags", lags=11, forget=0.999)),
        "standard": (spec.Last(), spec.Seasonal(), spec.Profile(), spec.Linear()),
        "full": (
            *(spec.Last(), spec.Seasonal(1), spec.Seasonal(2), spec.Change(1), spec.Level(2), spec.Profile()),
            spec.Linear("profile"),
            *(spec.Linear("calendar", forget=forget, root=True) for forget in (0.9998, 0.998)),
        ),
    }[before.preset]


FEW = (spec.Last(), spec.Profile(bins=4), spec.Linear("lags", lags=3))
MORE = (spec.Profile(bins=4), spec.Linear("lags", lags=3, forget=0.99), spec.Last(), spec.Linear("lags", lags=3))


def learned(experts: tuple[Any, ...]) -> Engine:
    """An engine that has seen a wave, with a gate over its experts."""
    engine = Engine(tiny(experts=experts, gate=True, horizons=(1, 2)), 1)
    t = np.arange(400)
    feed(engine, np.sin(t / 5)[:, None] + 0.1 * np.random.default_rng(1).normal(size=(400, 1)), time=START + STEP * t)
    return engine


def weights(engine: Engine) -> dict[str, np.ndarray]:
    """Of every member of the first round, by horizon."""
    p, plan = engine._plan.table.ints, engine._plan
    records = engine._bank.planes.f64[int(p[Program.MIX]) :][: 2 * int(p[Program.MIX_WIDTH])].reshape(2, -1)
    return {name: records[:, place] for place, name in enumerate(plan.sizes.names.members)}


def test_a_new_member_of_the_mix_leaves_what_the_others_have_learned() -> None:
    before, after = learned(FEW), Engine(tiny(experts=MORE, gate=True, horizons=(1, 2)), 1)
    assert after.restore("a", before.export("a"), before.layout) == []
    old, new = weights(before), weights(after)
    joined = next(name for name in new if name not in old)
    prior = np.exp(after._plan.table.priors[1])
    np.testing.assert_allclose(new[joined], prior)
    for name in old:
        np.testing.assert_allclose(new[name], old[name] * (1.0 - prior))
    time = START + STEP * np.arange(400, 430)
    values = np.sin(np.arange(400, 430) / 5)[:, None]
    one, two = feed(before, values, time=time), feed(after, values, time=time)
    np.testing.assert_array_equal(one.expected[0], two.expected[0])  # pending forecasts are what they were
    spread = np.abs(one.forecast).max()
    np.testing.assert_allclose(two.forecast[0], one.forecast[0], atol=0.1 * spread)
    np.testing.assert_allclose(weights(after)[joined].sum() + sum(weights(after)[name].sum() for name in old), 2.0)
    assert np.isfinite(two.forecast).all()


def test_a_member_that_leaves_takes_its_own_alone() -> None:
    before, after = learned(MORE), Engine(tiny(experts=FEW, gate=True, horizons=(1, 2)), 1)
    gone = next(name for name in weights(before) if name not in weights(after))
    dropped = after.restore("a", before.export("a"), before.layout)
    assert dropped
    assert all(gone in each for each in dropped)
    old, new = weights(before), weights(after)
    for name in new:
        np.testing.assert_allclose(new[name], old[name] / (1.0 - old[gone]))


def test_a_new_member_has_its_prior_weight_at_the_next_update_too() -> None:
    """The regret it is given says the same as its weight: what the mix learns next moves it, nothing else."""
    before, after = learned(FEW), Engine(tiny(experts=MORE, gate=True, horizons=(1, 2)), 1)
    after.restore("a", before.export("a"), before.layout)
    joined, prior = next(name for name in weights(after) if name not in weights(before)), after._plan.table.priors[1]
    feed(after, np.sin(np.arange(400, 401) / 5)[:, None], time=START + STEP * np.arange(400, 401))
    np.testing.assert_allclose(weights(after)[joined], np.exp(prior), rtol=0.5)
