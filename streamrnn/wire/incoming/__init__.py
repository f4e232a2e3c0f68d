"""Bytes in, columns out: forms of messages, what is known of a message already (split), rows that
grow, columns, refusals, and the decoder over them (decode)."""
