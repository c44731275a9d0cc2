"""Clients of buckets (S3, Google Cloud Storage, Azure): how they are reached, listed, read and written."""
