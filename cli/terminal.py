"""What a program of an operator's prints: all of it passes through here, and none of it moves a cursor.

Ids, uids, names of uploads and keys of inputs are written by users. A terminal obeys escape sequences in them: it would
set the clipboard, change what was printed before, or show a text backwards. So each stream of the process is replaced
by one that prints a question mark for whatever is no visible character. Styles are the one thing that a terminal is
meant to obey: rich writes those past the stream, and the text between them is cleaned before.
"""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import fill
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_INSTEAD = "?"
_SILENCE_AGAIN_SECONDS = 10.0


def clean(text: str) -> str:
    """A text without control, format and bidirectional characters; line ends and tabs stay."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else _INSTEAD for letter in text)


class _Heard:
    """When this process printed last, on any stream, and whether that ended a line."""

    at = time.monotonic()
    is_line_ended = True


class HeardStream:
    """A stream of text that notes when something was printed."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text."""
        if text:
            _Heard.at, _Heard.is_line_ended = time.monotonic(), text.endswith("\n")
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's own."""
        return getattr(self.stream, name)


class CleanStream:
    """A stream of text that prints visible characters only."""

    def __init__(self, stream: TextIO) -> None:
        self.heard = HeardStream(stream)
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text, cleaned."""
        return self.heard.write(clean(text))

    def writelines(self, lines: Any) -> None:
        """Write the lines, cleaned."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's own."""
        return getattr(self.stream, name)


def told_in_lines(text: str) -> str:
    """A text as it is written on standard error: cleaned, and cut into lines between words if that is a terminal."""
    text = clean(text)
    if not sys.stderr.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(fill(line, width, break_long_words=False, break_on_hyphens=False) for line in text.split("\n"))


def line_was_answered() -> None:
    """A person has answered a question: the next text begins a line."""
    _Heard.at, _Heard.is_line_ended = time.monotonic(), True


@contextmanager
def never_silent(doing: str, silence_seconds: float = 1.5, silent_before: float = 0.0) -> Iterator[None]:
    """While the body runs, say on standard error what it is doing whenever nothing was printed for so long.

    `silent_before` are the seconds for which the process was silent already, while its packages were loading.

    A person waits for it, so nothing is said where standard error is no terminal, nor while a question is open. A
    thread says it, since a library may keep this one waiting.
    """
    over = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        pause = silence_seconds
        while not over.wait(max(0.1, _Heard.at + pause - time.monotonic())):
            now = time.monotonic()
            if _Heard.is_line_ended and now - _Heard.at >= pause:
                sys.stderr.write(f"{doing} ({now - began:.0f} s) ...\n")
                sys.stderr.flush()
                pause = _SILENCE_AGAIN_SECONDS

    if not sys.stderr.isatty():
        yield
        return
    line_was_answered()
    _Heard.at -= silent_before
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def protect() -> None:
    """Clean all that this process prints from now on. Done twice, it is done once."""
    if not isinstance(sys.stdout, CleanStream):
        sys.stdout = CleanStream(sys.stdout)
    if not isinstance(sys.stderr, CleanStream):
        sys.stderr = CleanStream(sys.stderr)


def console() -> "Console":
    """Where styled text and tables are printed, on standard output."""
    from rich.console import Console, RenderHook
    from rich.segment import Segment

    class _Cleaned:
        def __init__(self, renderable: Any) -> None:
            self._renderable = renderable

        def __rich_console__(self, console: Console, options: Any) -> Iterator[Segment]:
            for segment in console.render(self._renderable, options):
                yield segment if segment.control else Segment(clean(segment.text), segment.style)

    class _CleanedEach(RenderHook):
        def process_renderables(self, renderables: list[Any]) -> list[Any]:
            return [_Cleaned(renderable) for renderable in renderables]

    stream = sys.stdout
    file: Any = stream.heard if isinstance(stream, CleanStream) else HeardStream(stream)
    own = Console(file=file, highlight=False, markup=False)
    own.push_render_hook(_CleanedEach())
    return own
