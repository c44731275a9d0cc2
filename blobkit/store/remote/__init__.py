"""A store over content with places: its session, its batches, its checks. One store for many hosts."""
