"""Floor 3: the engine (engine, event_engine), which of them serves a task (tasks), its rows (bank), and observations
that come out of order (reorder).
"""
