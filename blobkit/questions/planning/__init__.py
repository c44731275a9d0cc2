"""The parts of a plan: candidates, the bytes that they free together, and the check of its promise."""
