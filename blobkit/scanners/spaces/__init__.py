"""The place of a scan's columns, keys and texts: the memory, or files for stores beyond it."""
