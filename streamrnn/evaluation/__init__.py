"""How good an outcome was: score and its table (score_table), values beside their forecasts (aligned), baselines,
events (event_score), silences in a file
(silences), what a replay suggests (hints) and draws (forecast_picture), the demo's verdict and picture, the
form of every figure (figures), and tables for a reader (show).
"""
