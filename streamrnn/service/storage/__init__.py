"""What is kept on the disk: the database (store, wal), the journal, the checkpoint and its schedule, and backups."""
