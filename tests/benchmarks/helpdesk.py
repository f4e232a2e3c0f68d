"""Helpdesk process log: the next activity of a case, one pass in time order over 3,804 cases (Tax et al. 2017's data).

Every event but a case's first is scored, and then learned from; a case is a stream, weights are pooled. Beside it the
best order-k Witten-Bell table over the case's own history, k from 0 to 5.
"""

import csv
from datetime import UTC, datetime

import numpy as np

from streamrnn.evaluation.figures import Figure
from tests.benchmarks.command import finish, reader, recorded
from tests.benchmarks.keys import MODEL, Event, beside, run

GOALS = {"helpdesk.top1": "> .775", "helpdesk.bits": "< .94"}


def main() -> None:
    given = reader(__doc__, "events_helpdesk", seeds=1).parse_args()
    with recorded(given.data, "helpdesk.csv")[0].open() as file:
        rows = [
            (datetime.fromisoformat(row["CompleteTimestamp"]).replace(tzinfo=UTC).timestamp(), row)
            for row in csv.DictReader(file)
        ]
    rows.sort(key=lambda row: row[0])
    events = [Event(row["CaseID"], row["ActivityID"], time) for time, row in rows]
    seen: set[str] = set()
    scored = np.array([event.case in seen or seen.add(event.case) is not None for event in events])
    told = [run(events, MODEL, seed) for seed in range(1, given.seeds + 1)]
    tables = [beside(events, k) for k in range(6)]
    figures = [
        Figure("helpdesk.top1", float(np.mean([(one.rank[scored] == 1).mean() for one in told])), "1"),
        Figure("helpdesk.bits", float(np.mean([one.bits[scored].mean() for one in told])), "bits/event"),
        Figure("helpdesk.net.bits", float(np.mean([one.network[scored].mean() for one in told])), "bits/event"),
        Figure("helpdesk.table.bits", float(np.mean([one.table[scored].mean() for one in told])), "bits/event"),
        Figure("helpdesk.top1@table", max(float(hits[scored].mean()) for _, hits in tables), "1"),
        Figure("helpdesk.bits@table", min(float(bits[scored].mean()) for bits, _ in tables), "bits/event"),
    ]
    finish("Helpdesk", figures, given.json, GOALS)


if __name__ == "__main__":
    main()
