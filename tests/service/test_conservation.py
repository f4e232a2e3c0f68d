"""Everything that was sent is accounted for: received = acknowledged + refused, and so on down to what was learned.

Several producers who do all that producers can do wrong, beside a PUSH who does too, a full disk, and restarts.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import zmq
from conftest import Turned

from streamrnn.errors import FullError
from streamrnn.service.ingest import producers
from streamrnn.wire.envelope import ACK, DATA, NACK, pack, unpack

BOTH = '[[input]]\nkind = "router"\nendpoint = "ipc://{path}/router"\n'
BAD = (b"{", b'{"stream": "a"}', b'{"stream": "a", "values": {"flow": 1e99}}', b'{"stream": "", "values": {"flow": 1}}')


@dataclass
class Source:
    """A producer by hand; what it is told."""

    name: bytes
    socket: zmq.Socket[bytes]
    chance: random.Random
    epoch: int = 1
    next: int = 1
    told: Counter[str] = field(default_factory=Counter)
    accepted: int = 0

    def send(self) -> None:
        """The next message, or one that is wrong in some way."""
        what = self.chance.choice(
            ["next"] * 6 + ["again", "gap", "old epoch", "corrupt", "refused", "several", "columns"]
        )
        count, body, seq, epoch = 1, observation(self.chance), self.next, self.epoch
        if what == "again":
            seq = max(1, self.next - 1)
        elif what == "gap":
            seq = self.next + 5
        elif what == "old epoch":
            epoch = 0
        elif what == "refused":
            body = self.chance.choice(BAD)
        elif what == "several":
            count, body = 3, json.dumps([json.loads(observation(self.chance)) for _ in range(3)]).encode()
        elif what == "columns":
            count, body = 2, json.dumps({"stream": "c", "values": {"flow": [1.0, 2.0]}}).encode()
        frame = pack(DATA, self.name, epoch, seq, count, body)
        self.socket.send(frame[:-1] if what == "corrupt" else frame)
        self.told["sent"] += 1
        if what in ("next", "refused", "several", "columns"):
            self.next += count

    def hear(self) -> None:
        while self.socket.poll(0):
            envelope = unpack(self.socket.recv())
            if envelope.kind == ACK:
                self.accepted = envelope.seq
            elif envelope.kind == NACK:
                told = json.loads(envelope.body)
                self.told[told["code"]] += 1
                if told["code"] == "busy":  # and everything behind it
                    self.next = min(self.next, envelope.seq)


def observation(chance: random.Random) -> bytes:
    return b'{"stream":"%s","values":{"flow":%.3f}}' % (chance.choice([b"a", b"b", b"c", b"d"]), chance.gauss(0, 1))


@pytest.fixture
def both(turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch) -> Iterator[Turned]:
    """A daemon with a `pull` and a `router` input, and room for three streams of four."""
    import conftest

    monkeypatch.setattr(conftest, "CONFIG", conftest.CONFIG.replace("[output]", BOTH + "[output]"))
    yield turned("[limits]\nmax_streams = 3\ndead_letters_per_second = 5\n")


def totals(one: Turned) -> dict[str, float]:
    values = one.daemon.parts.telemetry._values
    total = lambda name: sum(values[name].values())  # noqa: E731
    answers = {key[0]: count for key, count in values["streamrnn_producer_messages_total"].items()}
    return {
        "frames": total("streamrnn_frames_received_total"),
        "routed": values["streamrnn_frames_received_total"][(one.daemon.endpoints[1],)],
        "received": total("streamrnn_observations_received_total"),
        "applied": total("streamrnn_observations_applied_total"),
        "dead": total("streamrnn_observations_refused_total"),
        "learned": total("streamrnn_observations_learned_total"),
        "unlearned": total("streamrnn_observations_late_total") + total("streamrnn_observations_duplicate_total"),
        "letters": values["streamrnn_messages_published_total"][("deadletter",)]
        + total("streamrnn_dead_letters_suppressed_total"),
        **{answer: answers.get(answer, 0) for answer in producers.RESULTS},
    }


@pytest.mark.parametrize("seed", range(3))
def test_nothing_appears_and_nothing_is_lost(both: Turned, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one, chance, sources, pushed = both, random.Random(seed), [], 0
    for k in range(3):
        socket = one.peers.context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(one.daemon.endpoints[1])
        sources.append(Source(b"source-%d" % k, socket, random.Random(10 * seed + k)))
    append = one.daemon.parts.journal.append
    for turn in range(120):
        full = turn in (40, 41, 42)

        def refusing(*arguments: Any, full: bool = full) -> list[int]:
            if full:
                raise FullError("the disk is full")
            return append(*arguments)

        monkeypatch.setattr(one.daemon.parts.journal, "append", refusing)
        for source in sources:
            source.send()
        if chance.random() < 0.5:
            one.peers.push.send(
                chance.choice([observation(chance), *BAD, b'{"stream":"a","seq":1,"values":{"flow":1}}'])
            )
            pushed += 1
        sent = sum(source.told["sent"] for source in sources)
        one.until(lambda sent=sent: heard(one) >= sent)
        for source in sources:
            source.hear()
    one.until(lambda: not one.daemon.parts.disk_full.full)
    one.until(lambda: totals(one)["frames"] == pushed + heard(one))
    told = totals(one)
    assert told["routed"] == sum(told[answer] for answer in producers.RESULTS) == sum(s.told["sent"] for s in sources)
    assert told["received"] == told["applied"] + told["dead"]
    assert told["applied"] == told["learned"] + told["unlearned"]
    assert told["letters"] >= 1
    assert all(told[answer] > 0 for answer in ("taken", "refused", "duplicate", "gap", "epoch", "corrupt", "busy"))
    for source in sources:
        mark = one.daemon.parts.producers._marks["", source.name]
        one.until(lambda source=source, mark=mark: source.hear() or source.accepted == mark.seq)
    for answer in ("corrupt", "busy"):
        one.until(lambda answer=answer: sum(s.hear() or s.told[answer] for s in sources) == told[answer])


def heard(one: Turned) -> float:
    one.daemon._chores.do(0.0)
    return totals(one)["routed"]
