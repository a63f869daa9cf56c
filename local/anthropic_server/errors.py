"""The shape in which Anthropic's API answers what it refuses: https://platform.claude.com/docs/en/api/errors."""

import secrets

from local.provider_server.errors import ApiError, JsonObject

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_of(status: int, message: str, code: str | None = None) -> JsonObject:
    """The error object; a code of its own, which few errors have, stands in the details."""
    is_type = code in _TYPES.values() or code == "api_error"
    kind = code if is_type else _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    details = {} if is_type or not code else {"details": {"error_code": code}}
    return {"type": "error", "error": {"type": kind, "message": message, **details}}


def body_of(refused: ApiError) -> JsonObject:
    """The body of a refusal."""
    return {**error_of(refused.status, refused.message, refused.code), "request_id": f"req_{secrets.token_hex(12)}"}
