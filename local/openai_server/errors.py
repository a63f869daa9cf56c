"""The shape in which OpenAI's API answers what it refuses."""

from local.provider_server.errors import ApiError, JsonObject


def error_body(
    message: str, *, param: str | None = None, code: str | None = None, kind: str = "invalid_request_error"
) -> JsonObject:
    """OpenAI's error object: `{"error": {"message", "type", "param", "code"}}`."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def body_of(refused: ApiError) -> JsonObject:
    """The same of an error."""
    return error_body(refused.message, param=refused.param, code=refused.code, kind=refused.kind)
