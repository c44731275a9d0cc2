"""Recognise, open and account for tar archives that hold images."""
