"""The SDK's errors as ours. What is logged of them are codes: the provider's texts may quote a request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import openai

from nightshift.providers.base import (
    TIMED_OUT,
    ProviderBusy,
    ProviderGone,
    ProviderLate,
    ProviderLocked,
    ProviderRateLimited,
    ProviderRefusal,
    ProviderTrouble,
    loggable_code,
)
from nightshift.providers.fields import text_of
from nightshift.providers.openai.codes import Complaint, misses_a_file, trouble_of_call
from nightshift.providers.openai.headers import rate_limits, retry_after_seconds
from nightshift.values.trouble import Trouble

# A server on the way lost patience, or its client was gone.
_STILL_UNDER_WAY: Final = frozenset({408, 499, 502, 504, 524})
_RATE_LIMITED: Final = 429


class NothingMore(ProviderTrouble):
    """A file has no bytes from the asked one on: the size that was stated for it is too large."""


def locked(message: str, trouble: Trouble) -> ProviderLocked:
    """An error that passes when the operator acts, and why."""
    error = ProviderLocked(message)
    error.trouble = trouble
    return error


@contextmanager
def translated_errors(trouble_of: Callable[[int, Complaint], Trouble] = trouble_of_call) -> Iterator[None]:
    """Turn the SDK's errors into ours. What is logged of them are codes: the provider's texts may quote a request.

    Args:
        trouble_of: what a status and OpenAI's words mean for this call.
    """
    try:
        yield
    except openai.APIStatusError as error:
        complaint = Complaint.read(error.body)
        code, status = text_of(error.code) or f"http_{error.status_code}", error.status_code
        trouble = trouble_of(status, complaint)
        if status == 416:
            raise NothingMore(loggable_code(code)) from error
        if (status == 404 and not trouble.needs_operator) or misses_a_file(complaint):
            raise ProviderGone(loggable_code(code if error.code else "not_found")) from error
        if trouble.needs_operator:
            raise _told(locked(_answered(status, code), trouble), error) from error
        if trouble is not Trouble.PROVIDER:
            raise ProviderRefusal(code, text_of(error.message) or "", trouble) from error
        if status == _RATE_LIMITED:
            limited = _told(ProviderRateLimited(_answered(status, code)), error)
            limited.limits = rate_limits(error.response.headers)
            raise limited from error
        kind = ProviderLate if status in TIMED_OUT else ProviderTrouble if status in _STILL_UNDER_WAY else ProviderBusy
        raise _told(kind(_answered(status, code)), error) from error
    except openai.APITimeoutError as error:
        raise ProviderLate("the provider took too long") from error
    except openai.APIError as error:
        raise ProviderTrouble(f"the provider could not be reached: {type(error).__name__}") from error
    except TimeoutError as error:
        raise ProviderLate("the provider took too long") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ProviderTrouble(f"the provider's answer cannot be read: {type(error).__name__}") from error


@contextmanager
def never_gone() -> Iterator[None]:
    """For a call that names nothing that could be gone: a 404 then means that the server has no such address now."""
    try:
        yield
    except ProviderGone as gone:
        raise ProviderBusy(f"the provider answered 404 {gone}: is its address right?") from gone


@contextmanager
def never_refused() -> Iterator[None]:
    """For a question that is only about what is there: a refusal decides nothing, and it is asked again."""
    try:
        yield
    except ProviderRefusal as refusal:
        raise ProviderTrouble(f"the provider does not answer: {refusal}") from refusal


def _answered(status: int, code: str) -> str:
    return f"the provider answered {status} {loggable_code(code)}"


_Told = TypeVar("_Told", bound=ProviderTrouble)


def _told(trouble: _Told, error: openai.APIStatusError) -> _Told:
    """The trouble, with when the provider wants to be asked again."""
    trouble.retry_after_seconds = retry_after_seconds(error.response.headers)
    trouble.status = error.status_code
    return trouble
