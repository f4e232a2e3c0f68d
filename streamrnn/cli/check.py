"""`check`: is a configuration right, and what will it need?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from streamrnn.config.schema import Config, load
from streamrnn.config.validate import naming
from streamrnn.errors import ConfigError, StreamrnnError
from streamrnn.evaluation.show import size, table
from streamrnn.spec import Model

if TYPE_CHECKING:
    from streamrnn.model.event_plan import Sizes as EventSizes
    from streamrnn.model.plan import Plan
    from streamrnn.model.sizes import Sizes


def command(
    config: Annotated[Path, typer.Argument(help="The TOML file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Read a configuration, plan the model and say what memory it will need; nothing is started or compiled.

    Exits with 78 and a hint when the configuration is wrong, needs more memory than this machine has, or would lose
    something that the state it finds has learned.

    \b
    Examples:
      streamrnn check config.toml
      streamrnn check config.toml --json | jq .memory.total_bytes
    """
    read = load(config)
    with naming(config):
        found = describe(read)
        fit(found["memory"], physical())
        found["state"] = state(read)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        show(found)


def describe(config: Config) -> dict[str, Any]:
    """What a configuration amounts to. Raises ConfigError."""
    from streamrnn.config import resources
    from streamrnn.engine.tasks import compose
    from streamrnn.kernels.core.program import Program
    from streamrnn.model import prior
    from streamrnn.service.build import rows
    from streamrnn.wire import Decoder, Source

    plan = compose(config.model)
    found = resources.of(config.model)
    if found["prior"] is not None:
        prior.check(plan, found["prior"])
    sources = [Source(each.format, each.stream, each.stream_from_topic) for each in config.input]
    Decoder(config.model.features, config.model.task, sources, config.limits.max_observations)  # refuses odd names
    sizes = plan.sizes
    return {
        "task": config.model.task,
        "preset": config.model.preset,
        "features": list(config.model.features),
        "layers": [parts(layer) for layer in sizes.layers],
        "rule": parts(sizes.rule),
        "optimiser": parts(sizes.optimiser),
        **(of_events(sizes) if config.model.task == "events" else of_numbers(sizes)),
        "weights": config.model.weights,
        "parameters": int(plan.table.ints[Program.PARAMS_LENGTH]),
        "durability": config.state.durability,
        "memory": memory(plan, rows(config)),
        "queues": queues(config),
        "hints": hints(config.model),
    }


def state(config: Config) -> dict[str, Any] | None:
    """The state that a start would find, None without one. Raises ConfigError when the model would lose of it."""
    from streamrnn.service.inspect import opened
    from streamrnn.service.recovery import losses
    from streamrnn.service.storage.store import FILE, directory

    path = directory(config)
    if not (path / FILE).exists():
        return None
    try:
        with opened(path) as store:
            found = losses.of_store(store, config.model)
    except StreamrnnError as error:
        return {"path": str(path), "unread": error.args[0]}
    losses.refuse(found)
    return {"path": str(path), "given_up": list(found.told)}


def of_numbers(sizes: "Sizes") -> dict[str, Any]:
    """What a model of numbers has of its own."""
    return {
        "targets": list(sizes.targets),
        "horizons": list(sizes.horizons),
        "experts": [parts(expert) for expert in sizes.experts],
        "head": parts(sizes.model.head),
        "monitors": [parts(sizes.conformal), parts(sizes.anomaly)],
    }


def of_events(sizes: "EventSizes") -> dict[str, Any]:
    """What a model of events has of its own."""
    return {
        "experts": [parts(sizes.context)],
        "vocabulary": parts(sizes.vocabulary),
        "monitors": [parts(sizes.anomaly)],
    }


def memory(plan: "Plan", streams: int) -> dict[str, int]:
    """Bytes of model state, resident once that many streams are known.

    `optimiser_bytes` are those of the optimiser in them, of each stream or of the pool: moments, or the covariances of
    the filter, which grow with the square of a layer's width.
    """
    from streamrnn.kernels.core.program import Program

    shared = 4 * plan.learned.width + 8 * plan.counts.width if plan.pooled else 0
    each = 4 * plan.f32.width + 8 * plan.f64.width + 8 * plan.i64.width
    return {
        "stream_bytes": each,
        "shared_bytes": shared,
        "optimiser_bytes": 4 * int(plan.table.ints[Program.OPTIMISER_LENGTH]),
        "streams": streams,
        "total_bytes": shared + each * streams,
    }


