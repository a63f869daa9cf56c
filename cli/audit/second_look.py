"""A finding stands once a second look has found it, too: what it costs is paid only where something was found.

What is read as of one moment was true together in Firestore. In its emulator it need not be: for some milliseconds a
commit is seen in one document and not in another.
"""

from collections.abc import Awaitable, Callable, Sequence, Set
from typing import TYPE_CHECKING

from cli.audit.finding import Finding
from cli.audit.scope import Scope
from nightshift.database.pages import read_at

if TYPE_CHECKING:
    from nightshift.database.pages import Snapshot


async def found_twice(scope: Scope, look: Callable[[Scope], Awaitable[list[Finding]]]) -> list[Finding]:
    """What a look finds, and finds again. `look` reads anew all that it judges."""
    subjects = _subjects(await look(scope))
    return _of(subjects, await look(scope.uncounted())) if subjects else []


async def found_twice_on(
    scope: Scope,
    page: Sequence["Snapshot"],
    look: Callable[[Scope, Sequence["Snapshot"]], Awaitable[list[Finding]]],
) -> list[Finding]:
    """What a look at a page finds, and finds again. The second look is at documents with findings, as of now."""
    subjects = _subjects(await look(scope, page))
    suspects = [snapshot.reference for snapshot in page if snapshot.reference.path in subjects]
    again = list((await read_at(scope.runtime, suspects, None)).values())
    return _of(subjects, await look(scope.uncounted(), again)) if again else []


def _subjects(found: Sequence[Finding]) -> set[str]:
    """What both looks must agree on: while users work, a number in a sentence changes."""
    return {finding.subject for finding in found}


def _of(subjects: Set[str], found: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.subject in subjects]
