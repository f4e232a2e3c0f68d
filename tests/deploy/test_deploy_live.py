"""A real Prometheus scrapes the real daemon: every query of the dashboard and of the rules is asked of it."""

import json
import math
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
import zmq
from deployment import DEPLOY, RULES, TREE, catalogue, dashboard_queries, program, rule_expressions, run, selectors
from prometheus_client.parser import text_string_to_metric_families

COMMAND = (sys.executable, "-m", "streamrnn", "run")
STARTED = 1_700_000_000
GOOD = 400
LOST = "StreamrnnLostObservations"

CONFIG = """
[model]
features = ["flow"]
horizons = [1, 3]
preset = "light"
seasons = [1500]
experts = [{{ kind = "last" }}, {{ kind = "seasonal" }}]

[[input]]
endpoint = "tcp://127.0.0.1:{input}"

[output]
endpoint = "tcp://127.0.0.1:{output}"

[metrics]
port = {metrics}

[state]
path = "{state}"
checkpoint = 1.0
"""


@dataclass(frozen=True)
class Live:
    """The two addresses the tests ask."""

    daemon: str
    prometheus: str

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query, which must succeed."""
        answer = json.loads(get(f"{self.prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})))
        assert answer["status"] == "success"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def value(self, query: str) -> float:
        """The sum of an instant query's values, 0 for none."""
        return sum(float(sample["value"][1]) for sample in self.ask(query))


