"""Answers as sections of lines and tables; rendered as text, HTML and plain values."""
