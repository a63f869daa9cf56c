"""Firestore: commits under preconditions, leases, grouped calls, pages, encoding, and where everything lies."""
