"""The explorer, a widget for notebooks: tick tags, and see what dropping them frees."""
