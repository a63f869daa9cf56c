"""All that there is of one user, deleted."""
