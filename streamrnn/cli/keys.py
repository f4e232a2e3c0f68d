"""`keys`: make a key, and the file that lets its owner in."""

from pathlib import Path
from typing import Annotated

import typer
import zmq

from streamrnn.config.keys import Grant, Pair, read_pair, write_grant, write_pair
from streamrnn.errors import StreamrnnError


def command(
    file: Annotated[Path, typer.Argument(help="Where to write the key, mode 0600.", show_default=False)],
    allow: Annotated[Path | None, typer.Option(help="Write a file for the daemon's security.keys, too.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Prefix of streams it may send; '' is all.")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Prefix of topics it may subscribe to; '' is all.")] = None,
) -> None:
    """Make a key for CURVE, the encryption of ZeroMQ, and print its public half. Files that exist are never touched.

    The daemon has a key of its own (security.secret) and lets in the keys that have a file in security.keys. Whoever
    connects needs a key and the daemon's public half. After adding or deleting a file there: `systemctl reload`.

    \b
    Examples:
      streamrnn keys /etc/streamrnn/curve.secret
      streamrnn keys pump.secret --allow keys/pump.toml --source pump- --topic prediction/pump- --topic status/
      streamrnn keys all.secret --allow keys/all.toml --source '' --topic ''
    """
    if (source or topic) and not allow:
        raise StreamrnnError("--source and --topic say what a key may do, and there is no --allow FILE to write it to")
    public, secret = (half.decode() for half in zmq.curve_keypair())
    write_pair(file, Pair(public, secret))
    if allow:
        write_grant(allow, Grant(public, tuple(source or ()), tuple(topic or ())))
    typer.echo(public)


def show_key(socket: zmq.Socket[bytes], secret: Path | None, server: str) -> None:
    """Make a socket encrypt, before it connects. Raises ConfigError for a key that cannot be used."""
    if bool(secret) != bool(server):
        raise StreamrnnError("--secret and --server are needed together", "`streamrnn keys --help`")
    if not secret:
        return
    pair = read_pair(secret)
    try:
        socket.setsockopt(zmq.CURVE_SERVERKEY, server.encode())
    except zmq.ZMQError:
        raise StreamrnnError(f"--server {server!r} is not a public key of 40 characters") from None
    socket.setsockopt(zmq.CURVE_PUBLICKEY, pair.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret.encode())
