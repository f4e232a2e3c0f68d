"""How good an outcome was: score and its table, baselines, events (event_score), the demo's verdict and picture, the
form of every figure, and tables for a reader (show).
"""
