"""Nightshift: answers AI jobs overnight, at half price. `main.py` beside this package is where to start reading."""
