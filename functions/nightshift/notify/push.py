"""Push through firebase-admin's messaging (Firebase Cloud Messaging): one message for each device of a user.

`devices/{uid}/tokens/{hash}` are the client's; the rules bound each. Of more than twenty the oldest are deleted here,
and so is each token that FCM calls dead.

A message carries a collapse id: on a phone, a second one takes the first one's place.
"""

from typing import TYPE_CHECKING, Any, Final

import structlog
from firebase_admin import exceptions, messaging

from nightshift import firebase
from nightshift.database.collections import DEVICE_TOKENS, DEVICES
from nightshift.database.commits import READ, Commit, Undecided
from nightshift.notify.sending import Outcome, Sending
from nightshift.notify.wishes import MOST_DEVICES
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

log = structlog.get_logger()

_KEPT_BY_FCM: Final = 24 * 3600
# FCM's word that a token will never be one of this app's again.
_DEAD: Final = (messaging.UnregisteredError, messaging.SenderIdMismatchError, exceptions.InvalidArgumentError)
# FCM's word that it did not take a message.
_REFUSED: Final = (
    exceptions.UnavailableError,
    exceptions.InternalError,
    exceptions.ResourceExhaustedError,
    exceptions.UnauthenticatedError,
    exceptions.PermissionDeniedError,
)


async def send(runtime: Runtime, sending: Sending) -> Outcome:
    """Send a push to all devices of a user. Whatever goes wrong is an outcome."""
    devices = runtime.firestore.collection(DEVICES).document(sending.user_id).collection(DEVICE_TOKENS)
    query = devices.order_by("updatedAt", direction="DESCENDING").limit(2 * MOST_DEVICES)
    found: list[DocumentSnapshot[Any]] = await query.get(**READ)
    tokens = {str(snapshot.get("token")): snapshot for snapshot in found[:MOST_DEVICES]}
    dead = found[MOST_DEVICES:]
    if not tokens:
        return Outcome(kind="failed", code="no_device")
    messages = [_message(token, sending) for token in tokens]
    results = (await _service(runtime).send_each_async(messages, dry_run=False)).responses
    errors = [result.exception for result in results]
    dead += [snapshot for snapshot, error in zip(tokens.values(), errors, strict=True) if isinstance(error, _DEAD)]
    await _delete(runtime, dead)
    return _outcome(errors)


def _outcome(errors: list[Exception | None]) -> Outcome:
    if any(error is None for error in errors):
        return Outcome(kind="sent")
    code = next((str(getattr(error, "code", "")).lower() for error in errors if not isinstance(error, _DEAD)), "")
    if all(isinstance(error, _DEAD) for error in errors):
        return Outcome(kind="failed", code="no_device")
    log.warning("push_refused", code=code)
    # What broke off may have arrived, and another call would say it twice.
    is_known = all(isinstance(error, (*_DEAD, *_REFUSED)) and _was_answered(error) for error in errors)
    return Outcome(kind="refused" if is_known else "doubtful", code=f"fcm_{code or 'unknown'}")


def _was_answered(error: Exception | None) -> bool:
    return getattr(error, "http_response", None) is not None


async def _delete(runtime: Runtime, dead: "list[DocumentSnapshot[Any]]") -> None:
    if not dead:
        return
    commit = Commit(runtime)
    for snapshot in dead:
        commit.delete(snapshot.reference)
    try:
        await commit.send()
    except Undecided:
        # The next push finds them dead again.
        return
    log.info("devices_deleted", devices=len(dead))


def _message(token: str, sending: Sending) -> messaging.Message:
    first = sending.messages[0]
    # One end replaces itself; a digest replaces the last digest.
    tag = first.message_id if len(sending.messages) == 1 else "digest"
    subject = "bulkId" if first.topic == "bulk" else "jobId"
    data = {"event": first.event, subject: first.subject_id} if len(sending.messages) == 1 else {"event": "digest"}
    collapse_id = tag[:64]
    return messaging.Message(
        token=token,
        data=data,
        notification=messaging.Notification(title=sending.text.title, body=sending.text.body),
        android=messaging.AndroidConfig(
            collapse_key=collapse_id, ttl=_KEPT_BY_FCM, notification=messaging.AndroidNotification(tag=collapse_id)
        ),
        apns=messaging.APNSConfig(headers={"apns-collapse-id": collapse_id}),
        webpush=messaging.WebpushConfig(notification=messaging.WebpushNotification(tag=collapse_id)),
    )


def _service(runtime: Runtime) -> Any:
    """firebase-admin's sender; with FCM_EMULATOR_HOST, to that server. firebase-admin knows one address alone.

    It repeats what FCM has answered with 500 or 503, and no call whose answer was lost.
    """
    host = runtime.settings.fcm_emulator
    # The local stack's server asks for no credential, and a developer's machine may have none.
    service = messaging._get_messaging_service(firebase.app(runtime, "messages", is_keyless=host is not None))
    if host:
        service._fcm_url = f"http://{host}/v1/projects/{runtime.settings.project}/messages:send"
    return service
