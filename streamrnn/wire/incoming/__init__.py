"""Bytes in, columns out: forms of messages, what is known of a message already (split), rows that grow, columns,
refusals, what is left of a message with bad values (mend), and the decoder over them (decode)."""
