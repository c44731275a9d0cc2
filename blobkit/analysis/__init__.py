"""Pure functions from the arrays of a snapshot to arrays; each docstring has definition and cost."""
