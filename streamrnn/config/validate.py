"""What no single key can tell: rules between the keys of a configuration, and values that no type refuses.

A configuration that passes can be started on some machine. Whether this machine has the directory, the address or a
free port is found out when the daemon opens it.
"""

import ipaddress
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from streamrnn.errors import ConfigError, WireError
from streamrnn.wire.incoming.rows import checked_name

if TYPE_CHECKING:
    from streamrnn.config.schema import Config, Input

ENDPOINT_HINT = "write tcp://ADDRESS:PORT or ipc:///PATH"
TOPIC_BYTES = 511  # libzmq frees a subscription by as many nested calls: a very long one overflows the stack
IPC_BYTES = 107  # the longest path of a Unix socket


def refuse(config: "Config") -> None:
    """Raise ConfigError, with the path of the key and a hint, for a configuration that can never work."""
    _finite("", msgspec.to_builtins(config))
    if not config.model.features and config.model.task != "events":
        raise ConfigError("model.features is missing or empty", "name at least one feature")
    if config.model.lateness and config.model.task != "forecast":
        hint = "leave it out: labels and events are taken in the order in which they come"
        raise ConfigError(f"model.lateness with task {config.model.task!r}", hint)
    if not config.input:
        raise ConfigError("input is empty", "write at least one [[input]], or leave the key out for the default one")
    for number, each in enumerate(config.input):
        _input(f"input[{number}]", each)
        if each.kind == "router" and config.state.durability == "off":
            hint = 'state.durability = "commit" or "interval"; or kind = "pull", which promises nothing'
            raise ConfigError(f"input[{number}]: `router` acknowledges what is kept, and nothing is (durability)", hint)
    _endpoint("output.endpoint", config.output.endpoint, True)
    if config.control.endpoint:
        _endpoint("control.endpoint", config.control.endpoint, True)
        if not config.control.endpoint.startswith("ipc:"):
            raise ConfigError("control.endpoint: only ipc, which file permissions guard", "write ipc:///PATH")
    if config.output.catchup:
        _endpoint("output.catchup", config.output.catchup, True)
    _clashes(config)
    _doors(config)
    _queue("output.high_water", config.output.high_water)
    _host(config.metrics.host)
    _name("columns.name", config.columns.name)
    for feature in config.columns.features:
        if feature not in config.model.features:
            raise ConfigError(f"columns.features: {feature!r} is not a feature", "write FEATURE = COLUMN")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name in front of every ConfigError raised inside."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.args[0]}", error.hint) from None


def binds(spec: "Input") -> bool:
    """Whether an input waits for others to connect."""
    return spec.kind != "sub" if spec.bind is None else spec.bind


def _input(path: str, spec: "Input") -> None:
    _endpoint(f"{path}.endpoint", spec.endpoint, binds(spec))
    if spec.stream is not None:
        _name(f"{path}.stream", spec.stream)
    if spec.kind == "sub":
        if not spec.topics:
            raise ConfigError(f"{path}.topics is empty: nothing would be received", 'topics = [""] takes all')
        if any(len(topic.encode()) > TOPIC_BYTES for topic in spec.topics):
            raise ConfigError(f"{path}.topics: one has more than {TOPIC_BYTES} bytes", "subscribe to a shorter prefix")
        return
    if spec.stream_from_topic:
        raise ConfigError(f"{path}.stream_from_topic: messages of a `{spec.kind}` have no topic", 'kind = "sub"')
    if spec.topics != ("",):
        raise ConfigError(f"{path}.topics: messages of a `{spec.kind}` have no topic", 'kind = "sub"')


def _endpoint(path: str, endpoint: str, bind: bool) -> None:
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc":
        _socket(path, endpoint, rest)
        return
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not host or any(letter.isspace() or letter == "/" for letter in rest):
        raise ConfigError(f"{path}: {endpoint!r} is not an endpoint", ENDPOINT_HINT)
    if bind and port == "*":
        return
    if not (port.isascii() and port.isdecimal() and (0 if bind else 1) <= int(port) <= 65535):
        raise ConfigError(f"{path}: {endpoint!r} has no port of {0 if bind else 1} to 65535", ENDPOINT_HINT)


