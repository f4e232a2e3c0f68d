"""What is said of a drift."""

from msgspec import UNSET

from streamrnn.messages import DRIFT_FOUND, TOOK_OVER, WITHDRAWN, Outcomes
from streamrnn.spec import Drift as Spec
from streamrnn.wire.outgoing.messages import Drift, plain
from streamrnn.wire.topics import Topics

STATES = {DRIFT_FOUND: "drift", TOOK_OVER: "takeover", WITHDRAWN: "withdrawn"}
DRIFTS = DRIFT_FOUND | TOOK_OVER | WITHDRAWN


def drift(settings: Spec, outcomes: Outcomes, i: int, topic: Topics, lsn: int | None, replayed: bool) -> Drift:
    """What happened at outcome i: one bit of STATES. Its number is the row's own count, which outlives restarts."""
    which, since, before, after, number = outcomes.drift[i].tolist()
    return Drift(
        stream=topic.name,
        seq=int(outcomes.seq[i]),
        topic_seq=int(number),
        lsn=lsn,
        state=next(state for bit, state in STATES.items() if outcomes.bits[i] & bit),
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
