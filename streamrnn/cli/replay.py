"""`replay`: the engine over a recorded file, without the daemon."""

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import typer
from rich.console import Console

from streamrnn.config.validate import naming
from streamrnn.errors import StreamrnnError
from streamrnn.evaluation.aligned import LongRows
from streamrnn.evaluation.hints import Watch
from streamrnn.evaluation.score import Score
from streamrnn.evaluation.show import compiling, left_out, progress, refuse_unwritable
from streamrnn.messages import ANOMALY, OPENED, Batch, Outcomes, keep_runs
from streamrnn.recordings.rows import BATCH, Form, Rows, configured
from streamrnn.recordings.source import FileError

if TYPE_CHECKING:
    from streamrnn.config.schema import Config
    from streamrnn.engine.engine import Engine
    from streamrnn.evaluation.event_score import EventScore
    from streamrnn.evaluation.forecast_picture import Picture

FILES = "The TOML file, which may be left out, and a .csv, .ndjson, .jsonl, .log or .txt file, packed or not."
Write = Callable[[Batch, Any, list[str]], None]
Spell = Callable[[Batch, Any, list[str]], Iterator[list[Any]]]  # the rows of an outcomes file


@dataclass
class Totals:
    """What one pass found."""

    observations: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    refused_streams: int = 0  # observations of streams beyond limits.max_streams
    streams: int = 0
    anomalous: int = 0  # observations with a score of 0.5 or more
    events: int = 0  # anomaly events opened
    silences: int = 0  # streams told to be silent (model.silence)
    silent: list[dict[str, Any]] = field(default_factory=list)  # the first of them
    seconds: float = 0.0  # of the whole pass
    engine_seconds: float = 0.0  # of it in the engine


def command(
    files: Annotated[list[Path], typer.Argument(metavar="[CONFIG] FILE", help=FILES, show_default=False)],
    output: Annotated[Path | None, typer.Option(help="Write one row an observation: .csv, .ndjson or .jsonl.")] = None,
    form: Annotated[Form | None, typer.Option("--as", help="What FILE is; without it, its ending tells.")] = None,
    summary: Annotated[Path | None, typer.Option("--json", help="Write the summary as JSON; - prints it.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw values, forecasts and anomalies (PNG).")] = None,
    long: Annotated[bool, typer.Option("--long", help="OUTPUT has a row for every value and forecast of it.")] = False,
) -> None:
    """Run the engine over a recorded file, once, and say how good it was beside the naive forecasts.

    Every forecast is made before its answer is seen. The columns are named under [columns] in the configuration;
    without one, it is what `streamrnn init FILE` writes. Nothing of a running daemon is touched.

    A row of OUTPUT has stream, seq, time, per target and horizon yhat, lower and upper, then anomaly_score, is_anomaly
    and per target what was expected and what came. With --long it has stream, target, step, the time of a value, the
    value, what had been forecast for it so many steps before (yhat, lower, upper), its score and anomaly event.

    With task "events" every line of a .log or .txt file is an event (its first 256 bytes), and with --as bytes every
    byte of any file; a row of OUTPUT has the event, what was expected, probability, rank and bits.

    \b
    Examples:
      streamrnn replay flow.csv --plot flow.png
      streamrnn replay config.toml flow.csv --output outcomes.csv --json summary.json
      streamrnn replay config.toml flow.csv --output forecasts.csv --long
      streamrnn replay config.toml past.ndjson --json - | jq .horizons
    """
    read, rows = _opened(files, form)
    refuse_unwritable(output, None if str(summary) == "-" else summary, plot)
    picture = None if plot is None else _picture(read)
    from streamrnn.config import resources
    from streamrnn.engine.engine import Engine

    with naming(files[0]), compiling():
        engine = Engine(read.model, read.limits.max_streams, threads=read.limits.threads, **resources.of(read.model))
    told = scored(engine, long)
    watch = Watch(engine)
    with open_outcomes(output, told.header, told.spell) as write, progress("replaying", rows.bytes) as advance:
        totals = replay(engine, rows, told.score, _both(write, picture, watch), advance)
    found = {**asdict(totals), **_rates(totals), **told.found()}
    if summary is not None:
        text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
        typer.echo(text) if str(summary) == "-" else summary.write_text(text + "\n", encoding="utf-8")
    if str(summary) != "-":
        told.show()
        show(totals)
    if picture is not None and plot is not None:
        picture.draw(plot, files[-1].name)
        typer.echo(f"drew {plot}", err=True)
    for line in [*left_out(rows.tally), *watch.hints(read.model)]:
        typer.echo(line, err=True)
    if totals.refused_streams:
        typer.echo(f"{totals.refused_streams} rows of streams beyond limits.max_streams were left out", err=True)


