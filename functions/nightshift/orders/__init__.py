"""Orders: what an admin or an operator wishes that takes longer than a request."""
