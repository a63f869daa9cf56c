"""The server as a process: `python -m local.gemini_server --port 8080 --api-key test-key`."""

from local.gemini_server.server import GeminiServer
from local.provider_server.process import run_stand_in

if __name__ == "__main__":
    run_stand_in("gemini_server", "gemini-compatible", GeminiServer)