def _opened(files: list[Path], form: Form | None) -> tuple["Config", Rows]:
    """The configuration and the file, looked at before anything is compiled. Raises StreamrnnError."""
    from streamrnn.config import schema as configuration
    from streamrnn.recordings.draft import draft

    if len(files) > 2:
        raise StreamrnnError(f"{len(files)} files", "give a configuration and one file, or the file alone")
    if len(files) == 1 and files[0].suffix == ".toml":
        raise StreamrnnError(f"{files[0]} is a configuration, and there is no file", "streamrnn replay CONFIG FILE")
    if len(files) == 1:
        made = draft(files[0], form=form)
        typer.echo(f"{made.rows.told or files[0].name}\nno configuration: {made.words}", err=True)
        return made.config, configured(files[0], made.config, form)
    read = configuration.load(files[0])
    rows = configured(files[1], read, form)
    if rows.told:
        typer.echo(rows.told, err=True)
    if read.model.task != "events" and rows.form is not Form.TABLE:
        raise FileError(f"{files[1]}: lines and bytes are events", 'set task = "events" under [model]')
    return read, rows


def _picture(config: "Config") -> "Picture":
    """What remembers for the picture. Raises StreamrnnError where nothing can be drawn."""
    model = config.model
    if model.task == "events":
        raise StreamrnnError("events have no picture", "leave --plot out")
    try:
        from streamrnn.evaluation.forecast_picture import Picture
    except ImportError:
        raise StreamrnnError("matplotlib draws, and is not installed", "pip install 'streamrnn[plot]'") from None
    return Picture(tuple(model.targets or model.features), tuple(model.horizons))


def _both(write: Write, picture: "Picture | None", watch: Watch) -> Write:
    """Outcomes to the file, the picture and what is watched for hints."""

    def all_of_them(batch: Batch, outcomes: Any, names: list[str]) -> None:
        write(batch, outcomes, names)
        watch.add(outcomes)
        if picture is not None and isinstance(outcomes, Outcomes):
            picture.add(outcomes, names)

    return all_of_them


@dataclass(frozen=True)
class Scored:
    """What is measured of a task, how it is told, and the columns and rows of its outcomes file."""

    score: "Score | EventScore"
    found: Callable[[], dict[str, Any]]
    show: Callable[[], None]
    header: list[str]
    spell: Spell


def scored(engine: "Engine", long: bool = False) -> Scored:
    """That of an engine's task."""
    from streamrnn.evaluation import event_score, score_table

    if engine.model.task == "events":
        events = event_score.EventScore(engine.shown)
        spell = partial(event_score.rows_of, engine)
        return Scored(events, events.found, events.show, event_score.COLUMNS, spell)
    score = Score(engine.targets, engine.horizons)
    aligned = LongRows(engine.targets, engine.horizons)
    return Scored(
        score=score,
        found=partial(score_table.found, score),
        show=partial(score_table.show, score, engine.level),
        header=aligned.COLUMNS if long else columns_of(engine),
        spell=lambda _, outcomes, names: (aligned.rows if long else rows_of)(outcomes, names),
    )


def replay(
    engine: "Engine",
    rows: Rows,
    score: Any,
    write: Write,
    advance: Callable[[float], None],
    size: int = BATCH,
) -> Totals:
    """One pass over the rows; `score` is that of the engine's task. Raises FileError when nothing can be used."""
    from streamrnn.evaluation.silences import Silences

    totals, begin = Totals(), time.perf_counter()
    silences = Silences(engine)
    for found in rows.batches(size):
        known, runs = _known(found, engine.admit(found.names))
        totals.refused_streams += len(found) - len(known)
        for batch, places in silences.parts(known, runs):
            before = time.perf_counter()
            outcomes = engine.step(batch, places)
            totals.engine_seconds += time.perf_counter() - before
            silences.hear(batch, outcomes)
            totals.observations += len(batch)
            totals.anomalous += int((outcomes.bits & ANOMALY != 0).sum())
            totals.events += int((outcomes.bits & OPENED != 0).sum())
            score.add(outcomes)
            write(batch, outcomes, engine.names)
        advance(rows.tally.position)
    totals.events += silences.opened
    totals.silences, totals.silent = silences.count, silences.found
    totals.seconds = time.perf_counter() - begin
    totals.refused, totals.streams = dict(rows.tally.refused), len(engine.names)
    return totals


