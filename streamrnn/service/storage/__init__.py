"""What is kept on the disk: the database (store, blame, wal), the journal, the checkpoint and when it is begun
(checkpoint_schedule), copies while it runs (backup), which state it is (incarnation), and room that is kept for a full
disk (reserve).
"""
