"""Parts of the layout scanner: which blobs `umoci gc` follows, verifies and sweeps."""
