"""What is kept for catch-up: found by topic and number, bounded, and no more of it looked at than is asked for."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn.service.publish import ring as module
from streamrnn.service.publish.ring import Ring, place


def body(number: int, lsn: int | None, text: str = "", packed: bool = False) -> bytes:
    fields = {"stream": text, "topic_seq": number, "lsn": lsn}
    return msgspec.msgpack.encode(fields) if packed else msgspec.json.encode(fields)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("text", ["a", '"topic_seq":9,"lsn":9', "\\\\", "ü\n"])
def test_the_place_of_a_message_is_the_one_that_stands_in_it(text: str, packed: bool) -> None:
    assert place(body(7, 12, text, packed)) == (7, 12)
    assert place(body(7, None, text, packed)) == (7, None)


def test_a_message_without_a_number_has_none() -> None:
    assert place(json.dumps({"state": "started"}).encode()) == (0, None)


@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.booleans()), max_size=40),
    st.integers(1, 12),
    st.integers(0, 12),
    st.integers(0, 40),
)
def test_the_same_is_found_as_by_a_scan(sent: list[tuple[bytes, bool]], most: int, after: int, since: int) -> None:
    ring, plain, numbers = Ring(), list[tuple[bytes, int, int, bytes]](), dict[bytes, int]()
    for lsn, (topic, anew) in enumerate(sent, 1):
        numbers[topic] = 1 if anew else numbers.get(topic, 0) + 1
        message = body(numbers[topic], lsn)
        plain = [*plain, (topic, numbers[topic], lsn, message)][-most:]
        ring.keep(topic, message, most, 10**9)
        assert len(ring) == len(plain)
    for topic in (b"a", b"b", b"c"):
        wanted = [text for name, number, lsn, text in plain if name == topic and number > after and lsn >= since]
        assert list(ring.behind(topic, after, since)) == wanted
        kept = [text for name, _, _, text in plain if name == topic]
        assert (ring.last(topic) is None) == (not kept)
        assert not kept or ring.last(topic).body == kept[-1]


def test_a_question_reads_no_message_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Ring()
    for number in range(1, 2001):
        ring.keep(b"a", body(number, number), 1000, 10**9)
    monkeypatch.setattr(module, "place", lambda _: pytest.fail("read again"))
    assert list(ring.behind(b"a", 2**62, 0)) == []
    assert len(list(ring.behind(b"a", 0, 1990))) == 11
