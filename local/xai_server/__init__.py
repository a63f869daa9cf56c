"""A server that speaks xAI's API: `server` puts it together, `dialect` is what differs from OpenAI's."""

from local.xai_server.server import XaiServer

__all__ = ["XaiServer"]
