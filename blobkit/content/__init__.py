"""Bytes by digest: stage, publish, open and delete in bulk. One file a backend."""