def get(url: str) -> str:
    """The body of a page; raises OSError unless it is there and well."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body.decode()


def answers(url: str) -> bool:
    """Whether a page is there and well; raises OSError when it is not."""
    get(url)
    return True


def until(what: str, check: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until `check` holds. A refused connection is not yet; fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if check():
                return
        except OSError:
            pass
        time.sleep(0.05)
    pytest.fail(f"{what}: not within {seconds:g} s")


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@contextmanager
def process(log: Path, *command: str) -> Iterator[Callable[[], bool]]:
    """A program that runs meanwhile; yields a check that fails with its log once it has ended."""
    with log.open("w") as file:
        child = subprocess.Popen(
            command, stdout=file, stderr=file, cwd=log.parent, env=os.environ | {"PYTHONPATH": str(TREE)}
        )

    def runs() -> bool:
        if child.poll() is not None:
            pytest.fail(f"{' '.join(command)} ended with {child.returncode}: {log.read_text()[-2000:]}")
        return True

    try:
        yield runs
    finally:
        child.terminate()
        try:
            ended = child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            ended = child.wait()
    assert ended == 0, f"{' '.join(command)} ended with {ended}: {log.read_text()[-2000:]}"


def chosen(query: str) -> str:
    """A query of the dashboard with its variables filled in."""
    for variable, value in (("$__rate_interval", "1m"), ("$job", "streamrnn"), ("$instance", ".+")):
        query = query.replace(variable, value)
    assert "$" not in query
    return query


def write_scrape_config(directory: Path, port: int) -> Path:
    """The scrape configuration as shipped, hastier and with this daemon as its target."""
    settings = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "300ms", "scrape_timeout": "300ms", "evaluation_interval": "300ms"}
    settings["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (directory / "rules.yml").write_text(RULES.read_text())
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def messages() -> Iterator[bytes]:
    """Two streams of a wave, with a gap in the numbers, a repetition, a late one, a missing value, and rubbish."""
    for i in range(GOOD // 2):
        for stream in ("pump-1", "pump-2"):
            values = {"flow": None if i == 50 else 10.0 + math.sin(i / 4.0) + 0.1 * math.cos(i * i)}
            seq = i if i < 100 else i + 5
            yield json.dumps({"stream": stream, "time": STARTED + 60 * i, "values": values, "seq": seq}).encode()
    last = {"stream": "pump-1", "time": STARTED + 30 * GOOD, "values": {"flow": 10.0}}
    yield json.dumps(last | {"time": STARTED + 180, "seq": 3}).encode()
    yield json.dumps(last | {"time": STARTED, "seq": GOOD}).encode()
    yield b"not json"
    yield json.dumps(last | {"values": {"folw": 1.0}}).encode()


def feed(port: int) -> int:
    """Send all messages; returns how many."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(f"tcp://127.0.0.1:{port}")
        sent = [push.send(message) for message in messages()]
    return len(sent)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The daemon, fed, and a Prometheus that has seen it before and after."""
    prometheus = program("prometheus")
    directory = tmp_path_factory.mktemp("live")
    ports = dict(zip(("input", "output", "metrics", "prometheus"), free_ports(4), strict=True))
    here = Live(f"http://127.0.0.1:{ports['metrics']}", f"http://127.0.0.1:{ports['prometheus']}")
    config = directory / "streamrnn.toml"
    config.write_text(CONFIG.format(**ports, state=directory / "state"))
    scrape = write_scrape_config(directory, ports["metrics"])
    flags = (f"--config.file={scrape}", f"--storage.tsdb.path={directory / 'data'}", "--log.level=warn")
    listen = f"--web.listen-address=127.0.0.1:{ports['prometheus']}"
    with (
        process(directory / "daemon.log", *COMMAND, str(config)) as daemon_runs,
        process(directory / "prometheus.log", prometheus, *flags, listen) as prometheus_runs,
    ):
        until("daemon ready", lambda: daemon_runs() and answers(f"{here.daemon}/readyz"), 240.0)
        until("first scrape", lambda: prometheus_runs() and here.value("streamrnn_ready") == 1)
        sent = feed(ports["input"])
        until("all scraped", lambda: daemon_runs() and here.value("streamrnn_frames_received_total") >= sent)
        until("commits scraped", lambda: here.value("streamrnn_journal_commit_seconds_count") > 0)
        until("an alert", lambda: here.value(f'ALERTS{{alertname="{LOST}"}}') > 0)
        yield here


def test_a_scrape_has_exactly_the_metrics_that_are_documented(live: Live) -> None:
    families = list(text_string_to_metric_families(get(f"{live.daemon}/metrics")))
    documented = catalogue()
    found = {family.name + "_total" * (family.type == "counter"): family for family in families}
    assert set(found) == set(documented)
    for name, family in found.items():
        kind, labels = documented[name]
        assert family.documentation
        assert (name, family.type) == (name, kind)
        assert family.samples or name.startswith("streamrnn_event_"), (
            f"{name} has no series"
        )  # this one serves forecasts
        for sample in family.samples:
            assert (name, set(sample.labels) - {"le"}) == (name, labels)


def test_promtool_accepts_the_scrape(live: Live) -> None:
    result = run(program("promtool"), "check", "metrics", text=get(f"{live.daemon}/metrics"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_query_of_the_dashboard_has_an_answer(live: Live) -> None:
    asked = [(title, query, live.ask(chosen(query))) for title, query in dashboard_queries()]
    assert [(title, query) for title, query, samples in asked if not samples] == []
    unknown = {title for title, _, samples in asked if all(math.isnan(float(sample["value"][1])) for sample in samples)}
    assert unknown <= {"Checkpoint duration"}, "only a checkpoint may not have happened between two scrapes"


def test_every_series_that_the_rules_read_is_there(live: Live) -> None:
    wanted = {selector for expression in rule_expressions() for selector in selectors(expression)}
    assert len(wanted) > 20
    assert {selector for selector in wanted if not live.ask(selector)} == set()


def test_every_rule_is_evaluated_and_only_the_one_with_a_cause_fires(live: Live) -> None:
    groups = json.loads(get(f"{live.prometheus}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(rule_expressions())
    assert {rule["name"]: rule["health"] for rule in rules if rule["health"] != "ok"} == {}
    assert {rule["name"] for rule in rules if rule.get("state") == "firing"} == {LOST}


def test_the_counters_say_what_was_sent(live: Live) -> None:
    refused = live.value("streamrnn_observations_refused_total")
    assert refused == 2
    assert live.value("streamrnn_observations_received_total") == live.value("streamrnn_observations_applied_total") + 2
    assert live.value("streamrnn_observations_late_total") == 1
    assert live.value("streamrnn_observations_duplicate_total") == 1
    assert live.value("streamrnn_observations_lost_total") >= 10
    assert live.value("streamrnn_observations_with_missing_values_total") == 2
    assert live.value("streamrnn_streams") == 2
    assert live.value("streamrnn_observations_learned_total") == GOOD


def test_the_documents_name_known_metrics_only() -> None:
    known = set(catalogue())
    for path in [*TREE.glob("*.md"), *DEPLOY.glob("*.md")]:
        named = set(re.findall(r"`(streamrnn_[a-z0-9_]+)`", path.read_text()))
        assert named <= known, path.name
