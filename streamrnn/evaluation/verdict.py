"""What the demo's run was worth: errors beside others, coverage, and the anomalies found beside those known."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from rich.console import Console

from streamrnn.evaluation import baselines
from streamrnn.evaluation.figures import Figure, figure
from streamrnn.evaluation.show import moment, number, percent, progress, table
from streamrnn.messages import SEVERITIES, Floats

STEPS = (1, 3, 6, 24)
OURS = "streamrnn"
HOUR = 3600.0
SLACK = 6 * HOUR  # an event may open this long after a stretch has ended and still be about it


@dataclass(frozen=True)
class Stretch:
    """A known anomalous stretch of WaterFlow: river's documentation names four, the times are read off the series."""

    start: float
    end: float
    what: str


KNOWN = tuple(
    Stretch(datetime.fromisoformat(start).timestamp(), datetime.fromisoformat(end).timestamp(), what)
    for start, end, what in (
        ("2022-03-24T08:00+01:00", "2022-03-25T02:00+01:00", "low flow"),
        ("2022-03-29T07:00+02:00", "2022-03-29T21:00+02:00", "low flow"),
        ("2022-04-03T05:00+02:00", "2022-04-03T07:00+02:00", "pumping peak"),
        ("2022-04-27T15:00+02:00", "2022-04-28T07:00+02:00", "low flow"),
    )
)


@dataclass
class Event:
    """One anomaly event, from the messages that opened, worsened and closed it."""

    number: str
    started: float
    ended: float | None
    severity: str
    expected: float | None
    actual: float | None
    known: int | None = None  # index into KNOWN


@dataclass(frozen=True)
class Verdict:
    """All that the demo shows; n observations, K steps."""

    times: Floats  # (n)
    values: Floats  # (n)
    band: Floats  # (n, K, 3) yhat, lower, upper, issued at each observation
    score: Floats  # (n)
    error: dict[str, Floats]  # by forecaster: mean absolute error (K) on the same rows
    scored: list[int]  # (K) those rows
    coverage: list[float | None]  # (K)
    width: list[float | None]  # (K)
    coverage_all: float | None
    level: float
    events: list[Event]


def judge(
    times: Floats, values: Floats, predictions: dict[float, dict[str, Any]], anomalies: Iterable[dict[str, Any]]
) -> Verdict:
    """Compare what was published with what came and with what others predict."""
    messages = [predictions[time] for time in times.tolist()]
    band = np.array([_band(message) for message in messages])
    actual = baselines.answers(times, values, STEPS)
    forecasts = {OURS: band[:, :, 0], **baselines.naive(times, values, STEPS)}
    settings = baselines.settings()
    with progress("river's forecasters", len(settings)) as advance:
        for done, setting in enumerate(settings, start=1):
            forecasts[setting.name] = baselines.predict(setting, values.tolist(), STEPS)
            advance(done)
    error, scored = baselines.errors(actual, forecasts)
    width = band[:, :, 2] - band[:, :, 1]
    known = np.isfinite(actual) & np.isfinite(width)
    inside = known & (band[:, :, 1] <= actual) & (actual <= band[:, :, 2])
    score = [message["anomaly_score"] for message in messages]
    return Verdict(
        times=times,
        values=values,
        band=band,
        score=np.array([np.nan if each is None else each for each in score]),
        error=error,
        scored=scored,
        coverage=[_mean(inside[known[:, k], k]) for k in range(len(STEPS))],
        width=[_mean(width[known[:, k], k]) for k in range(len(STEPS))],
        coverage_all=_mean(inside[known]),
        level=float(messages[-1]["level"]),
        events=events(anomalies),
    )


def events(anomalies: Iterable[dict[str, Any]]) -> list[Event]:
    """The anomaly events, each matched with the known stretch that it is about."""
    found: dict[str, Event] = {}
    for message in anomalies:
        name, severity = message["event_id"], message["severity"]
        (expected,), (actual,) = message["expected"].values(), message["actual"].values()
        event = found.setdefault(name, Event(name, message["started"], None, severity, expected, actual))
        if SEVERITIES.index(severity) > SEVERITIES.index(event.severity):
            event.severity, event.expected, event.actual = severity, expected, actual
        if message["state"] == "close":
            event.ended = message["time"]
    for event in found.values():
        end = event.ended or event.started
        matches = [i for i, each in enumerate(KNOWN) if event.started <= each.end + SLACK and end >= each.start]
        event.known = matches[0] if matches else None
    return list(found.values())


def best(result: Verdict, family: str) -> Floats:
    """The least error (K) of one family of river's forecasters."""
    names = [setting.name for setting in baselines.settings() if setting.family == family]
    least: Floats = np.min([result.error[name] for name in names], axis=0)
    return least


