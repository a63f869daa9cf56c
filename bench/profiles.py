"""Where each function's CPU goes, as a table of Markdown."""

from collections.abc import Mapping

from bench.counted_function import FunctionCounts


def profile(functions: Mapping[str, FunctionCounts], jobs: int, of: str = "job") -> str:
    """The milliseconds of CPU per job, or per row: a row for each part of the work, a column for each function.

    Parts that would show as nothing in every column are left out.
    """
    by_function = [function.part_seconds() for function in functions.values()]
    totals = {part: sum(parts.get(part, 0.0) for parts in by_function) for parts in by_function for part in parts}
    parts_in_order = sorted(totals, key=lambda part: totals[part], reverse=True)
    rows = [[part, *(_ms(parts.get(part, 0.0) / jobs) for parts in by_function)] for part in parts_in_order]
    rows = [row for row in rows if set(row[1:]) != {_ms(0.0)}]
    all_of_it = ["all of it", *(_ms(function.cpu_seconds / jobs) for function in functions.values())]
    lines = [[f"ms of CPU per {of}", *functions], ["---", *("---:" for _ in functions)], *rows, all_of_it]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f}"
