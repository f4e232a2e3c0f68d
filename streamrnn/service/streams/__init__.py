"""Which streams are known and in memory (registry; fork_store for a copy of the process), which are idle or silent
(silence), and what is done to them by order (commands, feedback, freeze, generate).
"""
