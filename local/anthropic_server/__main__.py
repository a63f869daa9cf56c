"""The server as a process: `python -m local.anthropic_server --port 8080 --api-key test-key`."""

from local.anthropic_server.server import AnthropicServer
from local.provider_server.process import run_stand_in

if __name__ == "__main__":
    run_stand_in("anthropic_server", "anthropic-compatible", AnthropicServer)
