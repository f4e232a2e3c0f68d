"""A recorded file as bytes: what is compressed is unpacked as it is read, and `-` is what comes on standard input.

The first bytes are looked at before anything else is done with a file (`Source.head`), so that what cannot be read is
told at once; a pipe cannot be read twice, so they are kept and given again.
"""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from streamrnn.errors import EXIT_DATA, StreamrnnError

HEAD = 1 << 18  # bytes that are looked at
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # how these begin
ENDINGS = (".gz", ".zst", ".zstd")
STDIN = "-"


class FileError(StreamrnnError):
    """The input file's: nothing in it can be used; exit 65."""

    exit_code = EXIT_DATA


class _Chained(io.RawIOBase):
    """Some bytes, then those of a file."""

    def __init__(self, head: bytes, rest: io.BufferedReader) -> None:
        self._head, self._rest = memoryview(head), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = bytes(self._head[: len(buffer)])
        self._head = self._head[len(found) :]
        if not found:
            found = self._rest.read1(len(buffer))
        buffer[: len(found)] = found
        return len(found)


class Source:
    """A file, or standard input. `head` are its first bytes, unpacked; `size` is 0 where it is not known."""

    def __init__(self, path: Path) -> None:
        self.path, self.piped = path, str(path) == STDIN
        self._position: Callable[[], int] = lambda: 0
        with self._failures():
            self.size = 0 if self.piped else path.stat().st_size
            if self.piped:
                self.head = cast(io.BufferedReader, sys.stdin.buffer).read1(HEAD)
            else:
                with self._unpacked() as file:
                    self.head = file.read(HEAD)

    @property
    def position(self) -> int:
        """How many bytes of the file have been read, as it lies on the disk."""
        return self._position()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes from the start. Raises FileError where they cannot be read or unpacked, also later."""
        with self._failures():
            if self.piped:
                rest = cast(io.BufferedReader, sys.stdin.buffer)
                yield io.BufferedReader(_Chained(self.head, rest))
                return
            with self._unpacked() as file:
                yield file

    @contextmanager
    def _unpacked(self) -> Iterator[BinaryIO]:
        with self.path.open("rb") as file:
            self._position = file.tell
            begin = file.read(4)
            file.seek(0)
            if begin.startswith(GZIP):
                yield cast(BinaryIO, gzip.GzipFile(fileobj=file))
            elif begin == ZSTD:
                yield _of_zstd(file)
            else:
                yield file
            self._position = lambda: self.size

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileError(f"{self.path}: the compressed data are damaged: {error}", "pack it again") from None
        except OSError as error:
            why = error.strerror or str(error)
            raise FileError(f"cannot read {self.path}: {why}", "give the path of a CSV or NDJSON file") from None


def _of_zstd(file: BinaryIO) -> BinaryIO:
    try:
        import zstandard
    except ImportError:
        raise FileError(
            "zstandard unpacks .zst files, and is not installed", "pip install 'streamrnn[files]', or unpack the file"
        ) from None
    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)

    class Reader(io.RawIOBase):
        """The unpacked bytes; what is damaged is an OSError, as of any file."""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            try:
                return int(reader.readinto(buffer))
            except zstandard.ZstdError as error:
                raise OSError(f"the compressed data are damaged: {error}") from None

    return cast(BinaryIO, io.BufferedReader(Reader()))


def suffix(path: Path) -> str:
    """The ending that says what a file is, without that of its compression."""
    inner = path.with_suffix("") if path.suffix.lower() in ENDINGS else path
    return inner.suffix.lower()
