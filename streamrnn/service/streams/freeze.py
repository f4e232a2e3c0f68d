"""Whether the engine learns, as an operator has ordered it: `ctl freeze` and `ctl unfreeze`.

An order is a frame of the journal, so a replay obeys it in its place. What was ordered at or before the floor of the
checkpoint is not in the journal any more: that stands in the database, as the lsn of every order from the last one at
the floor on, in the transaction that journals the order. Whether an observation was learned from is so a function of
the journal, like everything else.
"""

import json
import sqlite3
from collections.abc import Callable

from streamrnn.engine.engine import Engine
from streamrnn.service.storage.journal import Write
from streamrnn.service.storage.store import Store

ORDERS = {"freeze": True, "unfreeze": False}
_KEY = "frozen"  # in the database: [[lsn, whether from there on]]


class Freeze:
    """The orders of one state directory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commands: list[tuple[int, bool]] = [(lsn, on) for lsn, on in json.loads(store.about().get(_KEY, "[]"))]

    def at(self, lsn: int) -> bool:
        """Whether it was frozen when everything up to `lsn` had been applied."""
        return next((on for known, on in reversed(self._commands) if known <= lsn), False)

    @property
    def now(self) -> bool:
        """Whether it is."""
        return self._commands[-1][1] if self._commands else False

    def order(self, kind: str, lsn: int, append: Callable[[Write], object]) -> None:
        """Put down an order inside the transaction in which `append` gives it its `lsn`."""
        orders = [*self._commands, (lsn, ORDERS[kind])]
        first = max((i for i, (known, _) in enumerate(orders) if known <= self._store.marks.floor), default=0)

        def note(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_KEY, json.dumps(orders[first:])))

        append(note)
        if self._store.durability == "off":  # nothing was written
            with self._store.writing() as connection:
                note(connection)
        self._commands = orders[first:]


def freeze(engine: Engine, on: bool) -> None:
    """Let the engine learn, or not, from now on."""
    engine.freeze(on or engine.model.frozen)
