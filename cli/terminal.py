"""What a program of an operator's prints: all of it passes through here, and none of it moves a cursor.

Ids, uids, names of uploads and keys of inputs are written by users. A terminal obeys escape sequences in them: it would
set the clipboard, change what was printed before, or show a text backwards. So each stream of the process is replaced
by one that prints a question mark for whatever is no visible character. Styles are the one thing that a terminal is
meant to obey: rich writes those past the stream, and the text between them is cleaned before.
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_INSTEAD = "?"


def clean(text: str) -> str:
    """A text without control, format and bidirectional characters; line ends and tabs stay."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else _INSTEAD for letter in text)


class CleanStream:
    """A stream of text that prints visible characters only."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text, cleaned."""
        return self.stream.write(clean(text))

    def writelines(self, lines: Any) -> None:
        """Write the lines, cleaned."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's own."""
        return getattr(self.stream, name)


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
    own = Console(file=stream.stream if isinstance(stream, CleanStream) else stream, highlight=False, markup=False)
    own.push_render_hook(_CleanedEach())
    return own
