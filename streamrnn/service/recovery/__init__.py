"""Back to where we were: replay of the journal, frames that end the process (poison), what a changed model would lose
(losses), and history learned before serving (backfill).
"""
