"""The audit: does the live database keep its promises, and what of it can be mended? For operators and tests.

One check a file; `audit.py` conducts them. A page and all that belongs to it is read as of one instant
(`database/pages.py`), and what the provider says is asked again before it is held against it, so a finding is never a
torn read.
"""
