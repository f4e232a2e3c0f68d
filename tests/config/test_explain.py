"""A newcomer's mistakes: each is answered with the line, the key, what is wrong and what to write instead."""

import pytest

from streamrnn.config.schema import parse
from streamrnn.errors import ConfigError

MODEL = '[model]\nfeatures = ["flow"]\n'

MISTAKES = [
    ('[model]\nfeature = ["flow"]', "line 2: model.feature: a table is wanted", 'features = ["flow"]'),
    ('features = ["flow"]\n[model]', "line 1: features: no key `features`", "[model]"),
    ('features = ["flow"]', "line 1: features: no key `features`", "[model]"),
    (MODEL + "horizons = 3", "line 3: model.horizons: a list is wanted", "horizons = [3]"),
    ('[model]\nfeatures = "flow"', "line 2: model.features: a list is wanted", 'features = ["flow"]'),
    (MODEL + 'preset = "fast"', "model.preset: 'fast' is not one of full, light, standard", "choose one"),
    (MODEL + 'layers = [{ kind = "GRU", size = 16 }]', "model.layers[0].kind: 'GRU' is not one of", "`gru`"),
    (MODEL + 'layers = [{ type = "gru", size = 16 }]', "model.layers[0]: it names no `kind`", 'kind = "gru"'),
    (MODEL + "layers = [{ size = 16 }]", "model.layers[0]: it names no `kind`", "lstm"),
    (
        MODEL + 'layers = [{ kind = "gru" }, { kind = "gru", size = 0 }]',
        "model.layers[1].size: 0 is not",
        "at most 1024",
    ),
    (MODEL + 'optimiser = { kind = "adam", lr = 0.001 }', "model.optimiser.lr: no key `lr`", "`rate`"),
    (MODEL + 'monitors = [{ kind = "zscore" }]', "model.monitors[0].kind: 'zscore' is not one of anomaly", "choose"),
    (MODEL + "feature = { flow = { min = 0 } }", "model.feature.flow.min: no key `min`", "`lower`"),
    (MODEL + '[input]\nendpoint = "ipc:///x"', "line 3: input: there may be several", "[[input]]"),
    (
        MODEL + '[[input]]\n[[input]]\nkind = "tcp"',
        "line 5: input[1].kind: 'tcp' is not one of pull, router, sub",
        "one",
    ),
    (MODEL + '[state]\ncheckpoint = "30 parsecs"', "line 4: state.checkpoint: a number is wanted", "ms, s, min"),
    (MODEL + '[limits]\nmax_streams = "100"', "line 4: limits.max_streams: a whole number", "100, without quotes"),
    (MODEL + '[metrics]\nendpoint = "ipc:///x"', "line 4: metrics.endpoint: no key `endpoint`", "`host`"),
    (MODEL + '[log]\nlevel = "INFO"', "line 4: log.level: 'INFO' is not one of", "`info`"),
    (MODEL + "horizons = [1, 0]", "model.horizons[1]: 0 is not at least 1", "at most 4096"),
    (MODEL + 'frozen = "true"', "model.frozen: true or false is wanted", "frozen = true, without quotes"),
    (MODEL + "timezone = 1", "model.timezone: a text is wanted", 'timezone = "1"'),
    (MODEL + "[outptu]", "outptu: no key `outptu` in the top of the file", "`output`"),
    (MODEL + "[metrics]\nport = 70000", "line 4: metrics.port: 70000 is not at most 65535", "at least 0"),
    (
        MODEL + 'feature = { flow = { mute = ["noon"] } }',
        "model.feature.flow.mute[0]: 'noon' has another form",
        "matches",
    ),
    ("[output]", "`model` is missing", "[model]"),
    ("model = 3", "line 1: model: a table is wanted, 3 is none", "[model]"),
]


@pytest.mark.parametrize(("text", "message", "hint"), MISTAKES, ids=[message[:40] for _, message, _ in MISTAKES])
def test_a_mistake_is_answered_with_what_to_write(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, {})
    assert message in caught.value.args[0]
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("1.5 min", 90.0), ("2h", 7200.0), ("250ms", 0.25), ("1 d", 86_400.0), ("${WAIT}", 40.0)],
)
def test_seconds_may_have_a_unit(text: str, seconds: float) -> None:
    assert parse(MODEL + f'[state]\ncheckpoint = "{text}"', {"WAIT": "40"}).state.checkpoint == seconds


def test_seasons_and_bytes_may_have_a_unit() -> None:
    found = parse(MODEL + 'seasons = ["1d", "1w"]\n[limits]\nmax_frame_bytes = "64MiB"', {})
    assert found.model.seasons == (86_400.0, 604_800.0)
    assert found.limits.max_frame_bytes == 64 * 2**20


def test_a_text_keeps_what_looks_like_a_unit() -> None:
    assert parse('[model]\nfeatures = ["30s"]', {}).model.features == ("30s",)


def test_variables_stand_anywhere() -> None:
    text = '[model]\nfeatures = ["${NAME}"]\nfrozen = "${FROZEN}"\n'
    text += '[metrics]\nport = "${PORT}"\n[state]\npath = "/s/${NAME}"'
    found = parse(text, {"NAME": "flow", "PORT": "99", "FROZEN": "true"})
    assert found.model.features == ("flow",)
    assert found.model.frozen is True
    assert found.metrics.port == 99
    assert found.state.path == "/s/flow"


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(ConfigError, match=r"\$\{PORT\} is not set"):
        parse(MODEL + '[metrics]\nport = "${PORT}"', {})
