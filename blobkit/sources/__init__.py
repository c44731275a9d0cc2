"""Read bytes from where a store is kept: a directory, an archive."""
