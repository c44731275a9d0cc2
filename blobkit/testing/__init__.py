"""What a backend must pass: suites to subclass, independent oracles, hypothesis strategies."""
