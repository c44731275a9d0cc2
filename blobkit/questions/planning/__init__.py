"""The parts of a plan: candidates, what they free together, and whether its promise was kept."""
