"""`ctl`: what an operator asks of a running daemon, over its local socket."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import zmq

from streamrnn.client.meeting import Meeting, meet
from streamrnn.errors import StreamrnnError

HELP = """\
Ask something of a running daemon, over the local socket that its configuration names ([control]). Answers are JSON.

\b
Examples:
  streamrnn ctl status config.toml
  streamrnn ctl forget config.toml pump-1
  streamrnn ctl backup config.toml /var/backups/streamrnn.sqlite
  streamrnn ctl reload config.toml --dry-run
  streamrnn ctl feedback config.toml pump-1/3 false_alarm
"""

SECONDS = 60.0  # a backup takes its time

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
Config = Annotated[Path, typer.Argument(help="The TOML file that the daemon runs with.", show_default=False)]
Stream = Annotated[str, typer.Argument(help="Its name.", show_default=False)]


class RefusedError(StreamrnnError):
    """What the daemon says when it does not do it."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["error"], answer["hint"])
        self.exit_code = answer["exit_code"]


@app.command("status")
def status(config: Config) -> None:
    """What it is doing: streams, producers, journal, checkpoint, endpoints.

    \b
    Examples:
      streamrnn ctl status config.toml | jq .ready
    """
    show(ask(config, command="status"))


@app.command("forget")
def forget(config: Config, stream: Stream) -> None:
    """Let go of a stream: its state is deleted and its place is free. If it sends again it begins anew.

    The order is journaled, so that a recovery repeats it. With pooled weights what it taught the others stays.

    \b
    Examples:
      streamrnn ctl forget config.toml pump-1
    """
    show(ask(config, command="forget", stream=stream))


@app.command("reset")
def reset(config: Config, stream: Stream) -> None:
    """Make a stream as it was before its first observation. The order is journaled.

    \b
    Examples:
      streamrnn ctl reset config.toml pump-1
    """
    show(ask(config, command="reset", stream=stream))


@app.command("freeze")
def freeze(config: Config) -> None:
    """Learn nothing from now on: it predicts and judges with what it has learned. The order is journaled.

    \b
    Examples:
      streamrnn ctl freeze config.toml
    """
    show(ask(config, command="freeze"))


@app.command("unfreeze")
def unfreeze(config: Config) -> None:
    """Learn again, from what comes from now on. The order is journaled.

    \b
    Examples:
      streamrnn ctl unfreeze config.toml
    """
    show(ask(config, command="unfreeze"))


@app.command("backup")
def backup(config: Config, path: Annotated[Path, typer.Argument(help="A new file.", show_default=False)]) -> None:
    """Copy the state to a new file, while the daemon runs; it answers nothing meanwhile.

    To restore: put the file into an empty state directory as `streamrnn.sqlite`. Producers go on by themselves with
    what they have not been told is kept; what was acknowledged after the backup is not in it.

    \b
    Examples:
      streamrnn ctl backup config.toml /var/backups/streamrnn.sqlite
    """
    show(ask(config, command="backup", path=str(path.absolute())))


@app.command("reload")
def reload(
    config: Config, dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False
) -> None:
    """Have the file read again, as SIGHUP does; or say what of the state a changed file would keep and drop.

    \b
    Examples:
      streamrnn ctl reload config.toml --dry-run
      streamrnn ctl reload config.toml
    """
    show(ask(config, command="reload", **({"dry_run": "yes"} if dry_run else {})))


@app.command("feedback")
def feedback(
    config: Config,
    event_id: Annotated[str, typer.Argument(help="As it stands in the anomaly message.", show_default=False)],
    verdict: Annotated[str, typer.Argument(help="true_alarm, false_alarm or ignore.", show_default=False)],
    until: Annotated[float, typer.Option(help="ignore: seconds since the epoch, in the stream's time.")] = 0.0,
) -> None:
    """Say of an alarm that it was one, or none, or that there shall be none until a time. It is journaled.

    A false alarm halves the alerts asked for of this stream, a true one brings back the root of two times as many;
    between a sixteenth and four times as many. The same word on the same event counts once.

    \b
    Examples:
      streamrnn ctl feedback config.toml pump-1/3 false_alarm
      streamrnn ctl feedback config.toml pump-1/4 ignore --until 1647774000
    """
    asked = {"until": repr(until)} if until else {}
    told = ask(config, command="feedback", event_id=event_id, verdict=verdict, **asked)
    if not told["taken"]:
        hint = "EVENT_ID is event_id of an anomaly message, STREAM/NUMBER: streamrnn tail ENDPOINT anomaly/"
        raise StreamrnnError(f"stream {told['stream']!r} has had no event {event_id!r}: nothing was changed", hint)
    show(told)


@app.command("generate")
def generate(
    config: Config,
    stream: Stream,
    n: Annotated[int, typer.Option("--n", min=1, max=4096, help="How many events.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same events.")] = 1,
    temperature: Annotated[
        float, typer.Option(help="Below 1: more of the likeliest; above 1: more of the others.")
    ] = 1.0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest events that have this share together.")] = 1.0,
    prime: Annotated[list[str] | None, typer.Option(help="Let this event have come before; may be repeated.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Print them one after the other, numbers as bytes.")] = False,
) -> None:
    """Draw how a stream of task "events" may go on. Nothing that it will learn is changed.

    \b
    Examples:
      streamrnn ctl generate config.toml host-1 --n 5
      streamrnn ctl generate config.toml soprano --n 64 --temperature 0.8 --prime 60 --prime 62
      streamrnn ctl generate config.toml book --n 400 --top-p 0.9 --text
    """
    given = [int(each) if each.lstrip("-").isdecimal() else each for each in prime or []]
    settings = {"n": str(n), "seed": str(seed), "temperature": str(temperature), "top_p": str(top_p)}
    told = ask(config, command="generate", stream=stream, prime=msgspec.json.encode(given).decode(), **settings)
    if text:
        typer.echo(b"".join(map(_raw, told["events"])).decode(errors="replace"))
    else:
        show(told)


def _raw(event: str | int | None) -> bytes:
    """An event as it stands in a text; numbers that are no bytes are written out, the end of a session ends a line."""
    if event == "":
        return b"\n"
    if isinstance(event, int) and 0 <= event < 256:
        return bytes([event])
    return str(event).encode()


def ask(config: Path, **request: str) -> dict[str, Any]:
    """The daemon's answer. Raises StreamrnnError when there is none or it is a refusal."""
    from streamrnn.config.schema import load
    from streamrnn.service.operations import control
    from streamrnn.service.storage import store

    read = load(config)
    endpoint = control.endpoint(read.control.endpoint, store.directory(read))
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        if meet(socket, endpoint) is not Meeting.MET:
            raise StreamrnnError(f"no daemon answers on {endpoint}", f"start it: streamrnn run {config}")
        socket.send(msgspec.json.encode(request))
        if not socket.poll(int(1000 * SECONDS)):
            raise StreamrnnError(f"no answer on {endpoint} in {SECONDS:.0f} s", "it is busy; ask again, or see its log")
        answer: dict[str, Any] = msgspec.json.decode(socket.recv())
    if not answer.pop("ok"):
        raise RefusedError(answer)
    return answer


def show(answer: dict[str, Any]) -> None:
    """As JSON."""
    typer.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
