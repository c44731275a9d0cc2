"""Answers as sections of lines and tables; text, HTML and plain values are made from them here, once."""
