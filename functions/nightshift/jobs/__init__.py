"""A job: its document, its request, how it ends, and how long it is kept."""
