"""The seasons that an interval has by itself."""

import pytest

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import seasons

DAYS = seasons.DAY


@jit
def _period(season, interval):
    return seasons.period(season, 0.0, 0.0, interval)


@pytest.mark.parametrize(
    ("interval", "shorter", "longer"),
    [
        (60.0, seasons.DAY, seasons.WEEK),
        (DAYS, seasons.WEEK, seasons.YEAR),
        (7 * DAYS, seasons.YEAR, 0.0),
        (31 * DAYS, seasons.YEAR, 0.0),
        (90 * DAYS, seasons.YEAR, 0.0),
        (92 * DAYS, seasons.YEAR, 0.0),
        (365 * DAYS, 0.0, 0.0),
    ],
)
def test_days_weeks_and_years_by_the_interval(interval: float, shorter: float, longer: float) -> None:
    assert (_period(0, interval), _period(1, interval)) == (shorter, longer)
