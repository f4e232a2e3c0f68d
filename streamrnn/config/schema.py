"""The daemon's configuration: one TOML file, read into frozen Structs.

Unknown keys and values out of range are refused with their line, path and a hint (`explain`). `${NAME}` is replaced
from the environment, and numbers of seconds or bytes may have a unit (`environment`). Every key has a default that
works but `model.features`.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import msgspec.inspect
from msgspec import Meta, Struct

from streamrnn.config.environment import fill
from streamrnn.config.explain import explained
from streamrnn.config.validate import naming, refuse
from streamrnn.errors import ConfigError
from streamrnn.spec import Model

SECONDS, BYTES = {"unit": "seconds"}, {"unit": "bytes"}
Seconds = Annotated[float, Meta(gt=0.0, le=86_400.0, extra=SECONDS)]


class Input(Struct, frozen=True, forbid_unknown_fields=True):
    """One source. `router` acknowledges what is on the disk; `pull` binds and waits for PUSH producers; `sub` connects
    to somebody else's PUB."""

    kind: Literal["pull", "sub", "router"] = "pull"
    endpoint: str = "tcp://127.0.0.1:5555"
    bind: bool | None = None  # None: pull and router bind, sub connects
    format: Literal["auto", "json", "msgpack"] = "auto"
    topics: tuple[str, ...] = ("",)  # sub: prefixes to subscribe to
    stream_from_topic: bool = False  # sub: the topic frame names the stream
    stream: str | None = None  # name for observations that carry none
    bad_values: Literal["missing", "refuse"] = "missing"  # what is no number, or no feature
    server_key: str = ""  # where it connects: public key of the other side, to encrypt and to know it by


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """Where predictions, anomalies, status and dead letters are published."""

    endpoint: str = "tcp://127.0.0.1:5556"
    format: Literal["json", "msgpack"] = "json"
    high_water: Annotated[int, Meta(ge=1)] = 100_000  # messages held for a slow subscriber before it loses some
    catchup: str = ""  # endpoint where subscribers ask for last values and for what they missed; empty: none


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """The Prometheus endpoint. Port 0 chooses a free one, which the log and the status line tell."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 9464


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """Journal and checkpoints. `path` empty: $STATE_DIRECTORY under systemd, else ./state."""

    path: str = ""
    durability: Literal["commit", "interval", "off"] = "commit"
    interval: Seconds = 1.0  # durability "interval": at most so much is lost when the machine dies
    checkpoint: Seconds = 30.0  # seconds between checkpoints
    replay: Seconds = 8.0  # seconds of work that a crash may leave to be done again
    retention: Annotated[float, Meta(ge=0.0, extra=SECONDS)] = (
        0.0  # seconds of silence after which a stream is forgotten; 0: never
    )


class Control(Struct, frozen=True, forbid_unknown_fields=True):
    """The socket of `streamrnn ctl`. `endpoint` empty: a socket in the state directory."""

    enabled: bool = True
    endpoint: str = ""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one daemon will hold and take."""

    max_streams: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    resident_streams: Annotated[int, Meta(ge=0, le=1_000_000)] = 0  # in memory at once, the others rest; 0: all
    max_frame_bytes: Annotated[int, Meta(ge=1024, le=2**30, extra=BYTES)] = 1_048_576
    max_observations: Annotated[int, Meta(ge=1, le=1_000_000)] = 4096  # in one frame
    max_batch: Annotated[int, Meta(ge=1, le=65_536)] = 1024  # frames taken in one turn
    threads: Annotated[int, Meta(ge=1, le=64)] = 1  # that share the streams of a large batch
    window: Annotated[int, Meta(ge=1, le=65_536)] = 1024  # messages a producer may have sent and not acknowledged
    max_producers: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000  # sources of `router` inputs that are remembered
    dead_letters_per_second: Annotated[float, Meta(ge=0.0)] = 100.0
    new_streams_per_second: Annotated[float, Meta(ge=0.0)] | None = None  # of one sender; None: 50 with a key
    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 1000  # of peers with a key
    max_subscriptions: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000  # of one key or connection


class Security(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys. With `keys` every TCP endpoint that listens asks for one; without, none may be reachable from outside."""

    keys: str = ""  # directory with one file for each key that is let in
    secret: str = ""  # file with our own key; empty: `curve.secret` in $CREDENTIALS_DIRECTORY


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """JSON lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Columns(Struct, frozen=True, forbid_unknown_fields=True):
    """How `replay`, `send`, `init` and `run --backfill` read a file: the columns that play a role, and its form, which
    is concluded from its first rows where it is not said."""

    stream: str | None = None  # column that names the stream; None: one stream, `name`
    name: str = "replay"
    time: str | tuple[str, ...] | None = "time"  # several are read as one text; None: one second a row
    event: str | None = None  # task "events": what happened; None: the column "event"
    label: str | None = None
    id: str | None = None
    features: dict[str, str] = {}  # feature -> column, where they differ
    delimiter: str = ""  # of the cells of a row; empty: concluded, as are the next five
    decimal: Literal["", ".", ","] = ""
    encoding: str = ""
    header: bool | None = None  # whether the first row holds the names
    names: tuple[str, ...] = ()  # of the columns, where no row holds them
    time_format: str = ""  # as strptime has it
    timezone: str = "UTC"  # of times that name none
    missing: tuple[str, ...] = ()  # further words for "no value"
    words: dict[str, float] = {}  # texts that stand for a number
    bad_cell: Literal["missing", "refuse"] = "missing"  # a feature's cell that is no number


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    model: Model
    input: tuple[Input, ...] = (Input(),)
    output: Output = Output()
    metrics: Metrics = Metrics()
    state: State = State()
    control: Control = Control()
    limits: Limits = Limits()
    security: Security = Security()
    log: Log = Log()
    columns: Columns = Columns()


def parse(text: str, environment: dict[str, str] | None = None) -> Config:
    """Read a TOML text. Raises ConfigError with the path of what is wrong."""
    try:
        raw = msgspec.toml.decode(text.encode())
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"not valid TOML: {error}", "TOML is KEY = VALUE below [TABLE]; texts stand in quotes"
        ) from None
    types = msgspec.inspect.type_info(Config)
    raw = fill(types, raw, dict(os.environ) if environment is None else environment)
    try:
        return msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise explained(types, raw, text, str(error)) from None


def load(path: Path) -> Config:
    """Read a TOML file and refuse what can never work (`rules`). Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", "give the path of a TOML file") from None
    with naming(path):
        found = parse(text)
        refuse(found)
    return found
