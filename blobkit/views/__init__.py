"""Graphs, plots and styled tables of snapshots and answers; one third-party library for each file."""
