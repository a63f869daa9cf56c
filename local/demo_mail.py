"""The demo's mail: a user who asked for it has an e-mail, over a real mail server."""

import asyncio
import shutil
import tempfile
import textwrap
import time
from pathlib import Path

from rich.console import Console

from local.app_user import AppUser
from local.stack import Stack

_LOOK_EVERY_SECONDS = 0.2


async def ask_for_mail(stack: Stack, user: AppUser) -> None:
    """Give a user an account with a verified address, and the wish to hear by e-mail."""
    stack.users.admin.create({"localId": user.uid, "email": f"{user.uid}@example.com", "emailVerified": True})
    await user.write_preferences({"email": True})


async def show_mail(console: Console, stack: Stack, user: AppUser, patience_seconds: float) -> list[str]:
    """Show the last mail that the user got; returns what is broken."""
    until = time.monotonic() + patience_seconds
    while not (numbers := [n for n, mail in enumerate(stack.mailbox.mails, 1) if user.uid in str(mail["To"])]):
        if time.monotonic() > until:
            return [f"{user.uid} asked for e-mail, and none came."]
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    number = numbers[-1]
    mail = stack.mailbox.mails[number - 1]
    # The stack's directory goes with it.
    kept = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="nightshift-mail-")) / f"{number:04}.html"
    await asyncio.to_thread(shutil.copy, stack.mail_dir / kept.name, kept)
    plain = mail.get_body(("plain",))
    lines = plain.get_content().splitlines() if plain else []
    console.print(f"\n[bold]{user.uid} was told by e-mail, too[/bold]", highlight=False)
    for line in (f"To: {mail['To']}", f"Subject: {mail['Subject']}", "", *lines):
        indent = " " * (len(line) - len(line.lstrip()))
        for part in textwrap.wrap(line, console.width - 4, subsequent_indent=indent) or [""]:
            console.print(f"  │ {part}".rstrip(), highlight=False, markup=False)
    console.print(f"  file://{kept}", highlight=False, soft_wrap=True)
    return []
