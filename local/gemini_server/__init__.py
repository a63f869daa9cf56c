"""A server that speaks Gemini's Developer API: `server` puts it together, `api` is its wire format.

It is tested by the official SDK. No model is asked: the stand-in of `provider_server` answers.
"""

from local.gemini_server.server import GeminiServer

__all__ = ["GeminiServer"]
