"""Anthropic: `client` makes the calls, `request`, `schema` and `result` are its wire format, `codes` its errors."""
