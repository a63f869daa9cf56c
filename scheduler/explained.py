"""Google's errors as one sentence for the person who runs the command: what is wrong, and what to do."""

from google.api_core.exceptions import Forbidden, GoogleAPICallError, GoogleAPIError, RetryError, Unauthenticated
from google.auth.exceptions import GoogleAuthError

_LOG_IN = "run `gcloud auth application-default login`, or name a key file in GOOGLE_APPLICATION_CREDENTIALS"


def explained(error: GoogleAPIError | GoogleAuthError, project: str) -> str:
    """The sentence."""
    cause = error.cause if isinstance(error, RetryError) and error.cause else error
    if isinstance(cause, GoogleAuthError | Unauthenticated):
        return f"Google did not accept the credentials, or found none ({_one_line(cause)}): {_LOG_IN}."
    if not isinstance(cause, GoogleAPICallError):
        return f"Google Cloud could not be asked: {_one_line(cause)}."
    if cause.reason == "SERVICE_DISABLED":
        service = (cause.metadata or {}).get("service", "the service")
        return f"{service} is not enabled: run `gcloud services enable {service} --project {project}`."
    if isinstance(cause, Forbidden):
        roles = "roles/cloudscheduler.admin and roles/pubsub.editor"
        return f"Permission denied ({_one_line(cause)}): the caller needs {roles} in {project}."
    again = ", even when it was asked again" if isinstance(error, RetryError) else ""
    code = cause.grpc_status_code.name if cause.grpc_status_code else type(cause).__name__
    return f"Google Cloud answered {code}{again}: {_one_line(cause)}."


def _one_line(error: Exception) -> str:
    message = error.message if isinstance(error, GoogleAPICallError) else str(error)
    return " ".join(str(message).split()).rstrip(".") or type(error).__name__
