"""How long a test waits for a state: until the state is there, on any machine.

A wait that ends with the state costs a quick machine nothing, so its limit is there for a test that hangs, and for
nothing else. No test chooses a limit of its own: `tests/support/test_patience.py` holds them to this one.
"""

import asyncio

PATIENCE_SECONDS = 240.0


def patience() -> asyncio.Timeout:
    """`async with patience():` raises TimeoutError only if what is waited for never comes."""
    return asyncio.timeout(PATIENCE_SECONDS)
