"""Recorded files: cells to numbers and times (cells), rows in batches (rows), log lines as templates (templates), and a
file as history for a backfill (history).
"""
