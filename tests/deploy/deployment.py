"""What the tests of deploy/ share: where things are, and which metrics a text names."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

TREE = Path(__file__).resolve().parents[2]
DEPLOY = TREE / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARD = DEPLOY / "grafana" / "streamrnn.json"

_METRIC = re.compile(r"(?<![\w:])(?:streamrnn|process|python)_[a-z0-9_]+")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_SELECTOR = re.compile(r"(?<![\w:])((?:streamrnn|process|python)_[a-z0-9_]+)(\{[^}]*\})?")


def program(name: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end, within a minute."""
    return subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, timeout=60)


def catalogue() -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of each metric of METRICS.md."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*)\| .+ \|$", (DEPLOY / "METRICS.md").read_text(), re.M)
    return {name: (kind, frozenset(labels.replace(",", " ").split())) for name, kind, labels in rows}


def not_shown() -> set[str]:
    """The metrics that METRICS.md says are not on the dashboard."""
    section = (DEPLOY / "METRICS.md").read_text().split("## Not on the dashboard")[1]
    return set(re.findall(r"`(\w+)`", section))


def family(name: str) -> str:
    """The metric a series belongs to: a histogram's series have suffixes."""
    known = catalogue()
    stem = re.sub(r"_(bucket|count|sum)$", "", name)
    return stem if known.get(stem, ("",))[0] == "histogram" else name


def metrics(expression: str) -> set[str]:
    """The metrics that a PromQL expression reads."""
    bare = _LABELS.sub(" ", re.sub(r'"[^"]*"', '""', expression))
    return {family(name) for name in _METRIC.findall(bare)}


def selectors(expression: str) -> Iterator[str]:
    """Each metric of an expression with its label matchers, as an instant selector."""
    for name, matchers in _SELECTOR.findall(_LABELS.sub(" ", expression)):
        yield name + matchers


def alerts() -> list[dict[str, Any]]:
    """The alerting rules."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def rule_expressions() -> list[str]:
    """Every expression of rules.yml, recorded ones too."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels without the rows' headings."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def dashboard_queries() -> list[tuple[str, str]]:
    """Title of the panel and expression of every query of the dashboard."""
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
