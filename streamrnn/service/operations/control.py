"""The control socket: an operator's requests to a running daemon, on a local socket that file permissions guard.

A request is one JSON object, `{"command": "forget", "stream": "pump-1"}`, from a REQ or DEALER socket; so is the
answer, with `"ok": true` and what there is to tell, or `"ok": false`, an error, a hint and the exit code. What changes
state is journaled before it is done, so that a recovery repeats it in its place.

This is a boundary: whatever goes wrong is answered, and logged with who asked for what. Whether the daemon may go on is
not decided here: the store knows whether it was harmed (`Store.check`).
"""

import os
import socket as plain
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog
import zmq

from streamrnn.errors import EXIT_ERROR, StreamrnnError

Command = Callable[[Mapping[str, str]], dict[str, Any]]

MOST = 10  # requests served a turn
REQUEST_BYTES = 4096
LONGEST = len("ipc://") + 107  # of an endpoint: the path of a Unix socket
OPTIONS: dict[int, int] = {zmq.MAXMSGSIZE: REQUEST_BYTES, zmq.RCVHWM: 10, zmq.SNDHWM: 10, zmq.LINGER: 1000}

CHANGING = ("forget", "reset", "freeze", "unfreeze", "backup", "reload", "feedback")  # each leaves a line in the log

_decode = msgspec.json.Decoder(dict[str, str]).decode
_log = structlog.get_logger("streamrnn")


class Control:
    """Serves requests by name. Commands raise StreamrnnError for what cannot be done, KeyError for what is missing."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands

    def serve(self, socket: zmq.Socket[bytes]) -> None:
        """Take and answer what is waiting."""
        for _ in range(MOST):
            try:
                *route, request = socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            answer = msgspec.json.encode(self._answer(request.bytes, _who(request)))
            with suppress(zmq.ZMQError):  # who asked has gone
                socket.send_multipart([*(part.bytes for part in route), answer], zmq.NOBLOCK)

    def _answer(self, request: bytes, who: str) -> dict[str, Any]:
        """What a request is answered, whatever it is and whatever comes of it."""
        try:
            asked = _decode(request)
            command = self._commands[asked["command"]]
        except (msgspec.MsgspecError, KeyError, UnicodeDecodeError) as error:
            return self._no_request(error)
        answer = self._obey(command, asked, who)
        if asked["command"] in CHANGING:
            _log.info("operator", who=who, asked={key: each[:200] for key, each in asked.items()}, ok=answer["ok"])
        return answer

    def _obey(self, command: Command, asked: dict[str, str], who: str) -> dict[str, Any]:
        try:
            return {"ok": True, **command(asked)}
        except StreamrnnError as error:
            return {"ok": False, "error": error.args[0], "hint": error.hint, "exit_code": error.exit_code}
        except KeyError as error:
            return self._no_request(error)
        except Exception as error:
            _log.error("a command failed", who=who, command=asked["command"], exc_info=True)
            hint = "the daemon goes on; its log has more. Look at what was asked for, and report it"
            return {"ok": False, "error": f"{type(error).__name__}: {error}", "hint": hint, "exit_code": EXIT_ERROR}

    def _no_request(self, error: Exception) -> dict[str, Any]:
        hint = f"commands: {', '.join(self._commands)}"
        return {"ok": False, "error": f"not a request: {error}", "hint": hint, "exit_code": EXIT_ERROR}


def _who(request: zmq.Frame) -> str:
    """The process and user that sent a request, as far as the system tells."""
    with suppress(OSError, zmq.ZMQError, ValueError):
        with plain.socket(fileno=os.dup(int(request.get(zmq.SRCFD)))) as peer:
            process, user, _ = struct.unpack("3i", peer.getsockopt(plain.SOL_SOCKET, plain.SO_PEERCRED, 12))
        return f"uid {user}, pid {process}"
    return "unknown"


def endpoint(configured: str, directory: Path) -> str:
    """Where the control socket is: as configured, else in the state directory."""
    return configured or f"ipc://{directory.absolute()}/control"