def physical() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def fit(need: dict[str, int], there: int) -> None:
    """Raise ConfigError when the state of all streams is larger than the memory that is `there`."""
    if need["total_bytes"] > there:
        streams = max(0, there - need["shared_bytes"]) // need["stream_bytes"]
        raise ConfigError(
            f"limits: {need['streams']} streams in memory need {size(need['total_bytes'])}, "
            f"and this machine has {size(there)}",
            f"it has room for at most {streams} streams of this model; choose fewer (max_streams, or resident_streams "
            "to let the others rest in the store), or a smaller model",
        )


def hints(model: Model) -> list[str]:
    """What is right and perhaps not meant, a sentence each."""
    if model.task == "events":
        return []
    found = []
    named = [part.__struct_config__.tag for part in model.monitors]
    surprising = [str(kind) for kind in named if kind not in ("conformal", "anomaly")]
    if surprising == ["flat"]:
        found.append('monitors names "flat" alone: no other anomaly is told; name "residual" and "mean" beside it')
    if surprising and "anomaly" not in named:
        found.append('monitors has no "anomaly": no alarm is raised')
    free = [name for name in model.targets or model.features if name not in model.feature]
    if free:
        found.append(f"where {', '.join(free[:3])} cannot be negative, say so: [model.feature.{free[0]}] lower = 0.0")
    return found


def queues(config: Config) -> list[dict[str, Any]]:
    """The most that waits in each socket, for every connected peer."""
    from streamrnn.service.ingest.ports import queued_frames

    limit = config.limits.max_frame_bytes
    frames = queued_frames(limit)
    found: list[dict[str, Any]] = [
        {"socket": each.kind, "endpoint": each.endpoint, "messages": frames, "bytes": frames * limit}
        for each in config.input
    ]
    return [*found, {"socket": "output", "endpoint": config.output.endpoint, "messages": config.output.high_water}]


def parts(part: msgspec.Struct) -> dict[str, Any]:
    """A part with all its settings, as it would stand in the file."""
    return dict(msgspec.to_builtins(part))


def show(found: dict[str, Any]) -> None:
    """The answer for a reader."""
    made = table("The configuration is right", "", "")
    made.show_header = False
    made.columns[1].justify, made.columns[1].no_wrap = "left", False
    for name in ("task", "preset", "weights", "durability", "parameters"):
        made.add_row(name, str(found[name]))
    for name in ("features", "targets", "horizons"):
        if found.get(name):
            made.add_row(name, ", ".join(map(str, found[name])))
    for name in ("layers", "experts", "monitors"):
        made.add_row(name, "\n".join(map(_spell, found[name])))
    for name in ("rule", "head", "vocabulary", "optimiser"):
        if name in found:
            made.add_row(name, _spell(found[name]))
    if kept := found["state"]:
        given_up = (
            f"keeps all but {', '.join(kept['given_up'])}" if kept.get("given_up") else "keeps all that was learned"
        )
        made.add_row("state", f"{kept['path']}: {kept.get('unread') or given_up}")
    need = found["memory"]
    made.add_row("memory", f"{size(need['stream_bytes'])} a stream")
    made.add_row("", f"{size(need['optimiser_bytes'])} of them, or of those that are shared, the optimiser's")
    if need["shared_bytes"]:
        made.add_row("", f"{size(need['shared_bytes'])} shared by all streams")
    made.add_row("", f"{size(need['total_bytes'])} for {need['streams']} streams")
    for queue in found["queues"]:
        most = f", {size(queue['bytes'])}" if "bytes" in queue else ""
        made.add_row(f"queue, {queue['socket']}", f"{queue['endpoint']}: {queue['messages']} messages{most} a peer")
    Console().print(made)
    for hint in found["hints"]:
        Console().print(f"hint: {hint}", highlight=False, markup=False)


def _spell(part: dict[str, Any]) -> str:
    settings = [(name, value) for name, value in part.items() if name != "kind"]
    shown = [f"{name} {f'{value:g}' if isinstance(value, float) else value}" for name, value in settings]
    return f"{part['kind']}({', '.join(shown)})"
