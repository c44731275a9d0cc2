"""Parts of the scanners of buckets that kinds of stores share."""
