"""Back to where we were: replay of the journal, frames that end the process (poison, fork_store), and history learned
before serving (backfill).
"""
