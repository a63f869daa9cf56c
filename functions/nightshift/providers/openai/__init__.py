"""OpenAI, and servers that speak its API: `client` makes the calls, `request` and `result` are its wire format."""
