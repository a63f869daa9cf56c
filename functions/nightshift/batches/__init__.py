"""Batches: from queued jobs to a provider batch, and from its results to ended jobs."""
