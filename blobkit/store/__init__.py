"""The store: its verbs and rules, written once for every pair of content and index."""
