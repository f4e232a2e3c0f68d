"""Recorded files: their bytes (source), the form of a table (sniff), texts as times (moments), cells to numbers and
times (cells), rows in batches (rows), a configuration for them (draft), log lines as templates (templates), and a file
as history for a backfill (history)."""
