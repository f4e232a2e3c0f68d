"""What of a stream is usual, beside its numbers: its silences, and how far its values are believed."""

from streamrnn.kernels.core.record import Record, many


class Gaps(Record):
    """f64: in which hours a stream is usually silent, as shares of the last times (see step/gaps.py)."""

    COUNT: int  # gaps so far
    ANY: int  # 1 where any share is high
    DAY: int = many(24)
    WEEK: int = many(168)


class Doubt(Record):
    """Values of Scale.DOUBT (see monitors/outliers.py)."""

    NONE, UNLEARNED, UNFOLLOWED = range(3)
