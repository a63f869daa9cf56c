"""xAI's REST API, on the parts of the OpenAI-compatible server: its files, runs, faults and stand-in.

The official SDK speaks gRPC only. A gateway of the tests brings its calls here, and holds each answer to its messages.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp

from local.openai_server.server import OpenAIServer
from local.provider_server.files import StoredFile
from local.xai_server.dialect import XaiDialect, check_model


class XaiServer(OpenAIServer):
    """See OpenAIServer."""

    check_body = staticmethod(check_model)

    def dialect(self, app: ASGIApp) -> XaiDialect:
        """What stands before OpenAI's routes."""
        return XaiDialect(app, self.batches, self._files.view)

    @property
    def files(self) -> Mapping[str, StoredFile]:
        """The files that clients uploaded. Results are their batch's own: they are no files to xAI's clients."""
        return {file_id: file for file_id, file in super().files.items() if file.purpose == "batch"}
