"""Suites for a backend to subclass and pass, independent oracles, hypothesis strategies."""
