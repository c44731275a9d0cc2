"""Scan foreign stores, read-only: one file for each format turns a store into a Snapshot."""
