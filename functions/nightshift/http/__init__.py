"""The HTTP functions: who may call, and what they are told."""
