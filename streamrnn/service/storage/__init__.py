"""What is kept on the disk: the database (store, wal), the journal, the checkpoint and when it is begun
(checkpoint_schedule), copies while it runs (backup), and what a reader finds there (inspect).
"""
