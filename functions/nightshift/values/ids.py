"""The ids of jobs, users and documents, and a job's id at a provider."""

import re
from typing import Final

from nightshift.errors import JobRefused
from nightshift.values.texts import Text

# A custom_id is `job-{jobId}` and may have 64 characters at the strictest provider.
JOB_ID: Final = r"^[A-Za-z0-9_-]{1,60}$"
_JOB_ID: Final = re.compile(JOB_ID)
# https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
_LONGEST_ID_BYTES: Final = 1500
_RESERVED_BY_FIRESTORE = re.compile(r"\.|\.\.|__.*__", re.DOTALL)


def names_a_document(name: str) -> bool:
    """Whether a document in Firestore can have this id."""
    try:
        fits = 0 < len(name.encode()) <= _LONGEST_ID_BYTES
    except UnicodeEncodeError:
        # Half a character, as JSON can spell it.
        return False
    return fits and "/" not in name and not _RESERVED_BY_FIRESTORE.fullmatch(name)


def is_user_id(uid: str) -> bool:
    """Whether Firebase Auth can give this uid, and a wallet's document be named after it."""
    return len(uid) <= 128 and names_a_document(uid)


def check_job_id(job_id: str) -> None:
    """Raise JobRefused unless the id is one that a provider's custom_id can carry."""
    if not is_job_id(job_id):
        raise JobRefused(
            "invalid_input",
            Text.REQUEST_UNREADABLE.say(),
            "the job's id may hold 1 to 60 letters, digits, hyphens and underscores",
        )


def custom_id_of(job_id: str) -> str:
    """The provider's `custom_id` of a job's request."""
    return f"job-{job_id}"


def job_id_of(custom_id: str) -> str | None:
    """The job that a `custom_id` names, or None when it is not one of ours."""
    job_id = custom_id.removeprefix("job-")
    return job_id if job_id != custom_id and is_job_id(job_id) else None


def is_job_id(job_id: str) -> bool:
    """Whether a job can have this id."""
    return bool(_JOB_ID.fullmatch(job_id)) and names_a_document(job_id)
