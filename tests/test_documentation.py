"""What the README says is what there is; its programs run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn import cli, errors, spec
from streamrnn.bench.child import daemon
from streamrnn.model import plan
from streamrnn.service.operations.telemetry import METRICS
from streamrnn.wire import FIELDS, REASONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(title: str) -> str:
    """The code block that follows a comment."""
    match = re.search(rf"<!-- {title} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert match, title
    return match[1]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_documented(metric):
    labels = f"{{{','.join(metric.labels)}}}" if metric.labels else ""
    assert f"| `{metric.name}{labels}` | {metric.kind} |" in README


def test_no_metric_is_documented_that_does_not_exist():
    assert set(re.findall(r"streamrnn_\w+", README)) == {metric.name for metric in METRICS}


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_of_every_message_is_documented(kind):
    lines = [
        line for line in README.splitlines() if line.startswith(("| `", "| ...")) and f"`{FIELDS[kind][1]}`" in line
    ]
    assert any(all(f"`{field}`" in line for field in FIELDS[kind]) for line in lines)


def test_every_reason_of_a_refusal_is_documented():
    assert all(f"`{reason}`" in README for reason in REASONS)


def test_every_command_is_documented():
    names = {command.name for command in cli.app.registered_commands}
    groups = {group.name for group in cli.app.registered_groups}
    assert names
    assert all(f"| `streamrnn {name}" in README for name in names | groups)


@pytest.mark.parametrize("preset", ["light", "standard", "full"])
def test_the_bytes_of_a_preset_are_those_of_its_plan(preset):
    told = re.search(rf"\| `{preset}` \| ([\d,]+) \| ([\d,]+) \|", README)
    assert told
    for number, horizons in zip(told.groups(), ((1,), (1, 3, 6, 24)), strict=True):
        made = plan.compose(spec.Model(features=("flow",), preset=preset, horizons=horizons))
        assert int(number.replace(",", "")) == 4 * made.f32.width + 8 * (made.f64.width + made.i64.width)


def test_every_exit_code_is_documented():
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    sentence = README[README.index("Exit codes:") :].split("\n\n")[0]
    assert {int(code) for code in re.findall(r"\b(\d+)\b", sentence)} == codes | {2}


def test_the_gate_runs_the_readme_s_test_command():
    gate = (ROOT / ".ci" / "run").read_text()
    assert "<!-- test command -->" in gate
    assert "pytest" in block("test command")


def test_nothing_in_the_readme_is_left_to_fill_in():
    assert "@@" not in README


def test_the_readme_s_programs_work_as_they_stand(tmp_path):
    """Configuration, producer and subscriber of the README, with free ports in place of the default ones."""
    config = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert config
    with daemon(config[1], tmp_path) as served:
        ports = {"tcp://127.0.0.1:5555": served.input, "tcp://127.0.0.1:5556": served.output}
        programs = []
        for title in ("subscriber", "producer"):
            text = block(title)
            assert "streamrnn" not in text
            assert len(text.splitlines()) <= 10
            for usual, free in ports.items():
                text = text.replace(usual, free)
            programs.append(text)
        with (
            subprocess.Popen([sys.executable, "-c", programs[0]], stdout=subprocess.PIPE, text=True) as subscriber,
            subprocess.Popen([sys.executable, "-c", programs[1]]) as producer,
        ):
            try:
                printed, _ = subscriber.communicate(timeout=60)
            finally:
                subscriber.kill()
                producer.kill()
    rows = [line.split() for line in printed.splitlines()]
    assert len(rows) == 20
    assert {row[0] for row in rows} == {"1", "3"}
    _step, lower, yhat, upper = map(float, rows[-1])
    assert lower <= yhat <= upper
