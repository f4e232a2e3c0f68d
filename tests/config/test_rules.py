"""A configuration that can never work is refused where it is read, with the key and a hint."""

import pytest

from streamrnn.config import schema
from streamrnn.errors import ConfigError

MODEL = '[model]\nfeatures = ["flow"]\n'


def load(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return schema.load(path)


WRONG = [
    ("input = []\n" + MODEL, "input is empty"),
    (MODEL + '[[input]]\nendpoint = "foo"', r"input\[0\].endpoint"),
    (MODEL + '[[input]]\nendpoint = "http://127.0.0.1:80"', r"input\[0\].endpoint"),
    (MODEL + '[[input]]\nendpoint = "tcp://127.0.0.1"', r"input\[0\].endpoint"),
    (MODEL + '[[input]]\nendpoint = "tcp://127.0.0.1:65536"', r"input\[0\].endpoint"),
    (MODEL + '[[input]]\nendpoint = "tcp://127.0.0.1:²"', r"input\[0\].endpoint"),
    (MODEL + '[[input]]\nendpoint = "tcp://127.0.0.1 :5"', r"input\[0\].endpoint"),
    (MODEL + '[[input]]\nkind = "sub"\nendpoint = "tcp://127.0.0.1:0"', r"input\[0\].endpoint"),
    (MODEL + '[[input]]\nendpoint = "ipc://"', r"input\[0\].endpoint"),
    (MODEL + f'[[input]]\nendpoint = "ipc:///{"x" * 107}"', r"input\[0\].endpoint"),
    (MODEL + '[output]\nendpoint = "foo"', "output.endpoint"),
    (MODEL + "[[input]]\n[[input]]", r"input\[1\].endpoint: tcp://127.0.0.1:5555 is that of input\[0\]"),
    (MODEL + '[[input]]\n[[input]]\nkind = "sub"', r"input\[1\].endpoint"),
    (MODEL + '[[input]]\nkind = "sub"\n[[input]]\nkind = "sub"', r"input\[1\].endpoint"),
    (MODEL + '[output]\nendpoint = "tcp://127.0.0.1:5555"', r"output.endpoint: .* input\[0\]"),
    (MODEL + 'lateness = 1\ntask = "label"', "model.lateness with task 'label'"),
    (MODEL + '[output]\ncatchup = "foo"', "output.catchup"),
    (MODEL + '[output]\ncatchup = "tcp://127.0.0.1:5555"', r"output.catchup: .* input\[0\]"),
    (MODEL + '[output]\ncatchup = "tcp://127.0.0.1:5556"', "output.catchup: .* output.endpoint"),
    (MODEL + '[output]\ncatchup = "tcp://*:5557"', "output.catchup: .* asks for no key"),
    (MODEL + '[[input]]\nstream = "a\\nb"', r"input\[0\].stream"),
    (MODEL + '[[input]]\nstream = ""', r"input\[0\].stream"),
    (MODEL + "[[input]]\nstream_from_topic = true", r"input\[0\].stream_from_topic"),
    (MODEL + '[[input]]\ntopics = ["a"]', r"input\[0\].topics"),
    (MODEL + f'[[input]]\nkind = "sub"\ntopics = ["", "{"x" * 512}"]', r"input\[0\].topics"),
    (MODEL + '[[input]]\nkind = "sub"\ntopics = []', r"input\[0\].topics"),
    (MODEL + 'optimiser = { kind = "adam", rate = inf }', "model.optimiser.rate is inf"),
    (MODEL + 'experts = [{ kind = "last" }, { kind = "profile", period = inf }]', r"model.experts\[1\].period is inf"),
    (MODEL + "[limits]\ndead_letters_per_second = inf", "limits.dead_letters_per_second is inf"),
    (MODEL + f"[output]\nhigh_water = {2**31}", "output.high_water"),
    (MODEL + '[metrics]\nhost = "not an address"', "metrics.host"),
    (MODEL + '[metrics]\nhost = "999.0.0.1"', "metrics.host"),
    (MODEL + '[columns]\nname = ""', "columns.name"),
    (MODEL + '[[input]]\nendpoint = "tcp://0.0.0.0:5555"', r"input\[0\].endpoint: .* asks for no key"),
    (MODEL + '[[input]]\nendpoint = "tcp://*:5555"', r"input\[0\].endpoint: .* asks for no key"),
    (MODEL + '[[input]]\nendpoint = "tcp://[::]:5555"', r"input\[0\].endpoint: .* asks for no key"),
    (MODEL + '[output]\nendpoint = "tcp://eth0:5556"', "output.endpoint: .* asks for no key"),
    (MODEL + '[[input]]\nkind = "sub"\nendpoint = "tcp://there:1"', r"input\[0\].endpoint: .* shows no key"),
    (MODEL + f'[[input]]\nserver_key = "{"x" * 40}"', r"input\[0\].server_key"),
    (MODEL + '[security]\nsecret = "x"', "security.secret without security.keys"),
    (MODEL + '[[input]]\nendpoint = "ipc://@name"', r"input\[0\].endpoint: .* abstract"),
    (MODEL + '[columns]\nfeatures = { flwo = "x" }', "columns.features: 'flwo'"),
]


@pytest.mark.parametrize(("text", "found"), WRONG, ids=[found for _, found in WRONG])
def test_what_can_never_work_is_refused_with_file_key_and_hint(tmp_path, text, found):
    with pytest.raises(ConfigError, match=rf"config\.toml: {found}") as raised:
        load(tmp_path, text)
    assert raised.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "[security]\nkeys = 'k'\n[[input]]\nendpoint = 'tcp://*:0'\n[[input]]\nendpoint = 'tcp://*:0'\n"
        "[output]\nendpoint = 'tcp://*:*'",
        "[[input]]\nkind = 'sub'\ntopics = ['a']\n[[input]]\nkind = 'sub'\ntopics = ['b']\nstream_from_topic = true",
        f"[[input]]\nkind = 'sub'\nendpoint = 'tcp://gateway.example:5555'\nserver_key = '{'x' * 40}'",
        "[[input]]\nendpoint = 'tcp://[::1]:5555'",
        "[[input]]\nendpoint = 'ipc:///run/streamrnn/in'\nstream = 'Pumpe 1 °C'",
        "[metrics]\nhost = 'localhost'",
        "[columns]\nfeatures = { flow = 'x' }",
    ],
)
def test_what_can_work_is_taken(tmp_path, text):
    assert load(tmp_path, MODEL + text).model.features == ("flow",)
