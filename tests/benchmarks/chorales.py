"""Chorale melodies: the next note of the soprano of 371 chorales of J. S. Bach (Riemenschneider), one pass in order.

A note is its pitch and its length, `67 1.5`; a chorale is a stream that ends, weights are pooled. `pitch` leaves the
lengths out; `bass` is `pitch` with the bass under the next note, sent along with the note before it as numbers (the
class of its pitch, and how high it lies). Every note is scored, the first of a chorale too, and then learned from.
Beside it the best order-k Witten-Bell table over the chorale's own history, k from 0 to 5; with the bass, over the
class of its pitch and the last k - 1 notes.

The corpus comes with the package music21 (`pip install music21`). --melody FILE writes notes drawn after the last
chorale, as MusicXML (.musicxml) or MIDI (.mid).
"""

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec import structs

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure
from tests.benchmarks.command import finish, reader
from tests.benchmarks.keys import Event, beside, engine_of, feed

MODEL = spec.Model(
    task="events",
    weights="pooled",
    experts=(spec.Context(longest=6, contexts=4096),),
    vocabulary=spec.Vocabulary(symbols=256),
)
BASS = (*(f"class {number}" for number in range(12)), "height")
WITH_BASS = structs.replace(MODEL, features=BASS)
NOTES = 96  # of the melody, at most


class Note(NamedTuple):
    """A note of the soprano: pitches as in MIDI, 0 is a rest; length in quarters; the bass that sounds with it."""

    pitch: int
    length: float
    bass: int


def part(chorale: Any, number: int) -> list[tuple[float, int, float]]:
    """When each note of a part begins, its pitch and its length; ties are one note."""
    notes = chorale.parts[number].stripTies().flatten().notesAndRests
    found = [(float(note.offset), note.pitch.midi if note.isNote else 0, float(note.quarterLength)) for note in notes]
    return [note for note in found if note[2] > 0.0]


def melodies(music21: Any) -> Iterator[list[Note]]:
    """The soprano of every chorale."""
    for chorale in music21.corpus.chorales.Iterator():
        low = part(chorale, -1)
        begins = [begin for begin, _, _ in low]
        piece = []
        for begin, pitch, length in part(chorale, 0):
            place = bisect_right(begins, begin) - 1
            piece.append(Note(pitch, length, low[place][1] if place >= 0 else 0))
        yield piece


def numbers_of(bass: int) -> tuple[float, ...]:
    """The class of a pitch as twelve numbers, and how high it lies; all 0 for a rest."""
    return (*(float(bass > 0 and bass % 12 == number) for number in range(12)), bass / 12.0)


def events_of(pieces: list[list[Note]], spell: Callable[[Note], str], bass: bool = False) -> list[Event]:
    """The notes as events; with the bass, each but the first of a piece is known to be over it."""
    events = []
    for number, piece in enumerate(pieces):
        for i, note in enumerate(piece):
            following = piece[i + 1].bass if i + 1 < len(piece) else 0
            given = f"bass {note.bass % 12 if note.bass else None}" if bass and i else ""
            beside = numbers_of(following) if bass else ()
            events.append(Event(f"{number}", spell(note), None, i == len(piece) - 1, beside, given))
    return events


def measure(name: str, events: list[Event], engines: list[Engine]) -> list[Figure]:
    """Figures of one way to spell a note."""
    told, tables = [feed(engine, events) for engine in engines], [beside(events, k) for k in range(6)]
    return [
        Figure(f"chorales.{name}.bits", float(np.mean([one.bits.mean() for one in told])), "bits/note"),
        Figure(f"chorales.{name}.top1", float(np.mean([(one.rank == 1).mean() for one in told])), "1"),
        Figure(f"chorales.{name}.net.bits", float(np.mean([one.network.mean() for one in told])), "bits/note"),
        Figure(f"chorales.{name}.bits@table", min(float(bits.mean()) for bits, _ in tables), "bits/note"),
        Figure(f"chorales.{name}.top1@table", max(float(hits.mean()) for _, hits in tables), "1"),
    ]


def write(music21: Any, notes: list[str | int | None], path: Path) -> None:
    """A melody, until it ends, to a file."""
    melody = music21.stream.Stream()
    for note in notes[: notes.index("")] if "" in notes else notes:
        pitch, length = str(note).split()
        made = music21.note.Note(int(pitch)) if int(pitch) else music21.note.Rest()
        made.quarterLength = float(length)
        melody.append(made)
    melody.write("midi" if path.suffix == ".mid" else "musicxml", fp=str(path))


SPELLINGS: tuple[tuple[str, Callable[[Note], str], spec.Model], ...] = (
    ("pitch", lambda note: f"{note.pitch}", MODEL),
    ("bass", lambda note: f"{note.pitch}", WITH_BASS),
    ("note", lambda note: f"{note.pitch} {note.length:g}", MODEL),
)


def main() -> None:
    parser = reader(__doc__, seeds=1)
    parser.add_argument("--melody", type=Path, metavar="FILE", help="write a melody: .musicxml or .mid")
    given = parser.parse_args()
    try:
        import music21
    except ImportError:
        sys.exit("music21 is not there, and the chorales come with it: pip install music21")
    pieces = [notes for notes in melodies(music21) if notes]
    figures = [Figure("chorales.notes", float(sum(map(len, pieces))), "notes")]
    engines: list[Engine] = []
    for name, spell, model in SPELLINGS:
        events = events_of(pieces, spell, model is WITH_BASS)
        engines = [engine_of(model, len(pieces), seed) for seed in range(1, given.seeds + 1)]
        figures += measure(name, events, engines)
    if given.melody:
        last = f"{len(pieces) - 1}"
        write(music21, engines[0].generate(last, NOTES, 1, temperature=0.8, top_p=0.95), given.melody)
    finish("Chorales", figures, given.json, {f"chorales.{name}.bits": "< the table's" for name, _, _ in SPELLINGS})


if __name__ == "__main__":
    main()
