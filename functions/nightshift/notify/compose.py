"""What a message says: subject, text, HTML, and the lines of a push. From `templates/`, escaped by Jinja."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nightshift.notify.outbox import Message
from nightshift.notify.texts import text

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).with_name("templates")
# A message that lists more is no longer read.
_MOST_LISTED: Final = 20


@dataclass(frozen=True, kw_only=True)
class MessageText:
    """A message in all its forms."""

    subject: str
    plain: str
    html: str
    # A push: two short lines.
    title: str
    body: str


def compose(messages: Sequence[Message], *, app_url: str | None, unsubscribe_url: str | None) -> MessageText:
    """The message that tells of these ends, in the language of the last one.

    Args:
        app_url: where the app opens; None where there is no such address.
        unsubscribe_url: takes the address off the list.
    """
    language = messages[-1].language

    def say(name: str, **values: object) -> str:
        return text(language, name, **values)

    is_one = len(messages) == 1
    # A header has one line.
    subject = " ".join(messages[0].title.split()) if is_one else say("several", count=len(messages))
    lead = messages[0].text if is_one else say("several_text", count=len(messages))
    values: dict[str, Any] = {
        "language": language,
        "subject": subject,
        "lead": lead,
        "items": [] if is_one else messages[:_MOST_LISTED],
        "more": say("more", count=len(messages) - _MOST_LISTED) if len(messages) > _MOST_LISTED else None,
        "open": say("open"),
        "app_url": app_url,
        "why": say("why"),
        "unsubscribe": say("unsubscribe"),
        "unsubscribe_url": unsubscribe_url,
    }
    return MessageText(
        subject=subject,
        plain=_environment().get_template("message.txt").render(values),
        html=_environment().get_template("message.html").render(values),
        title=subject,
        body=lead,
    )


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
