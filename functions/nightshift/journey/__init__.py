"""The journey of a job, one step a file; `advance.py` conducts them and no step imports another.

What operators do with jobs is here, too: `cancel.py` is a step; `retry.py` and `erase.py` conduct, as `tick.py` does.
"""
