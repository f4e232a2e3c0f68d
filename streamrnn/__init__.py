"""streamrnn: a daemon that learns from every message of a stream."""

__version__ = "0.1.0"
