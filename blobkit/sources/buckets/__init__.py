"""Buckets (S3, Google Cloud Storage, Azure) as sources: their keys in folders, many requests at once."""
