"""An index in PostgreSQL, for a store that many hosts share: rows in tables, locks on what a plan reads."""
