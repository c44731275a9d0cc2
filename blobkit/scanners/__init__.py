"""Foreign stores, read-only: one file a format, each turns a store into a Snapshot."""
