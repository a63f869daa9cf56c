"""How many jobs of each scenario have ended by when, as one picture: SVG, which every browser shows."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from simulate.system import System

_WIDTH, _HEIGHT, _EDGE = 720, 120, 40
_POINTS = 200


def write(path: Path, systems: Sequence[System]) -> None:
    """Draw a band for each scenario: what was written (grey) and what has ended (blue), over its time."""
    height = len(systems) * (_HEIGHT + _EDGE) + _EDGE
    bands = "".join(_band(system, place * (_HEIGHT + _EDGE) + _EDGE) for place, system in enumerate(systems))
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>{bands}</svg>\n'
    )


def _band(system: System, top: int) -> str:
    ends_at = system.settled_at
    written = _line([(group.written_at, group.jobs) for group in system.groups], ends_at, top)
    settled = _line([(group.settled_at, group.jobs) for group in system.groups], ends_at, top)
    title = escape(f"{system.scenario.name}: {ends_at / 3600:.1f} h")
    return (
        f'<text x="{_EDGE}" y="{top - 6}">{title}</text>'
        f'<polyline points="{written}" fill="none" stroke="#999"/>'
        f'<polyline points="{settled}" fill="none" stroke="#06c" stroke-width="2"/>'
    )


def _line(happened: list[tuple[float, int]], ends_at: float, top: int) -> str:
    in_order, total = sorted(happened), sum(jobs for _, jobs in happened)
    points, seen, place = list[str](), 0, 0
    for step in range(_POINTS + 1):
        until = ends_at * step / _POINTS
        while place < len(in_order) and in_order[place][0] <= until:
            seen += in_order[place][1]
            place += 1
        x = _EDGE + (_WIDTH - 2 * _EDGE) * step / _POINTS
        points.append(f"{x:.0f},{top + _HEIGHT * (1 - seen / total):.1f}")
    return " ".join(points)
