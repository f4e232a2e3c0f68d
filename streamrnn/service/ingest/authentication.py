"""Who comes in over TCP: the keys we know, asked at every handshake and again at every message.

CURVE alone encrypts and lets everybody in; who may connect is decided by the handler of ZAP (ZeroMQ RFC 27), which is
this. It is served by the thread that turns the daemon, so there is no thread of its own to die; while nobody serves it,
or when it fails, nobody gets in: the sockets enforce a domain, and an error is a refusal.

libzmq asks at the handshake only. So every message is looked at again by the key that its connection brought, which
libzmq hands out as `User-Id`, and the connection of a key that has been revoked since is shut down.

Rejected: pyzmq's ThreadAuthenticator, whose thread ends when a callback raises; and the rebinding of a socket to get
rid of one peer, which would cost all others their connection.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import zmq
from zmq.utils import z85

from streamrnn.config.keys import Grant, Pair, read_grants, read_pair
from streamrnn.config.schema import Config, Input, Output, Security
from streamrnn.config.validate import binds
from streamrnn.errors import ConfigError
from streamrnn.service.ingest.connections import Connections

ADDRESS = "inproc://zeromq.zap.01"
DOMAIN = b"streamrnn"
CREDENTIAL = "curve.secret"
HANDSHAKES = 100  # answered a turn, so that a flood of them does not hold up the inputs
OLDEST = (4, 3, 3)  # libzmq before it can be stopped or taken over by who has no key
RESULTS = ("accepted", "unknown_key", "full", "fault")
DENIALS = ("message", "subscription", "too_many_subscriptions")

# 300 lets the peer try again when its handshake has run out of time; after 400 libzmq gives up until it is started anew
_STATUS = {"accepted": b"200", "unknown_key": b"400"}
_NOBLOCK = int(zmq.NOBLOCK)
_log = structlog.get_logger("streamrnn")


@dataclass(slots=True)
class Authenticator:
    """The keys that are let in. Without a pair of our own no endpoint is guarded, and rules.py keeps those local."""

    pair: Pair | None = None
    asks: bool = False  # for keys, where we listen
    grants: Mapping[str, Grant] = field(default_factory=dict)  # by public key
    most: int = 1000  # subscriptions that a key, or a connection without one, may hold
    full: Callable[[], bool] = lambda: False  # whether there are as many connections as there may be
    handshakes: Counter[str] = field(default_factory=Counter)  # by RESULTS
    denied: Counter[str] = field(default_factory=Counter)  # by DENIALS

    def guards(self, spec: Input | Output) -> bool:
        """Whether peers of an endpoint have to show a key."""
        return self.asks and spec.endpoint.startswith("tcp:") and _listens(spec)

    def options(self, spec: Input | Output) -> dict[int, Any]:
        """Options of an endpoint's socket. Raises ConfigError when a key is needed and missing."""
        if self.guards(spec) and self.pair:
            return {
                zmq.CURVE_SERVER: 1,
                zmq.CURVE_SECRETKEY: self.pair.secret.encode(),
                zmq.ZAP_DOMAIN: DOMAIN,
                zmq.ZAP_ENFORCE_DOMAIN: 1,
            }
        if isinstance(spec, Output) or not spec.server_key:
            return {}
        if self.pair is None:
            raise ConfigError(f"{spec.endpoint}: server_key without a key of our own", "set security.secret")
        return {
            zmq.CURVE_SERVERKEY: spec.server_key.encode(),
            zmq.CURVE_PUBLICKEY: self.pair.public.encode(),
            zmq.CURVE_SECRETKEY: self.pair.secret.encode(),
        }

    def follow(self, most: int, full: Callable[[], bool]) -> None:
        """Keep to these limits from now on."""
        self.most, self.full = most, full

    def take_handshakes(self) -> Counter[str]:
        """`handshakes`, which begin anew."""
        taken, self.handshakes = self.handshakes, Counter()
        return taken

    def take_denied(self) -> Counter[str]:
        """`denied`, which begins anew."""
        taken, self.denied = self.denied, Counter()
        return taken

    def open(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
        """The handler's socket: before any other socket of the context is bound. Raises ConfigError."""
        if zmq.zmq_version_info() < OLDEST:
            raise ConfigError(f"libzmq {zmq.zmq_version()} is not safe", "install pyzmq with libzmq 4.3.3 or later")
        if self.pair and not zmq.has("curve"):
            raise ConfigError("this libzmq was built without CURVE", "install pyzmq from its wheel")
        socket = context.socket(zmq.REP)
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(ADDRESS)
        return socket

    def serve(self, socket: zmq.Socket[bytes]) -> None:
        """Answer the handshakes that are waiting."""
        try:
            for _ in range(HANDSHAKES):
                request = socket.recv_multipart(_NOBLOCK)
                socket.send_multipart(self._reply(request), _NOBLOCK)
        except zmq.Again:
            pass
        except zmq.ZMQError:  # who asked gets no answer, and so is not let in
            _log.error("a handshake could not be answered", exc_info=True)

    def key(self, part: zmq.Frame) -> str:
        """The key that a guarded connection brought; "" when it is not let in any more."""
        found = str(part.get("User-Id"))
        return found if found in self.grants else ""

    def shown(self, peers: Connections, part: zmq.Frame) -> str:
        """The key that a guarded message came with; "" and the end of its connection when it is not let in any more."""
        key, descriptor = self.key(part), int(part.get(zmq.SRCFD))
        if key:
            peers.show(descriptor, key)
        else:
            peers.shut(descriptor)
            self.denied["message"] += 1
        return key

    def may_send(self, key: str, stream: str) -> bool:
        """Whether a key may send observations of a stream; "" is the peer of an endpoint that is not guarded."""
        return not key or (key in self.grants and self.grants[key].may_send(stream))

    def may_hear(self, spec: Input | Output, part: zmq.Frame, topic: str) -> bool:
        """Whether the peer of an endpoint that sent a part may hear everything under a topic prefix."""
        return not self.guards(spec) or ((key := self.key(part)) != "" and self.grants[key].may_hear(topic))

    def may_subscribe(self, key: str, topic: bytes) -> bool:
        """Whether a key may hear a topic."""
        if key not in self.grants or not self.grants[key].may_hear(topic.decode("utf-8", "surrogateescape")):
            self.denied["subscription"] += 1
            return False
        return True

    def change_grants(self, grants: Mapping[str, Grant]) -> list[str]:
        """Other keys from now on; those that may do less than before, whose connections have to go."""
        before, self.grants = self.grants, grants
        return [key for key, grant in before.items() if grants.get(key) != grant]

    def _reply(self, request: list[bytes]) -> list[bytes]:
        """The answer to one handshake: whatever goes wrong is a refusal."""
        try:
            result, key = self._judge(request)
        except Exception:
            _log.error("the door failed, and stays shut", exc_info=True)
            result, key = "fault", ""
        self.handshakes[result] += 1
        ident = request[1] if len(request) > 1 else b""
        return [b"1.0", ident, _STATUS.get(result, b"300"), result.encode(), key.encode(), b""]

    def _judge(self, request: list[bytes]) -> tuple[str, str]:
        version, _, domain, _, _, mechanism, *credentials = request
        if (version, domain, mechanism, len(credentials)) != (b"1.0", DOMAIN, b"CURVE", 1):
            return "fault", ""
        key = z85.encode(credentials[0]).decode()
        if key not in self.grants:
            return "unknown_key", ""
        return ("full", "") if self.full() else ("accepted", key)


def authenticator(config: Config) -> Authenticator:
    """Who is let in by a configuration. Raises ConfigError for a key that is missing, wrong or readable by others."""
    security, ours = config.security, None
    if security.keys or any(spec.server_key for spec in config.input):
        ours = read_pair(Path(security.secret or f"{os.environ.get('CREDENTIALS_DIRECTORY', '.')}/{CREDENTIAL}"))
    return Authenticator(ours, bool(security.keys), granted(security), config.limits.max_subscriptions)


def granted(security: Security) -> dict[str, Grant]:
    """The keys that are let in now. Raises ConfigError."""
    return read_grants(Path(security.keys)) if security.keys else {}


def _listens(spec: Input | Output) -> bool:
    return isinstance(spec, Output) or binds(spec)
