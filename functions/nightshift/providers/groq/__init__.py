"""Groq: it speaks OpenAI's API. What it does in its own way stands here; all else is `providers/openai`."""
