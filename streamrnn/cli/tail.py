"""`tail`: what a daemon says, as it says it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import zmq

from streamrnn.cli.keys import show_key
from streamrnn.client.meeting import Meeting, meet
from streamrnn.wire.formats import read

QUIET = 1  # s without a message before that is told
HINT = "Topics are prediction/STREAM/, anomaly/STREAM/, drift/STREAM/, status/ and deadletter/."


def command(
    endpoint: Annotated[str, typer.Argument(help="Where the daemon publishes.", show_default=False)],
    topic: Annotated[str, typer.Argument(help="Prefix of the topics to show; all by default.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as it came.")] = False,
    secret: Annotated[Path | None, typer.Option(help="File with your key, where the daemon asks for one.")] = None,
    server: Annotated[str, typer.Option(help="The daemon's public key.")] = "",
    count: Annotated[int, typer.Option(min=0, help="Stop after this many messages; 0 goes on.")] = 0,
) -> None:
    """Print what a daemon publishes: predictions, anomalies, status and dead letters.

    A topic that ends with a slash names one stream. When nobody publishes there, it says so within two seconds and
    waits.

    \b
    Examples:
      streamrnn tail tcp://127.0.0.1:5556
      streamrnn tail tcp://127.0.0.1:5556 anomaly/
      streamrnn tail tcp://127.0.0.1:5556 prediction/pump-1/ --json --count 10
      streamrnn tail tcp://192.0.2.1:5556 --secret me.secret --server 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'
    """
    shown = 0
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt_string(zmq.SUBSCRIBE, topic)
        show_key(socket, secret, server)
        told = meet(socket, endpoint)
        if told is not Meeting.MET:
            typer.echo(f"{endpoint} {told}; waiting. Is it the daemon's output ([output], endpoint)?", err=True)
        elif not socket.poll(1000 * QUIET):
            typer.echo(f"connected; nothing has come on {topic or 'any topic'} so far. {HINT}", err=True)
        try:
            while not count or shown < count:
                name, *bodies = socket.recv_multipart()
                message = decode(bodies[-1] if bodies else b"null")
                typer.echo(msgspec.json.encode(message).decode() if as_json else line(name.decode(), message))
                shown += 1
        except KeyboardInterrupt:
            return


def decode(body: bytes) -> Any:
    """A published body, JSON or MessagePack."""
    try:
        return read(body)
    except msgspec.DecodeError as error:
        return {"unreadable": str(error)}


def line(topic: str, message: Any) -> str:
    """One message in one line for a reader."""
    if not isinstance(message, dict):
        return f"{topic} {message}"
    if topic.startswith("prediction/"):
        return f"{topic}  {_prediction(message)}"
    if topic.startswith("anomaly/"):
        state, severity, reason = (message.get(key, "") for key in ("state", "severity", "reason"))
        return f"{topic}  {_moment(message.get('time'))}  {state} {severity}: {reason}"
    if topic.startswith("drift/"):
        before, after = _number(message.get("loss_before")), _number(message.get("loss_after"))
        return (
            f"{topic}  {_moment(message.get('time'))}  since {_moment(message.get('since'))}: loss {before} to {after}"
        )
    return f"{topic}  {msgspec.json.encode(message).decode()}"


def _prediction(message: dict[str, Any]) -> str:
    parts = [_moment(message.get("time"))]
    for forecast in message.get("forecasts", []):
        y, low, high = (_last(forecast.get(key)) for key in ("yhat", "yhat_lower", "yhat_upper"))
        parts.append(f"{forecast.get('target')}+{forecast.get('step')} {_number(y)} [{_number(low)}, {_number(high)}]")
    score = _last(message.get("anomaly_score"))
    parts.append("warming up" if message.get("warming_up") else f"score {_number(score)}")
    flags = ("late", "duplicate", "replayed", "retained", "missing")
    return "  ".join(parts + [flag for flag in flags if message.get(flag)])


def _last(value: Any) -> Any:
    """Of columns, the newest entry."""
    return (value[-1] if value else None) if isinstance(value, list) else value


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-"


def _moment(value: Any) -> str:
    value = _last(value)
    if not isinstance(value, int | float):
        return "-"
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S")
