"""Hooks that only a test in the same process can set: plain functions, or coroutine functions.

`answer(custom_id, body)` is called for every valid request, with custom_id None for a direct chat
completion; it returns a `Reply`, or None to leave the request to the rules and then to the stand-in or
upstream. The two `edit` hooks see all lines of a finished file (without newlines) and return what is
written instead: to shuffle, duplicate, corrupt or drop. They are the one place where a whole file is in
memory, and only while set.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from local.provider_server.batches import Batch
from local.provider_server.errors import JsonObject
from local.provider_server.reply import Reply

AnswerHook = Callable[[str | None, JsonObject], Reply | Awaitable[Reply | None] | None]
EditHook = Callable[[Batch, list[bytes]], list[bytes]]


@dataclass
class Script:
    """The hooks of one server; None = no hook."""

    answer: AnswerHook | None = None
    edit_output: EditHook | None = None
    edit_errors: EditHook | None = None
