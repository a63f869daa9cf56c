"""The APIs as a proxy on this computer."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from tests.deploy.google_apis.project import REGION, Asked, GoogleApis, Refusal

_METADATA: Final = "computeMetadata/v1/"


@contextmanager
def serving(google: GoogleApis) -> Iterator[str]:
    """Serve it on this computer; yields HOST:PORT."""

    class Requests(BaseHTTPRequestHandler):
        """Reads a request, and writes what the project answers."""

        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            path = unquote(parts.path).strip("/")
            host = self.headers.get("host", "").partition(":")[0]
            api = host.removesuffix(".googleapis.com").removeprefix(f"{REGION}-")
            if path.startswith(_METADATA):
                api, path = "metadata", path.removeprefix(_METADATA)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            is_json = body[:1] in {b"{", b"["}
            asked = Asked(
                method=self.command,
                api=api,
                path=path,
                query=query,
                body=json.loads(body) if is_json else body,
                headers={name.lower(): value for name, value in self.headers.items()},
            )
            status, answer = 200, None
            try:
                answer = google.answer(asked)
            except Refusal as refused:
                error = {"code": refused.status, "message": refused.message, "status": refused.code}
                status, answer = refused.status, {"error": error}
            written = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("metadata-flavor", "Google")
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def do_CONNECT(self) -> None:
            """The Firebase CLI wants a tunnel: what comes next on the connection are requests like any other."""
            self.send_response(200)
            self.end_headers()
            self.close_connection = False

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
