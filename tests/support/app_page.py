"""docs/APP.md and the README's example, read from the pages themselves: what stands there is what is tested."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.cloud.firestore import FieldFilter, Query

from local.part import ROOT

PAGE: Final = (ROOT / "docs" / "APP.md").read_text()
LANGUAGES: Final = ("js", "dart", "swift", "kotlin")

_BLOCK: Final = re.compile(r"^```(\w+)\n(?://|#) (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_STEP: Final = re.compile(
    r"""\bcollection\((?:db,\s*)?["'](?P<collection>\w+)["'](?:,\s*uid,\s*["'](?P<below>\w+)["'])?\)
    |\b(?:where|whereField|whereEqualTo)\(\s*["'](?P<filter>\w+)["']
    |\b(?:orderBy|order)\(\s*(?:by:\s*)?["'](?P<order>\w+)["'](?P<direction>[^)]*)\)
    |\blimit\((?:to:\s*)?(?P<limit>\d+)\)""",
    re.VERBOSE,
)
_HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class AppQuery:
    """One list that an app shows."""

    collection: str
    # The collection that is below the user's document of `collection`.
    below: str | None = None
    filters: tuple[str, ...] = ()
    order: str
    is_descending: bool
    limit: int

    def of(self, client: Any, uid: str) -> Any:
        """The same query of Google's client library."""
        query = client.collection(self.collection)
        if self.below:
            query = query.document(uid).collection(self.below)
        for name in self.filters:
            query = query.where(filter=FieldFilter(name, "==", uid))
        direction = Query.DESCENDING if self.is_descending else Query.ASCENDING
        return query.order_by(self.order, direction=direction).limit(self.limit)


def files(language: str) -> dict[str, str]:
    """The page's files in a language, by name."""
    return {name: code for found, name, code in _BLOCK.findall(PAGE) if found == language}


def readme_example(language: str) -> str:
    """The README's first example in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"the README has no {language} example"
    return found[1]


def queries(code: str) -> list[AppQuery]:
    """The lists in a snippet, whatever its language."""
    found: list[AppQuery] = []
    step: dict[str, Any] = {}
    for match in _STEP.finditer(code):
        if match["collection"]:
            step = {"collection": match["collection"], "below": match["below"], "filters": ()}
        elif match["filter"]:
            step["filters"] += (match["filter"],)
        elif match["order"]:
            step |= {"order": match["order"], "is_descending": "desc" in match["direction"].lower()}
        else:
            found.append(AppQuery(**step, limit=int(match["limit"])))
    return found


def dashboards_queries() -> set[AppQuery]:
    """Every list that the dashboard listens to."""
    return set(queries((ROOT / "dashboard" / "database.js").read_text()))


def all_queries() -> set[AppQuery]:
    """Every list on the page."""
    return {query for language in LANGUAGES for code in files(language).values() for query in queries(code)}


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of all tables below a heading that begins so, up to the next heading; a table's head is no row."""
    start = next(match for match in _HEADING.finditer(PAGE) if match[1].startswith(heading))
    end = _HEADING.search(PAGE, start.end())
    lines = PAGE[start.end() : end.start() if end else len(PAGE)].splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not line.startswith("|---") and not after.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def names(cell: str) -> list[str]:
    """The names in a cell."""
    return re.findall(r"`([^`]+)`", cell)
