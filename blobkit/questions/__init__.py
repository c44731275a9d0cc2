"""The public answers, one file a question: a frozen dataclass with data frames and HTML."""
