"""blobkit: what uses the space in a blob store, why, and exactly what would go."""

__version__ = "0.1.0"
