"""The journey of a job, one step a file; `advance.py` conducts them and no step imports another."""
