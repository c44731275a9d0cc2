"""Saved snapshots in parts (format 2): written and read with little memory, whatever their size."""
