"""What the documentation says is what there is; the README's programs run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn import cli, errors, spec
from streamrnn.bench.child import daemon
from streamrnn.model import plan
from streamrnn.service.operations.metrics import METRICS
from streamrnn.wire import FIELDS, REASONS

ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted(ROOT.rglob("*.md")) if not {".venv", ".git"} & {*page.relative_to(ROOT).parts}]
README = (ROOT / "README.md").read_text()
MESSAGES = (ROOT / "deploy" / "MESSAGES.md").read_text()
COMMANDS = (ROOT / "streamrnn" / "cli" / "README.md").read_text()
LEARNING = (ROOT / "streamrnn" / "model" / "README.md").read_text()
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FIRST_SCREEN = 2000  # characters
TOPICS = {  # what a newcomer looks for, and where it stands
    "a CSV file of one's own": ("streamrnn/cli/README.md", "## A file of your own"),
    "what a prediction looks like": ("deploy/MESSAGES.md", "`prediction/<stream>/`"),
    "a GRU's forward pass": ("streamrnn/kernels/layers/gru.py", "def forward"),
    "how an acknowledgement is made durable": ("streamrnn/service/storage/store.py", "synchronous"),
}


def block(title: str) -> str:
    """The code block that follows a comment."""
    match = re.search(rf"<!-- {title} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert match, title
    return match[1]


def prose(text: str) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def links(text: str) -> list[str]:
    """Where a page leads."""
    return LINK.findall(re.sub(r"`[^`\n]*`(?!\])", "", prose(text)))


def anchors(text: str) -> set[str]:
    """The fragments by which the headings of a page are reached."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def within(page: Path, text: str) -> set[Path]:
    """The files of the repository that a text on a page leads to."""
    paths = [link.partition("#")[0] for link in links(text) if "://" not in link]
    return {(page.parent / path).resolve() for path in paths if path}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page):
    for link in links(page.read_text()):
        if "://" in link:
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target.read_text()), link


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 8192


@pytest.mark.parametrize("topic", TOPICS)
def test_what_a_newcomer_looks_for_is_two_steps_away(topic):
    path, words = TOPICS[topic]
    wanted = ROOT / path
    first = within(ROOT / "README.md", README[:FIRST_SCREEN])
    second = {each for page in first if page.suffix == ".md" for each in within(page, page.read_text())}
    assert wanted in first | second
    assert words in wanted.read_text()


def test_the_rooms_of_a_message_are_ten_at_most():
    page = (ROOT / "streamrnn" / "README.md").read_text()
    assert 1 <= len(re.findall(r"^\d+\. ", page, re.MULTILINE)) <= 10


def test_the_readme_has_ten_rows_of_results():
    table = README.split("## What it reaches")[1].split("\n## ")[0]
    assert len(re.findall(r"^\|", table, re.MULTILINE)) == 2 + 10


def test_no_metric_is_named_that_does_not_exist():
    found = {name for page in PAGES for name in re.findall(r"`(streamrnn_[a-z_]+[a-z])`", page.read_text())}
    assert found <= {metric.name for metric in METRICS}


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_of_every_message_is_documented(kind):
    lines = [
        line for line in MESSAGES.splitlines() if line.startswith(("| `", "| ...")) and f"`{FIELDS[kind][1]}`" in line
    ]
    assert any(all(f"`{field}`" in line for field in FIELDS[kind]) for line in lines)


def test_every_reason_of_a_refusal_is_documented():
    assert all(f"`{reason}`" in MESSAGES for reason in REASONS)


def test_every_command_is_documented():
    names = {command.name for command in cli.app.registered_commands}
    groups = {group.name for group in cli.app.registered_groups}
    assert names
    assert all(f"| `streamrnn {name}" in COMMANDS for name in names | groups)


@pytest.mark.parametrize("preset", ["light", "standard", "full"])
def test_the_bytes_of_a_preset_are_those_of_its_plan(preset):
    told = re.search(rf"\| `{preset}` \| ([\d,]+) \| ([\d,]+) \|", LEARNING)
    assert told
    for number, horizons in zip(told.groups(), ((1,), (1, 3, 6, 24)), strict=True):
        made = plan.compose(spec.Model(features=("flow",), preset=preset, horizons=horizons))
        assert int(number.replace(",", "")) == 4 * made.f32.width + 8 * (made.f64.width + made.i64.width)


def test_every_exit_code_is_documented():
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    sentence = COMMANDS[COMMANDS.index("Exit codes:") :].split("\n\n")[0]
    assert {int(code) for code in re.findall(r"\b(\d+)\b", sentence)} == codes | {2}


def test_the_gate_runs_the_readme_s_test_command():
    gate = (ROOT / ".ci" / "run").read_text()
    assert "<!-- test command -->" in gate
    assert "pytest" in block("test command")


def test_nothing_in_the_pages_is_left_to_fill_in():
    assert not any("@@" in page.read_text() for page in PAGES)


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
