"""The public answers, one file for each question: a frozen dataclass with data frames and HTML."""
