"""A server that speaks Groq's API: `server` puts it together, `dialect` is what differs from OpenAI's."""

from local.groq_server.server import GroqServer

__all__ = ["GroqServer"]
