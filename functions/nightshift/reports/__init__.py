"""What is told about jobs, batches and their cost."""
