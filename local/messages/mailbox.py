"""A real SMTP server that keeps what it is given, and fails on request.

It is `aiosmtpd`, so the sender speaks SMTP to it as to any server. `make up` writes each mail into a file that a mail
program or a browser opens.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Literal

from aiosmtpd.smtp import SMTP, Envelope, Session

from local.ports import HOST

Step = Literal["RCPT", "DATA"]


@dataclass(frozen=True, kw_only=True)
class SmtpFault:
    """What goes wrong with the next mail: the server's reply at one step, or none because the connection ends."""

    step: Step
    # As `451 try later`. None for a connection that ends; at DATA, after the mail was taken.
    reply: str | None


@dataclass(kw_only=True)
class MailServer:
    """What arrived, and what is to go wrong."""

    # Each mail is written into it, as NUMBER.eml and, where it has HTML, NUMBER.html.
    directory: Path | None = None
    say: Callable[[str], None] = lambda _: None
    mails: list[EmailMessage] = field(default_factory=list)
    faults: deque[SmtpFault] = field(default_factory=deque)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Take an address."""
        if fault := self._fault("RCPT"):
            return fault.reply or _end(server)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail."""
        fault = self._fault("DATA")
        if fault and fault.reply:
            return fault.reply
        content = envelope.content
        self._keep(content if isinstance(content, bytes) else str(content).encode())
        return _end(server) if fault else "250 OK"

    def _fault(self, step: Step) -> SmtpFault | None:
        return self.faults.popleft() if self.faults and self.faults[0].step == step else None

    def _keep(self, content: bytes) -> None:
        mail = message_from_bytes(content, policy=default)
        if not isinstance(mail, EmailMessage):
            raise TypeError("a mail is read as an EmailMessage")
        self.mails.append(mail)
        if self.directory is None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        name = self.directory / f"{len(self.mails):04}"
        name.with_suffix(".eml").write_bytes(content)
        html = mail.get_body(("html",))
        if html:
            name.with_suffix(".html").write_text(html.get_content())
        self.say(f"Mail to {mail['To']}: “{mail['Subject']}”\n  {name.with_suffix('.html')}")


def _end(server: SMTP) -> str:
    """Break the connection off."""
    transport = server.transport
    if isinstance(transport, asyncio.Transport):
        transport.abort()
    return "421 gone"


@asynccontextmanager
async def serving_mail(mailbox: MailServer, port: int = 0) -> AsyncIterator[int]:
    """Serve SMTP; yields the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox, enable_SMTPUTF8=True, loop=loop), HOST, port)
    async with server:
        yield server.sockets[0].getsockname()[1]
