"""One mail over SMTP, step by step, so that it is known what a broken connection means.

Until the mail itself is handed over, nothing was sent: each trouble before is passing, or the server's final word about
the address. Once it is on its way, only the server's answer tells. Without one the mail may have been taken.
"""

from email.message import EmailMessage
from email.utils import parseaddr
from typing import Final

import structlog
from aiosmtplib import SMTP, SMTPConnectError, SMTPException, SMTPResponseException, SMTPTimeoutError

from nightshift.notify.sending import Outcome
from nightshift.settings import Settings

log = structlog.get_logger()

_TIMEOUT_SECONDS: Final = 30.0
# Submission over TLS from the first byte (RFC 8314). All other ports begin in the clear, and go on by STARTTLS.
_TLS_PORT: Final = 465
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PERMANENT: Final = range(500, 600)


async def send(settings: Settings, mail: EmailMessage, address: str) -> Outcome:
    """Send a mail to one address. Whatever goes wrong is an outcome."""
    is_encrypted_at_once = settings.smtp_port == _TLS_PORT
    # Nothing goes in the clear over a network.
    must_encrypt = settings.smtp_host not in _LOOPBACK
    client = SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        use_tls=is_encrypted_at_once,
        start_tls=True if must_encrypt and not is_encrypted_at_once else None,
        username=settings.smtp_user,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        timeout=_TIMEOUT_SECONDS,
    )
    try:
        async with client:
            return await _hand_over(client, mail, address)
    except (SMTPException, OSError, ValueError) as trouble:
        # A wrong password, a certificate, a server that is not there: the operator's, not the mail's.
        log.warning("smtp_unreachable", error=type(trouble).__name__, code=getattr(trouble, "code", None))
        return Outcome(kind="refused", code=_code(trouble))


async def _hand_over(client: SMTP, mail: EmailMessage, address: str) -> Outcome:
    try:
        await client.mail(parseaddr(str(mail["From"]))[1])
        await client.rcpt(address)
    except SMTPResponseException as refusal:
        return _refusal(refusal)
    except (UnicodeError, ValueError):
        return Outcome(kind="failed", code="address_unusable")
    try:
        await client.data(mail.as_bytes())
    except SMTPResponseException as refusal:
        return _refusal(refusal)
    except (SMTPException, OSError) as trouble:
        return Outcome(kind="doubtful", code=_code(trouble))
    return Outcome(kind="sent")


def _refusal(refusal: SMTPResponseException) -> Outcome:
    return Outcome(kind="failed" if refusal.code in _PERMANENT else "refused", code=f"smtp_{refusal.code}")


def _code(trouble: Exception) -> str:
    if isinstance(trouble, SMTPResponseException):
        return f"smtp_{trouble.code}"
    if isinstance(trouble, SMTPTimeoutError | TimeoutError):
        return "smtp_timeout"
    return "smtp_unreachable" if isinstance(trouble, SMTPConnectError | OSError) else "smtp_broken_off"
