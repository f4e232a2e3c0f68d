"""Benchmarks of engine and service: the daemon as a child, a load that measures, the bare loop, durable input, and
peers.
"""
