"""Reports about jobs, batches and their cost."""