def _socket(path: str, endpoint: str, file: str) -> None:
    """Refuse what cannot be the path of a Unix socket."""
    if not 0 < len(file.encode()) <= IPC_BYTES:
        raise ConfigError(f"{path}: {endpoint!r} has no path of 1 to {IPC_BYTES} bytes", ENDPOINT_HINT)
    if file.startswith("@"):
        raise ConfigError(f"{path}: {endpoint!r} is abstract, and open to everybody here", ENDPOINT_HINT)


def _clashes(config: "Config") -> None:
    """Refuse endpoints that stand twice where only one can have them."""
    for (i, one), (k, other) in combinations(enumerate(config.input), 2):
        same = one.endpoint == other.endpoint and not _chosen(one.endpoint)
        if same and (binds(one) or binds(other) or one == other):
            raise ConfigError(f"input[{k}].endpoint: {other.endpoint} is that of input[{i}]", "give each its own")
    outputs = [("output.endpoint", config.output.endpoint), ("output.catchup", config.output.catchup)]
    taken = {each.endpoint: f"input[{i}]" for i, each in enumerate(config.input)}
    for path, endpoint in outputs:
        if endpoint in taken and not _chosen(endpoint):
            raise ConfigError(f"{path}: {endpoint} is that of {taken[endpoint]}", "give each its own")
        taken[endpoint] = path


def _chosen(endpoint: str) -> bool:
    """Whether the system chooses a free port."""
    return endpoint.startswith("tcp:") and endpoint.rpartition(":")[2] in ("0", "*")


def _doors(config: "Config") -> None:
    """Refuse TCP endpoints that others than this machine can reach and that ask for no key."""
    guarded = bool(config.security.keys)
    if config.security.secret and not guarded and not any(each.server_key for each in config.input):
        raise ConfigError("security.secret without security.keys", "name the directory of the keys that are let in")
    listening = [(f"input[{i}].endpoint", each.endpoint) for i, each in enumerate(config.input) if binds(each)]
    listening += [("output.endpoint", config.output.endpoint), ("output.catchup", config.output.catchup)]
    for path, endpoint in listening:
        if not guarded and not local(endpoint):
            hint = "set security.keys (see `streamrnn keys --help`), or listen on 127.0.0.1 or ipc://"
            raise ConfigError(f"{path}: {endpoint} can be reached by others, and asks for no key", hint)
    _connecting(config)


def _connecting(config: "Config") -> None:
    """Refuse inputs that connect to another machine and cannot know which."""
    for i, each in enumerate(config.input):
        if each.server_key and (binds(each) or not each.endpoint.startswith("tcp:")):
            raise ConfigError(f"input[{i}].server_key on an endpoint that does not connect over TCP", "leave it out")
        if not binds(each) and not each.server_key and not local(each.endpoint):
            hint = "set server_key to the public key of the other side"
            raise ConfigError(f"input[{i}].endpoint: {each.endpoint} is another machine, and shows no key", hint)


def local(endpoint: str) -> bool:
    """Whether an endpoint cannot be reached from another machine."""
    host = endpoint.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    if not endpoint.startswith("tcp:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, an interface, "*"
        return False


def _queue(path: str, messages: int) -> None:
    if messages >= 2**31:
        raise ConfigError(f"{path}: {messages} is more than 2^31 - 1", "a queue is held in memory for every subscriber")


def _host(host: str) -> None:
    try:
        if host != "localhost":
            ipaddress.IPv4Address(host)
    except ValueError:
        hint = "127.0.0.1 for this machine alone, 0.0.0.0 for all of its addresses"
        raise ConfigError(f"metrics.host: {host!r} is not an IPv4 address", hint) from None


def _name(path: str, name: str) -> None:
    try:
        checked_name(name)
    except WireError as error:
        raise ConfigError(f"{path}: {error.args[0]}", error.hint) from None


def _finite(path: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path} is {value}", "write a finite number")
    if isinstance(value, dict):
        for key, inner in value.items():
            _finite(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            _finite(f"{path}[{number}]", inner)
