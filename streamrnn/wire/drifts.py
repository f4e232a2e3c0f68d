"""What is said of a drift."""

from msgspec import UNSET

from streamrnn.messages import Outcomes
from streamrnn.spec import Drift as Spec
from streamrnn.wire.outgoing import Drift, plain
from streamrnn.wire.topics import Topics


def drift(settings: Spec, outcomes: Outcomes, i: int, topic: Topics, lsn: int | None, replayed: bool) -> Drift:
    """The message of the drift that was found at outcome i. Its number is the row's own count: it outlives restarts."""
    which, since, before, after, number = outcomes.drift[i].tolist()
    return Drift(
        stream=topic.name,
        seq=int(outcomes.seq[i]),
        topic_seq=int(number),
        lsn=lsn,
        time=float(outcomes.time[i]),
        since=since,
        detector=str(settings.detectors[int(which)].__struct_config__.tag),
        loss_before=before,
        loss_after=after,
        reactions=settings.reactions,
        skill=plain(float(outcomes.skill[i])),
        learned=int(outcomes.learned[i]),
        replayed=replayed or UNSET,
    )
