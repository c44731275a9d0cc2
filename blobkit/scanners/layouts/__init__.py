"""The parts of the scanner of layouts: what `umoci gc` follows, verifies and sweeps."""
