"""A server that speaks Anthropic's API: `server` puts it together, `api` is its wire format.

It is tested by the official SDK. No model is asked: the stand-in of `provider_server` answers.
"""

from local.anthropic_server.server import AnthropicServer

__all__ = ["AnthropicServer"]
