"""The dashboard: what every panel must have, and that it shows what there is."""

import json
import re
import sys
from itertools import combinations
from pathlib import Path

import pytest
from deployment import (
    DASHBOARD,
    alerts,
    catalogue,
    dashboard_queries,
    metrics,
    not_shown,
    panels,
    rule_expressions,
    run,
)

from streamrnn.service.operations.metrics import METRICS

TITLES = [panel["title"] for panel in panels()]


def test_the_file_is_what_the_script_writes(tmp_path: Path) -> None:
    made = tmp_path / "streamrnn.json"
    result = run(sys.executable, "-B", DASHBOARD.with_name("dashboard.py"), made)
    assert result.returncode == 0, result.stderr
    assert made.read_text() == DASHBOARD.read_text(), (
        "run: python deploy/grafana/dashboard.py deploy/grafana/streamrnn.json"
    )


def test_it_has_its_variables_and_rows() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "job", "instance"]
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "Forecast quality", "Ingest", "Learning", "State"]
    assert board["editable"] is False
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("panel", panels(), ids=TITLES)
def test_a_panel_says_what_it_shows(panel: dict) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 10
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert all(target["legendFormat"] for target in panel["targets"])


def test_titles_are_used_once_and_panels_do_not_overlap() -> None:
    assert len(set(TITLES)) == len(TITLES)
    for one, other in combinations([panel["gridPos"] for panel in panels()], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels())


@pytest.mark.parametrize(("title", "query"), dashboard_queries())
def test_a_query_asks_for_the_chosen_job_and_instance(title: str, query: str) -> None:
    found = re.findall(r"\{([^}]*)\}", query)
    assert found
    for matchers in found:
        assert 'job=~"$job"' in matchers
        assert 'instance=~"$instance"' in matchers or "alertname" in matchers
    assert all(window == "$__rate_interval" for window in re.findall(r"\brate\([^[]*\[([^]]*)\]", query))


def test_every_metric_is_shown_or_said_not_to_be() -> None:
    known = set(catalogue())
    shown = set().union(*(metrics(query) for _, query in dashboard_queries()))
    ruled = set().union(*(metrics(expression) for expression in rule_expressions()))
    assert shown <= known
    assert not_shown() <= known
    assert not shown & not_shown()
    assert known == shown | ruled | not_shown()


def test_the_alerts_are_counted_by_their_common_prefix() -> None:
    query = next(query for title, query in dashboard_queries() if title == "Alerts firing")
    pattern = re.search(r'alertname=~"([^"]*)"', query)
    assert pattern
    assert all(re.fullmatch(pattern[1], alert["alert"]) for alert in alerts())


def test_the_list_of_metrics_is_the_daemons() -> None:
    ours = {name: about for name, about in catalogue().items() if name.startswith("streamrnn_")}
    assert ours == {metric.name: (metric.kind, frozenset(metric.labels)) for metric in METRICS}
