"""The providers of answers. `base.py` says what all of them offer; each has a folder that speaks its API."""
