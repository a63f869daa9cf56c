"""What the local servers of all providers share: faults on request, the life of a batch, the stand-in model.

A provider's server is a folder of its own, as `openai_server`: its routes, how it reads a request, and how it words an
answer. That is its `Api`; all else is here, once.

What goes wrong at a provider is made to go wrong here on request. See `faults.py` for what can be armed with
`server.faults.add(...)`, `script.py` for scripting single answers, and `control.py` for the same over HTTP.
"""
