"""What is kept on the disk: the database (store, blame, wal), the journal, the checkpoint and its schedule, backups;
and the reserve, room that is kept for a full disk.
"""
