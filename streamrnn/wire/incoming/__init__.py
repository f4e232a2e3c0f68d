"""Bytes in, columns out: forms of messages, rows that grow, columns, refusals, and the decoder over them (decode)."""
