"""xAI's REST API, on the parts of the OpenAI-compatible server: its files, runs, faults and stand-in.

The official SDK speaks gRPC only. So this server is held to the messages that the SDK's package declares.
"""

from starlette.types import ASGIApp

from local.openai_server.server import OpenAIServer
from local.xai_server.dialect import XaiDialect, check_model


class XaiServer(OpenAIServer):
    """See OpenAIServer."""

    check_body = staticmethod(check_model)

    def dialect(self, app: ASGIApp) -> XaiDialect:
        """What stands before OpenAI's routes."""
        return XaiDialect(app, self.batches, self.files)
