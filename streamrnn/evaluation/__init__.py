"""How good an outcome was: score and its table (score_table), baselines, events (event_score), the demo's verdict and
picture, the form of every figure (figures), and tables for a reader (show).
"""