def _known(batch: Batch, places: Any) -> tuple[Batch, Any]:
    """The batch without the runs that have no row."""
    if (places >= 0).all():
        return batch, places
    return keep_runs(batch, (places >= 0).tolist()), places[places >= 0]


def _rates(totals: Totals) -> dict[str, float | None]:
    def per(seconds: float) -> float | None:
        return totals.observations / seconds if seconds else None

    return {"observations_per_s": per(totals.seconds), "engine_observations_per_s": per(totals.engine_seconds)}


@contextmanager
def open_outcomes(path: Path | None, header: list[str], spell: Spell) -> Iterator[Write]:
    """A function that writes outcomes to a file, one row an observation, in the form that its ending names."""
    if path is None:
        yield lambda batch, outcomes, names: None
        return
    ending = path.suffix.lower()
    if ending not in (".csv", ".ndjson", ".jsonl"):
        raise FileError(f"{path}: not a .csv, .ndjson or .jsonl file", "choose the form by the ending of --output")
    with path.open("w", encoding="utf-8", newline="") as file:
        yield (_csv_writer if ending == ".csv" else _ndjson_writer)(file, header, spell)


def columns_of(engine: "Engine") -> list[str]:
    """Names of the columns of an outcomes file."""
    forecasts = [
        f"{target}_h{step}_{part}"
        for target in engine.targets
        for step in engine.horizons
        for part in ("yhat", "lower", "upper")
    ]
    both = [f"{target}_{what}" for what in ("expected", "actual") for target in engine.targets]
    return ["stream", "seq", "time", *forecasts, "anomaly_score", "is_anomaly", *both]


def rows_of(outcomes: Outcomes, names: list[str]) -> Iterator[list[Any]]:
    """The rows of an outcomes file; None is unknown or missing."""
    n = len(outcomes)
    forecast = outcomes.forecast.reshape(n, -1).tolist()
    anomalous = (outcomes.bits & ANOMALY != 0).tolist()
    both = np.concatenate([outcomes.expected, outcomes.actual], axis=1).tolist()
    heads = zip(outcomes.row.tolist(), outcomes.seq.tolist(), outcomes.time.tolist(), strict=True)
    for i, (row, seq, moment) in enumerate(heads):
        numbers = [*forecast[i], float(outcomes.score[i]), anomalous[i], *both[i]]
        yield [names[row], seq, moment, *(None if x != x else x for x in numbers)]


def _csv_writer(file: IO[str], header: list[str], spell: Spell) -> Write:
    writer = csv.writer(file)
    writer.writerow(header)

    def write(batch: Batch, outcomes: Any, names: list[str]) -> None:
        for row in spell(batch, outcomes, names):
            writer.writerow([int(cell) if isinstance(cell, bool) else cell for cell in row])

    return write


def _ndjson_writer(file: IO[str], header: list[str], spell: Spell) -> Write:
    def write(batch: Batch, outcomes: Any, names: list[str]) -> None:
        for row in spell(batch, outcomes, names):
            file.write(msgspec.json.encode(dict(zip(header, row, strict=True))).decode() + "\n")

    return write


def show(totals: Totals) -> None:
    """The counts for a reader."""
    rates = _rates(totals)
    Console().print(
        f"{totals.observations} observations of {totals.streams} streams; {totals.anomalous} anomalous, in "
        f"{totals.events} events{_silences(totals)}\n{rates['observations_per_s'] or 0:,.0f} observations/s, "
        f"{rates['engine_observations_per_s'] or 0:,.0f} in the engine",
        highlight=False,
    )


def _silences(totals: Totals) -> str:
    """Behind the number of events, where a stream was silent."""
    if not totals.silences:
        return ""
    first = totals.silent[0]
    due = datetime.fromtimestamp(first["due"], UTC)
    return f"; {totals.silences} silences, the first of {first['stream']}, due at {due:%Y-%m-%d %H:%M:%S}"
