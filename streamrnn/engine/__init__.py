"""Floor 3: the engine (engine), what each task does in its own way (tasks, with forecasts and events), its rows (bank),
the texts of symbols (symbols), and observations that come out of order (reorder).
"""
