"""Blobs on their way from other stores into this one, and out to layouts and archives."""
