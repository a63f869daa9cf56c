"""One word, one meaning: docs/GLOSSARY.md held to the classes of every package.

Run by `make check`. It fails if two classes have one name, or if the glossary names a class that does not exist.

A local server speaks a provider's API, so it has that API's words: its `Batch` is the provider's, not ours. The classes
of each `local/*_server` are therefore held unique among themselves alone.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_SOURCES: Final = ("functions", "cli", "deploy", "local", "scheduler", "bench")
_SERVERS: Final = "local/*_server"
# A glossary's row: the term, its class, its meaning.
_ROW: Final = re.compile(r"^\| [^|]+ \| `(\w+)` \|", re.MULTILINE)


def classes(sources: Iterable[Path], without: Iterable[Path] = ()) -> dict[str, list[Path]]:
    """The files in which each class is defined, by its name without a leading underscore; npm's packages are not ours.

    Args:
        without: folders that are left out.
    """
    left_out = set(without)
    found: dict[str, list[Path]] = defaultdict(list)
    for path in (path for source in sources for path in sorted(source.rglob("*.py"))):
        if left_out & set(path.parents) or "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name.lstrip("_")].append(path)
    return found


def faults(defined: dict[str, list[Path]], glossary: str) -> Iterator[str]:
    """What is wrong, a sentence each."""
    for name, paths in sorted(defined.items()):
        if len(paths) > 1:
            yield f"{name} is the name of {len(paths)} classes: {', '.join(map(str, paths))}."
    for name in _ROW.findall(glossary):
        if name not in defined:
            yield f"docs/GLOSSARY.md names the class {name}, which does not exist."


def main() -> int:
    """Print every fault; returns the exit code."""
    servers = sorted(ROOT.glob(_SERVERS))
    glossary = (ROOT / "docs" / "GLOSSARY.md").read_text()
    found = list(faults(classes((ROOT / source for source in _SOURCES), without=servers), glossary))
    for server in servers:
        found += faults(classes([server]), glossary="")
    for fault in found:
        print(fault)
    if not found:
        print("Terms: every class has a name of its own, and the glossary's classes exist.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
