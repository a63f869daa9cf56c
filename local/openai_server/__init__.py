"""An OpenAI-compatible server for files, batches and chat completions, to develop and test against.

It follows OpenAI's published API strictly (what the API refuses, this refuses) and keeps everything in one
temporary directory that goes away when it is closed. No model is asked: `standin.py` makes an answer of the
requested shape and says so, unless an `upstream` (any OpenAI-compatible model server) is named, to which
every request is passed on.

    server = OpenAIServer(api_key="test-key")
    async with server.serve(port=0) as base_url:
        client = AsyncOpenAI(api_key="test-key", base_url=base_url)

With a `webhook_url`, the server sends an event for every batch that has ended, as OpenAI does (`webhooks.py`).

As a process of its own: `python -m local.openai_server --port 8080`.

What goes wrong at a provider is made to go wrong here on request. See `faults.py` for what can be armed with
`server.faults.add(...)`, `script.py` for scripting single answers, and `control.py` for the same over HTTP.
"""

from local.openai_server.server import OpenAIServer
from local.provider_server.faults import BatchFault, FileFault, ReplyRule, RequestFault
from local.provider_server.pace import Pace
from local.provider_server.reply import Reply
from local.provider_server.script import Script

__all__ = [
    "BatchFault",
    "FileFault",
    "OpenAIServer",
    "Pace",
    "Reply",
    "ReplyRule",
    "RequestFault",
    "Script",
]
