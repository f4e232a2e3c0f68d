"""The alert rules: promtool's judgement, a case that fires and one that does not for each, and the runbook."""

import re

import pytest
import yaml
from deployment import DEPLOY, RULES, alerts, catalogue, metrics, program, rule_expressions, run

PROMETHEUS = RULES.parent
CASES = ("tests.yml", "tests_latency.yml")


def cases() -> list[tuple[str, bool, int]]:
    """Alert, whether it is expected to fire, and number of series, of each case."""
    tests = [test for file in CASES for test in yaml.safe_load((PROMETHEUS / file).read_text())["tests"]]
    return [
        (case["alertname"], bool(case["exp_alerts"]), len(test["input_series"]))
        for test in tests
        for case in test["alert_rule_test"]
    ]


def test_promtool_accepts_the_rules() -> None:
    result = run(program("promtool"), "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_accepts_the_configuration() -> None:
    result = run(program("promtool"), "check", "config", PROMETHEUS / "prometheus.yml")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("file", CASES)
def test_every_case_comes_out_as_written(file: str) -> None:
    result = run(program("promtool"), "test", "rules", PROMETHEUS / file)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    names = {alert["alert"] for alert in alerts()}
    assert names == {name for name, fires, _ in cases() if fires}
    assert names == {name for name, fires, series in cases() if not fires and series}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"deploy/RUNBOOK.md#{alert['alert'].lower()}"


def test_the_runbook_has_one_section_for_each_alert_and_no_other() -> None:
    text = (DEPLOY / "RUNBOOK.md").read_text()
    assert re.findall(r"^## (\w+)$", text, re.M) == [alert["alert"] for alert in alerts()]
    for section in text.split("\n## ")[1:]:
        assert "**Means**" in section
        assert "**Look**" in section
        assert "**Do**" in section or "**do**" in section


def test_the_rules_name_known_metrics_only() -> None:
    named = set().union(*(metrics(expression) for expression in rule_expressions()))
    assert named
    assert named <= set(catalogue())
