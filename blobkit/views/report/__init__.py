"""The report: one page about a store, with tables, pictures and commands."""
