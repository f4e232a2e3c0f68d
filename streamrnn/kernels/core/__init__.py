"""What every kernel stands on: compilation (jit), calls by address (call), registers and matrix products (simd,
linalg), activations, where things are in a row (table, event_table), and counters as 32-bit words (as_uint32).
"""
