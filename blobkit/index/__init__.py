"""Descriptors, counts, links, tags and tombstones, in transactions. One file a backend."""
