"""The control socket: an operator's requests to a running daemon, on a local socket that file permissions guard.

A request is one JSON object, `{"command": "forget", "stream": "pump-1"}`, from a REQ or DEALER socket; so is the
answer, with `"ok": true` and what there is to tell, or `"ok": false`, an error, a hint and the exit code. What changes
state is journaled before it is done, so that a recovery repeats it in its place.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import zmq

from streamrnn.errors import StreamrnnError

Command = Callable[[Mapping[str, str]], dict[str, Any]]

MOST = 10  # requests served a turn
REQUEST_BYTES = 4096
LONGEST = len("ipc://") + 107  # of an endpoint: the path of a Unix socket
OPTIONS: dict[int, int] = {zmq.MAXMSGSIZE: REQUEST_BYTES, zmq.RCVHWM: 10, zmq.SNDHWM: 10, zmq.LINGER: 1000}

_decode = msgspec.json.Decoder(dict[str, str]).decode


class Control:
    """Serves requests by name. Commands raise StreamrnnError for what cannot be done, KeyError for what is missing."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands

    def serve(self, socket: zmq.Socket[bytes]) -> None:
        """Take and answer what is waiting."""
        for _ in range(MOST):
            try:
                *route, request = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            with suppress(zmq.ZMQError):  # who asked has gone
                socket.send_multipart([*route, msgspec.json.encode(self._answer(request))], zmq.NOBLOCK)

    def _answer(self, request: bytes) -> dict[str, Any]:
        try:
            asked = _decode(request)
            command = self._commands[asked["command"]]
            return {"ok": True, **command(asked)}
        except StreamrnnError as error:
            return {"ok": False, "error": error.args[0], "hint": error.hint, "exit_code": error.exit_code}
        except (msgspec.MsgspecError, KeyError, UnicodeDecodeError) as error:
            hint = f"commands: {', '.join(self._commands)}"
            return {"ok": False, "error": f"not a request: {error}", "hint": hint, "exit_code": 1}


def endpoint(configured: str, directory: Path) -> str:
    """Where the control socket is: as configured, else in the state directory."""
    return configured or f"ipc://{directory.absolute()}/control"
