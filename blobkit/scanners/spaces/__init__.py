"""Where a scan keeps its columns, keys and texts: in memory, or in files, for stores beyond the memory."""
