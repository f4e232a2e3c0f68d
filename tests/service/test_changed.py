"""A start with another configuration than the journal was written with: nothing that was received goes unseen."""

from collections.abc import Callable

import pytest
from conftest import Turned

from streamrnn.errors import ConfigError

Make = Callable[..., Turned]
SLOW = "checkpoint = 3600.0\n"  # in [state], which comes last in the file


def journaled(one: Turned, count: int) -> None:
    for k in range(count):
        one.send(float(k), seq=k)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == count)


def rewrite(one: Turned, before: str, after: str) -> None:
    text = one.file.read_text()
    assert before in text
    one.file.write_text(text.replace(before, after))


CHANGES = [
    ('features = ["flow"]', 'features = ["head"]'),
    ('features = ["flow"]', 'features = ["flow", "head"]'),
    ('features = ["flow"]', 'features = ["flow"]\nseed = 2'),
    ("[output]", 'format = "msgpack"\n[output]'),
    ("[output]", 'stream = "b"\n[output]'),
    ("max_streams = 5", "max_streams = 4"),
    ("max_observations = 50", "max_observations = 49"),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_journaled_frames_that_would_be_read_otherwise_are_kept_and_the_start_refused(
    turned: Make, before: str, after: str
) -> None:
    one = turned(f"{SLOW}[limits]\nmax_streams = 5\nmax_observations = 50\n")
    journaled(one, 7)
    one.kill()
    good = one.file.read_text()
    rewrite(one, before, after)
    with pytest.raises(ConfigError, match="7 journaled frames") as caught:
        one.start()
    assert "old configuration" in caught.value.hint
    one.file.write_text(good)
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 7
    one.stop()
    rewrite(one, before, after)
    one.start()  # after a clean stop nothing waits


def test_a_change_that_reads_the_journal_the_same_is_let_in_and_holds_from_then_on(turned: Make) -> None:
    one = turned(f"{SLOW}[limits]\nmax_streams = 5\n")
    journaled(one, 3)
    one.kill()
    rewrite(one, "max_streams = 5", "max_streams = 6\nmax_batch = 7")
    rewrite(one, "[output]", f'[[input]]\nendpoint = "ipc://{one.path}/second"\nformat = "msgpack"\n[output]')
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 3
    assert one.daemon.parts.journal.waiting == 0  # so that no frame is ever read by a third configuration
    one.send(4.0, seq=4)
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    one.kill()
    rewrite(one, "max_streams = 6", "max_streams = 5")
    with pytest.raises(ConfigError, match="1 journaled frames"):
        one.start()


def test_a_frame_with_a_refused_item_is_replayed_as_before(turned: Make) -> None:
    one = turned(SLOW)
    one.peers.push.send_json([{"stream": "a", "values": {"flow": 1.0}}, {"stream": "a", "values": {"head": 1.0}}])
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 1)
    one.kill()
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 1


def test_a_reload_says_what_the_journal_is_written_with(turned: Make) -> None:
    one = turned(SLOW)
    journaled(one, 2)
    rewrite(one, 'features = ["flow"]', 'features = ["head"]')
    one.daemon.reload()
    one.peers.push.send_json({"stream": "a", "values": {"head": 7.0}, "seq": 4})
    one.until(lambda: one.value("streamrnn_observations_applied_total") == 3)
    one.kill()
    one.start()
    assert one.value("streamrnn_replayed_observations_total") == 1
    one.kill()
    rewrite(one, 'features = ["head"]', 'features = ["flow"]')
    with pytest.raises(ConfigError, match="1 journaled frames"):
        one.start()


def test_what_cannot_be_understood_is_not_what_the_journal_was_written_with(turned: Make) -> None:
    one = turned(SLOW)
    journaled(one, 1)
    one.daemon.parts.store.connection.execute("UPDATE meta SET value = '{' WHERE key = 'reading'")
    one.kill()
    with pytest.raises(ConfigError, match="1 journaled frames"):
        one.start()
