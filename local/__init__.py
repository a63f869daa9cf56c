"""The stack on one computer: emulators, an OpenAI-compatible server, the functions, what joins them."""
