"""Chorale melodies: the next note of the soprano of 371 chorales of J. S. Bach (Riemenschneider), one pass in order.

A note is its pitch and its length, `67 1.5`; a chorale is a stream that ends, weights are pooled. `pitch` leaves the
lengths out. Every note is scored, the first of a chorale too, and then learned from. Beside it the best order-k
Witten-Bell table over the chorale's own history, k from 0 to 5.

The corpus comes with the package music21 (`pip install music21`). --melody FILE writes notes drawn after the last
chorale, as MusicXML (.musicxml) or MIDI (.mid).
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamrnn import spec
from streamrnn.cli.figures import Figure
from streamrnn.event_engine import EventEngine
from tests.benchmarks.command import finish, reader
from tests.benchmarks.keys import Event, beside, engine_of, feed

MODEL = spec.Model(
    task="events",
    weights="pooled",
    experts=(spec.Context(longest=6, contexts=4096),),
    vocabulary=spec.Vocabulary(symbols=256),
)
NOTES = 96  # of the melody, at most


def melodies(music21: Any) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Every chorale: its name, and pitch (MIDI, 0: rest) and length (quarters) of each note; ties are one note."""
    for chorale in music21.corpus.chorales.Iterator():
        notes = chorale.parts[0].stripTies().flatten().notesAndRests
        found = [(note.pitch.midi if note.isNote else 0, float(note.quarterLength)) for note in notes]
        yield str(chorale.metadata.title or chorale.filePath), [note for note in found if note[1] > 0.0]


def events_of(pieces: list[list[tuple[int, float]]], spell: Callable[[int, float], str]) -> list[Event]:
    return [
        Event(f"{number}", spell(*note), None, i == len(piece) - 1)
        for number, piece in enumerate(pieces)
        for i, note in enumerate(piece)
    ]


def measure(name: str, events: list[Event], engines: list[EventEngine]) -> list[Figure]:
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


def main() -> None:
    parser = reader(__doc__, seeds=1)
    parser.add_argument("--melody", type=Path, metavar="FILE", help="write a melody: .musicxml or .mid")
    given = parser.parse_args()
    try:
        import music21
    except ImportError:
        sys.exit("music21 is not there, and the chorales come with it: pip install music21")
    pieces = [notes for _, notes in melodies(music21) if notes]
    figures = [Figure("chorales.notes", float(sum(map(len, pieces))), "notes")]
    engines: list[EventEngine] = []
    for name, spell in (("pitch", lambda pitch, _: f"{pitch}"), ("note", lambda pitch, length: f"{pitch} {length:g}")):
        events = events_of(pieces, spell)
        engines = [engine_of(MODEL, len(pieces), seed) for seed in range(1, given.seeds + 1)]
        figures += measure(name, events, engines)
    if given.melody:
        last = f"{len(pieces) - 1}"
        write(music21, engines[0].generate(last, NOTES, 1, temperature=0.8, top_p=0.95), given.melody)
    finish("Chorales", figures, given.json, {"chorales.note.bits": "< the table's"})


if __name__ == "__main__":
    main()
