"""Bulk jobs: thousands of rows as one thing, with one price, one progress and one result."""
