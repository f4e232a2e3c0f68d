"""JSON lines on standard error, with levels. Nothing is logged per message."""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Log from `level` on: debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),  # whatever that is by then
        cache_logger_on_first_use=False,  # the level may change while the daemon runs
    )
