"""What answers the stand-ins for `gcloud`, `npx` and `cli`: one project, in the test's own process."""

import socketserver
import sys
from ast import literal_eval
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from tests.deploy.google import Google


class StandIn:
    """The programs in a folder, which answer for one project."""

    def __init__(self, folder: Path, google: Google) -> None:
        self.folder = folder
        self.google = google
        # Of each process its words and its environment, as one text.
        self.log: list[str] = []
        self.address = ""
        (folder / "cli").mkdir(parents=True)
        program = Path(__file__).with_name("program.py")
        for name in ("gcloud", "npx"):
            # -S: they need none of the installed packages.
            (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{program}" {name} "$@"\n')
            (folder / name).chmod(0o755)
        # All else of `cli` is the real one.
        extend = "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n"
        (folder / "cli" / "__init__.py").write_text(extend)
        main = "import sys\nfrom tests.deploy.program import main\nsys.exit(main(['cli', *sys.argv[1:]]))\n"
        (folder / "cli" / "__main__.py").write_text(main)

    @contextmanager
    def serving(self) -> Iterator["StandIn"]:
        """Answer the programs, one after the other."""
        answer = self._answer

        class Answer(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(answer(*literal_eval(self.rfile.readline().decode())))

        with socketserver.TCPServer(("127.0.0.1", 0), Answer) as server:
            self.address = f"127.0.0.1:{server.server_address[1]}"
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _answer(self, arguments: list[str], stdin: str, environment: dict[str, Any]) -> bytes:
        self.log.append(repr([arguments, environment]))
        exit_code, stdout, stderr = self.google.answer(arguments, stdin)
        said = stdout.encode()
        return f"{exit_code} {len(said)}\n".encode() + said + stderr.encode()
