"""E-mail: `mail/{id}` in the form of firestore-send-email, and our own sender of it over SMTP.

With `external`, the document is all: the extension, or what follows it, sends it, and writes `delivery`. Firebase
Extensions end in March 2027 (docs/DEPLOY.md). With `smtp` the document is the record, and the mail is sent from here:
https://extensions.dev/extensions/firebase/firestore-send-email has the form.
"""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Any, Final
from urllib.parse import quote

from nightshift.database.collections import MAIL
from nightshift.database.commits import Commit
from nightshift.notify.outbox import KEPT
from nightshift.notify.sending import Outcome, Sending
from nightshift.runtime import Runtime

# https://extensions.dev/extensions/firebase/firestore-send-email: the states of a delivery.
_PROCESSING: Final = "PROCESSING"
_STATES: Final = {"sent": "SUCCESS", "refused": "RETRY", "failed": "ERROR", "doubtful": "ERROR"}


def write(runtime: Runtime, commit: Commit, sending: Sending) -> None:
    """Add the mail's document to the commit that takes its messages."""
    text = sending.text
    fields: dict[str, Any] = {
        "to": [sending.address],
        "message": {"subject": text.subject, "text": text.plain, "html": text.html},
        "headers": _headers(runtime, sending),
        "userId": sending.user_id,
        "expireAt": runtime.now() + KEPT,
    }
    if runtime.settings.mail == "smtp":
        fields["delivery"] = {"state": _PROCESSING, "attempts": 1, "startTime": runtime.now()}
    commit.create(runtime.firestore.collection(MAIL).document(sending.sending_id), fields)


def record(runtime: Runtime, commit: Commit, sending: Sending, outcome: Outcome) -> None:
    """Add what came of a mail to a commit."""
    if runtime.settings.mail != "smtp":
        return
    delivery = {
        "state": _STATES[outcome.kind],
        "attempts": max(message.attempts for message in sending.messages) + 1,
        "endTime": runtime.now(),
        "error": outcome.code or None,
    }
    commit.merge(runtime.firestore.collection(MAIL).document(sending.sending_id), {"delivery": delivery})


async def send(runtime: Runtime, sending: Sending) -> Outcome:
    """Send a mail over SMTP. Whatever goes wrong is an outcome."""
    if sending.address is None:
        return Outcome(kind="failed", code="no_address")
    if runtime.settings.mail == "external":
        return Outcome(kind="sent")
    from nightshift.notify import smtp

    return await smtp.send(runtime.settings, mail_of(runtime, sending), sending.address)


def mail_of(runtime: Runtime, sending: Sending) -> EmailMessage:
    """The mail as it is sent, in text and HTML."""
    sender = str(runtime.settings.smtp_from)
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = sending.text.subject
    mail["From"] = sender
    mail["To"] = sending.address
    mail["Date"] = runtime.now()
    mail["Message-ID"] = f"<{sending.sending_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    for name, value in _headers(runtime, sending).items():
        mail[name] = value
    mail.set_content(sending.text.plain)
    mail.add_alternative(sending.text.html, subtype="html")
    return mail


def unsubscribe_url(runtime: Runtime, user_id: str, key: str) -> str | None:
    """Where one click takes a user's address off; None where the API has no public address."""
    origin = runtime.settings.dashboard_origin
    return f"{origin}/v1/unsubscribe/{quote(user_id, safe='')}/{key}" if origin else None


def _headers(runtime: Runtime, sending: Sending) -> dict[str, str]:
    """The headers by which mail programs offer to unsubscribe (RFC 2369, RFC 8058), and leave out absence notes."""
    url = unsubscribe_url(runtime, sending.user_id, sending.unsubscribe_key)
    address = parseaddr(runtime.settings.smtp_from or "")[1]
    ways = [f"<{url}>"] if url else []
    ways += [f"<mailto:{address}?subject=unsubscribe>"] if address else []
    headers = {"Auto-Submitted": "auto-generated"}
    if ways:
        headers["List-Unsubscribe"] = ", ".join(ways)
    if url:
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers
