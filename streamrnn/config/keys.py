"""Key files of CURVE, the encryption of ZeroMQ: who we are, and who may come in.

A *pair* is a file with both halves of a key, for its owner alone (0600). A *grant* is a file with the public half of
somebody else's, the streams it may send and the topics it may subscribe to; the daemon lets in whoever has a grant in
its directory of keys, and nobody else. Keys are written in Z85, 40 characters.
"""

import os
import stat
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from streamrnn.errors import ConfigError, StreamrnnError

Key = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}$")]
SUFFIX = ".toml"  # of a grant
_T = TypeVar("_T")
_MAKE = "make one with `streamrnn keys FILE`"


class Pair(Struct, frozen=True, forbid_unknown_fields=True):
    """Both halves of a key."""

    public: Key
    secret: Key


class Grant(Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner of a key may do: prefixes of stream names it sends, prefixes of topics it subscribes to."""

    public: Key
    sources: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()

    def may_send(self, stream: str) -> bool:
        """Whether it may send observations of a stream."""
        return stream.startswith(self.sources)

    def may_hear(self, topic: str) -> bool:
        """Whether everything under a topic prefix is for its ears."""
        return topic.startswith(self.topics)


def read_pair(path: Path) -> Pair:
    """Our own key. Raises ConfigError for a file that is missing, wrong, or readable by others.

    What the service manager put into $CREDENTIALS_DIRECTORY is guarded by it, whatever the bits say.
    """
    try:
        status, text = path.stat(), path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the key {path}: {error}", _MAKE) from None
    others = status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or status.st_uid not in (0, os.getuid())
    if others and str(path.parent) != os.environ.get("CREDENTIALS_DIRECTORY"):
        raise ConfigError(f"the key {path} can be read by others", f"chmod 600 {path}, or make a new one")
    return _decode(path, text, Pair)


def read_grants(directory: Path) -> dict[str, Grant]:
    """Public key -> grant, of every *.toml in a directory. Raises ConfigError; an empty directory lets nobody in."""
    grants: dict[str, Grant] = {}
    try:
        if directory.stat().st_mode & 0o002:
            raise ConfigError(f"everybody may put keys into {directory}", f"chmod o-w {directory}")
        files = sorted(each for each in directory.iterdir() if each.suffix == SUFFIX)
        texts = [each.read_text() for each in files]
    except (OSError, UnicodeDecodeError) as error:
        hint = "security.keys is a directory with one file a key: `streamrnn keys --help`"
        raise ConfigError(f"cannot read the keys in {directory}: {error}", hint) from None
    for file, text in zip(files, texts, strict=True):
        grant = _decode(file, text, Grant)
        if grant.public in grants:
            raise ConfigError(f"{file}: another file has the same key", "one file a key")
        grants[grant.public] = grant
    return grants


def write_pair(path: Path, pair: Pair) -> None:
    """Write a new file for its owner alone; one that exists is never touched. Raises StreamrnnError."""
    _write(path, pair, 0o600)


def write_grant(path: Path, grant: Grant) -> None:
    """Write a new file; one that exists is never touched. Raises StreamrnnError."""
    _write(path, grant, 0o644)


def _write(path: Path, content: Struct, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(_encode(content))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StreamrnnError(f"cannot write {path}: {error.strerror}", "keys are never overwritten") from None


def _encode(content: Struct) -> bytes:
    items = msgspec.structs.asdict(content).items()  # a JSON string or list is one of TOML too
    return b"".join(name.encode() + b" = " + msgspec.json.encode(value) + b"\n" for name, value in items)


def _decode(path: Path, text: str, kind: type[_T]) -> _T:
    try:
        return msgspec.toml.decode(text.encode(), type=kind)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} is not a key file: {error}", _MAKE) from None
