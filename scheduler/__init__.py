"""Brings Cloud Scheduler and Pub/Sub to what `jobs.toml` declares: `python -m scheduler --help`."""
