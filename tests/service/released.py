"""States as released versions left them, and what this version makes of each.

`golden` has a directory for every released version, and in it for every case

    NAME.toml      the configuration
    NAME.tar.xz    the database and its log as a killed daemon left them: rows stored, half of a checkpoint, frames that
                   wait to be replayed
    NAME.json      what is to be read of them, and what is predicted once they are replayed and have learned some more

They are made, from the root of the repository, with

    PYTHONPATH=. python tests/service/released.py make      the states of this version, and what is read of them
    PYTHONPATH=. python tests/service/released.py record    what is read of every state, anew

A released version's state is never made again. That of a version to come is, whenever its form changes; it begins with
the .toml files of the version before. `record` is for a change that is meant to change what is predicted: the
difference of the .json shows by how much.
"""

import io
import json
import math
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import Turned
from test_producer_sessions import Dealer

from streamrnn import __version__
from streamrnn.service import inspect
from streamrnn.service.storage.checkpoint import Checkpoint
from streamrnn.service.storage.store import FILE

GOLDEN = Path(__file__).parent / "golden"
FILES = (FILE, f"{FILE}-wal")
CASES = ("forecast", "events")
LEARNED = 12  # observations of each stream that it is given once it is replayed

Numbered = tuple[str, int]  # stream, and which of its observations


def cases() -> list[Path]:
    """Every case of every version, without the ending of its files."""
    return sorted(each.with_suffix("") for each in GOLDEN.glob("*/*.toml"))


def observation(case: Path, stream: str, k: int) -> dict[str, Any]:
    """Number `k` of a stream: a wave of its own, or letters that mostly follow one another."""
    said: dict[str, Any] = {"stream": stream, "time": 1.7e9 + 60.0 * k}
    if case.name == "events":
        return said | {"event": "abcabd"[(k + k // 7) % 6], "end": k % 25 == 24}
    return said | {"values": {"flow": round(10.0 + 3.0 * math.sin(k / (4.0 + len(stream))), 3)}}


@contextmanager
def turned(case: Path, path: Path, streams: int = 5) -> Iterator[Turned]:
    """The daemon of a case on what lies in `path`; it is killed in the end, unless it has been stopped.

    `streams`: one more than there was room for, so that what was refused then could be let in now.
    """
    one = Turned(path, case.with_suffix(".toml").read_text().format(path=path, streams=streams))
    try:
        yield one
    finally:
        one.kill()


def unpack(case: Path, path: Path) -> Path:
    """Put the state of a case where its configuration looks for it: `path`/state."""
    state = path / "state"
    state.mkdir(mode=0o700)
    with tarfile.open(case.with_suffix(".tar.xz")) as archive:
        for name in FILES:
            content = archive.extractfile(name)
            assert content is not None
            (state / name).write_bytes(content.read())
    return state


def read(case: Path, path: Path) -> dict[str, Any]:
    """What is to be found again: of the state as it lies there, after its replay, and after more was learned."""
    state = unpack(case, path)
    found: dict[str, Any] = {"lies": looked_at(state)}
    with turned(case, path) as one:
        names = [name for name in one.daemon.parts.engine.names if name]
        found["replayed"] = {name: told(one, name) for name in names}
        one.stop()
    found["kept"] = kept(state)
    with turned(case, path) as one:
        push(one, case, [[(name, 100 + k) for name in names] for k in range(LEARNED)])
        found["learned"] = {name: told(one, name) for name in names}
    return found


def looked_at(state: Path) -> dict[str, Any]:
    """All that `state check` and `state dump` say of files that nobody has opened yet."""
    with inspect.opened(state) as store:
        check = inspect.check(store)
        del check["file"], check["written_by"]
        forgotten = [row.name for row in Checkpoint(store).load() if not row.blob]
        return {"check": check, "forgotten": forgotten, "dump": list(inspect.dump(store))}


def kept(state: Path) -> list[dict[str, Any]]:
    """A dump without what the numbers of a stream decide, and how they are laid out."""
    with inspect.opened(state) as store:
        lines = list(inspect.dump(store))
    numbers = ("bytes", "layout", "sha256", "held")
    return [{key: value for key, value in line.items() if key not in numbers} for line in lines]


def told(one: Turned, stream: str) -> dict[str, Any]:
    """The last prediction of a stream."""
    last = one.daemon.parts.streams.last(stream)
    assert last is not None
    return dict(json.loads(last[1]))


def push(one: Turned, case: Path, frames: Sequence[Sequence[Numbered]]) -> None:
    """Frames of observations into the `pull` input, until all have been served."""
    name = "streamrnn_frames_received_total", one.daemon.endpoints[0]
    before = one.value(*name)
    for these in frames:
        one.peers.push.send_json([observation(case, stream, k) for stream, k in these])
    one.until(lambda: one.value(*name) == before + len(frames))


def acknowledged(one: Turned, case: Path, gate: Dealer, seq: int, these: Sequence[Numbered]) -> int:
    """Observations of a producer, from number `seq` on, in one frame; the number that follows."""
    body = json.dumps([observation(case, stream, k) for stream, k in these]).encode()
    gate.send(b"D", seq, len(these), body)
    assert gate.acked() == seq + len(these) - 1
    return seq + len(these)


def live(case: Path, path: Path) -> None:
    """A life whose end leaves something of everything in the database, copied into `path`/left."""
    with turned(case, path, streams=4) as one:
        gate, seq = Dealer(one), 1
        for k in range(40):
            seq = acknowledged(one, case, gate, seq, [(name, k) for name in ("a", "b/c", "é", "gone")])
        one.stop()
        one.start()
        daemon, gate = one.daemon, Dealer(one)
        daemon.parts.commands.order("forget", "gone")
        push(one, case, [[(name, k) for name in ("a", "b/c", "é")] for k in range(40, 44)])
        for _ in range(2):  # the forgotten stream alone, then one more; with pooled weights, all
            daemon.parts.checkpoint.write(daemon.parts.engine, daemon.parts.journal.last, 1)
        push(one, case, [[("b/c", 44), ("late", 0), ("too many", 0), ("a", 44)], [("a", 46)], [("é", 44), ("a", 45)]])
        daemon.parts.commands.order("forget", "late")
        daemon.parts.commands.order("reset", "é")
        push(one, case, [[("é", 45 + k)] for k in range(5)])
        acknowledged(one, case, gate, seq, [("a", 47), ("b/c", 45)])
        (path / "left").mkdir()
        for name in FILES:  # as they are now: nothing is folded in, nobody says goodbye
            shutil.copyfile(path / "state" / name, path / "left" / name)


def make(case: Path) -> None:
    """Live, and pack what is left; the same bytes give the same archive."""
    with tempfile.TemporaryDirectory() as path:
        live(case, Path(path))
        with tarfile.open(case.with_suffix(".tar.xz"), "w:xz", preset=9) as archive:
            for name in FILES:
                content = (Path(path) / "left" / name).read_bytes()
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


def record(case: Path) -> None:
    """Write down what is read of a case."""
    with tempfile.TemporaryDirectory() as path:
        text = json.dumps(read(case, Path(path)), indent=1, ensure_ascii=False)
    case.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        for name in CASES:
            make(GOLDEN / __version__ / name)
            record(GOLDEN / __version__ / name)
    elif sys.argv[1:] == ["record"]:
        for case in cases():
            record(case)
    else:
        sys.exit(__doc__)
