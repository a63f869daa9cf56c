"""Gemini's Developer API: `client` makes the calls, `request` and `result` are its wire format, `codes` its errors."""
