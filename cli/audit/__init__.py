"""The audit: does the live database keep its promises, and what of it can be mended? For operators and tests.

One check a file; `audit.py` conducts them. A page and all that belongs to it is read as of one instant
(`database/pages.py`). What seems wrong is looked at again (`second_look.py`), and what the provider says is asked
again, so no finding comes of reads of two moments.
"""