def rows(result: Verdict) -> list[Figure]:
    """Every figure in the common form."""
    others = {
        "persistence": result.error["persistence"],
        "seasonal": result.error["24 h ago"],
        "snarimax": best(result, "snarimax"),
        "holtwinters": best(result, "holtwinters"),
    }
    found = []
    for k, step in enumerate(STEPS):
        ours = float(result.error[OURS][k])
        found.append(figure(f"demo.h{step}.mae", ours, "l/s"))
        for name, error in others.items():
            found.append(figure(f"demo.h{step}.mae_{name}", error[k], "l/s"))
            found.append(figure(f"demo.h{step}.skill_{name}", 1 - ours / float(error[k]), "1"))
        found.append(figure(f"demo.h{step}.coverage", result.coverage[k], "1"))
        found.append(figure(f"demo.h{step}.width", result.width[k], "l/s"))
        found.append(figure(f"demo.h{step}.scored", result.scored[k], "forecasts"))
    hits = {event.known for event in result.events} - {None}
    found.append(figure("demo.coverage", result.coverage_all, "1"))
    found.append(figure("demo.events", len(result.events), "events"))
    found.append(figure("demo.known_found", len(hits), "stretches"))
    found.append(figure("demo.events_elsewhere", sum(event.known is None for event in result.events), "events"))
    return found


def show(console: Console, result: Verdict, metrics: dict[Any, float], address: str) -> None:
    """Tables for a reader."""
    console.print(_error_table(result))
    console.print(
        f"on the same {', '.join(map(str, result.scored))} forecasts; river's models as they are\n", style="dim"
    )
    console.print(_interval_table(result))
    console.print(_event_table(result))
    missed = [stretch for i, stretch in enumerate(KNOWN) if i not in {event.known for event in result.events}]
    for stretch in missed:
        console.print(f"missed: {stretch.what}, {moment(stretch.start)} to {moment(stretch.end)}", style="red")
    hits, other = len(KNOWN) - len(missed), sum(event.known is None for event in result.events)
    console.print(f"{hits} of {len(KNOWN)} known stretches found, {other} events elsewhere\n", highlight=False)
    console.print(_metrics_table(metrics, address))


def _error_table(result: Verdict) -> Any:
    made = table("Mean absolute error, l/s", "hours ahead", *(str(step) for step in STEPS))
    for name, error in result.error.items():
        shown = f"river {name}" if name not in (OURS, "persistence", "24 h ago") else name
        made.add_row(shown, *(number(float(x)) for x in error), style="bold" if name == OURS else None)
    made.add_section()
    for other in ("persistence", "24 h ago"):
        skill = 1 - result.error[OURS] / result.error[other]
        made.add_row(f"skill against {other}", *(percent(float(x)) for x in skill))
    return made


def _interval_table(result: Verdict) -> Any:
    made = table(f"Intervals, {percent(result.level)} asked for", "hours ahead", *map(str, STEPS), "all")
    made.add_row("coverage", *map(percent, result.coverage), percent(result.coverage_all))
    made.add_row("mean width, l/s", *map(number, result.width), "")
    return made


def _event_table(result: Verdict) -> Any:
    made = table("Anomaly events (UTC)", "opened", "closed", "severity", "expected", "actual", "known stretch")
    made.columns[0].no_wrap = True
    for event in result.events:
        closed = moment(event.ended)[5:] if event.ended else "open"
        stretch = KNOWN[event.known] if event.known is not None else None
        about = stretch.what if stretch else "-"
        values = number(event.expected, 1), number(event.actual, 1)
        made.add_row(moment(event.started)[5:], closed, event.severity, *values, about)
    return made


def _metrics_table(metrics: dict[Any, float], address: str) -> Any:
    made = table(f"Metrics, from {address}", "metric", "value")
    wanted = [
        ("streamrnn_observations_applied_total", ()),
        ("streamrnn_observations_learned_total", ()),
        ("streamrnn_updates_total", ()),
        *(("streamrnn_forecast_skill_persistence_ratio", (("step", str(step)),)) for step in STEPS),
        *(("streamrnn_interval_coverage_ratio", (("step", str(step)),)) for step in STEPS),
        *(("streamrnn_anomaly_events_total", (("severity", name),)) for name in SEVERITIES[1:]),
    ]
    for name, labels in wanted:
        if (name, labels) in metrics:
            label = ",".join(f'{key}="{value}"' for key, value in labels)
            made.add_row(f"{name}{{{label}}}" if label else name, f"{metrics[name, labels]:.4g}")
    return made


def _band(message: dict[str, Any]) -> list[list[float]]:
    by_step = {forecast["step"]: forecast for forecast in message["forecasts"]}
    return [
        [np.nan if (x := by_step[step][key]) is None else x for key in ("yhat", "yhat_lower", "yhat_upper")]
        for step in STEPS
    ]


def _mean(what: Any) -> float | None:
    return float(np.mean(what)) if len(what) else None
