"""What a person sees of `make chaos`: the cases as they pass, each broken one with what repeats it, and a table."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.earners import Earned, EarningCount
from tests.chaos.enumeration import Outcome
from tests.chaos.faults import FAULTS
from tests.chaos.hostile import Effort
from tests.chaos.machine import Count
from tests.chaos.neighbours import Besieged
from tests.chaos.schedules import Played
from tests.fuzz.rounds import Fuzzed

# Where no bar can move, as in CI.
_SAY_EVERY = 250


def followed(console: Console, outcomes: Iterable[Outcome], total: int) -> list[Outcome]:
    """Collect the outcomes as they come, and show how far it is; a broken case is printed at once."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    collected: list[Outcome] = []
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total)
        for outcome in outcomes:
            collected.append(outcome)
            broken = sum(1 for one in collected if one.broken)
            progress.update(task, advance=1, description=f"{broken} broken, {outcome.case.journey}")
            if outcome.broken:
                show_one(progress.console, outcome)
            elif not console.is_terminal and len(collected) % _SAY_EVERY == 0:
                console.print(f"{len(collected)} of {total} cases, {broken} broken", highlight=False)
    return collected


def show_one(console: Console, outcome: Outcome) -> None:
    """One case and what came of it."""
    verdict = f"[red]broken[/red]: {outcome.broken}" if outcome.broken else "[green]kept[/green]"
    console.print(f"[bold]{outcome.case.name}[/bold] {verdict}", soft_wrap=True, highlight=False)
    console.print(f"  struck: {', '.join(outcome.struck) or 'no call'}", soft_wrap=True, highlight=False)
    if outcome.paid_twice:
        console.print(f"  paid twice: {outcome.paid_twice}")
    if outcome.broken:
        console.print(f"  alone: {outcome.case.command}", soft_wrap=True, highlight=False)


def show(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Journey by fault: how many cases, in red where one is broken; then what was paid twice, and the slowest."""
    by_kind: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.case.journey, outcome.case.fault].append(outcome)
    journeys = list(dict.fromkeys(outcome.case.journey for outcome in outcomes))
    # So that it fits into 80 columns.
    table = Table(title="Cases by journey and fault", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("fault", no_wrap=True)
    for journey in (*journeys, "all"):
        table.add_column(journey.replace("-", "\n"), justify="right")
    for fault in (fault for fault in FAULTS if any((journey, fault) in by_kind for journey in journeys)):
        row = [by_kind.get((journey, fault), []) for journey in journeys]
        table.add_row(fault, *(_counts(cell) for cell in row), _counts([one for cell in row for one in cell]))
    totals = [[one for one in outcomes if one.case.journey == journey] for journey in journeys]
    table.add_section()
    table.add_row("all", *(_counts(cell) for cell in totals), _counts(outcomes))
    console.print(table)
    struck = sum(1 for outcome in outcomes if outcome.struck)
    broken = sum(1 for outcome in outcomes if outcome.broken)
    console.print(f"{len(outcomes):,} cases played, in {struck:,} a call was struck, {broken} broken.")
    paid_twice = [outcome for outcome in outcomes if outcome.paid_twice]
    console.print(f"Jobs paid twice: {sum(outcome.paid_twice for outcome in paid_twice)}")
    for outcome in paid_twice:
        console.print(f"  {outcome.case.command}", soft_wrap=True, highlight=False)
    slowest = sorted(outcomes, key=lambda outcome: -outcome.seconds)[:3]
    console.print(f"Slowest: {', '.join(f'{one.case.name} {one.seconds:.0f} s' for one in slowest)}", soft_wrap=True)


def _show_one(console: Console, name: str, told: str, broken: str | None, alone: str, verdict: str = "broken") -> None:
    """What came of one seed or round; if a promise was broken, how, and the command that plays it alone."""
    word = f"[red]{verdict}[/red]" if broken else "[green]kept[/green]"
    console.print(f"[bold]{name}[/bold] {word}: {told}", soft_wrap=True, highlight=False)
    if broken:
        console.print(broken, soft_wrap=True, highlight=False, markup=False)
        console.print(f"  alone: make chaos {alone}", soft_wrap=True, highlight=False)


def show_nights(console: Console, played: Played) -> None:
    """The nights of one seed and what came of them."""
    name = f"seed {played.seed}"
    _show_one(console, name, _told(played.count), played.broken, f"NIGHT={played.seed}")


def show_total(console: Console, count: Count) -> None:
    """All nights together."""
    console.print(f"Random nights: {_told(count)}", soft_wrap=True, highlight=False)


def show_round(console: Console, fuzzed: Fuzzed) -> None:
    """A round of arbitrary inputs, and what came of it."""
    name = fuzzed.round.name
    _show_one(console, name, f"{fuzzed.inputs:,} inputs", fuzzed.broken, f"ROUND={name}")


def show_fuzzed(console: Console, fuzzed: Sequence[Fuzzed]) -> None:
    """How many arbitrary inputs were played, by kind."""
    inputs: Counter[str] = Counter()
    for one in fuzzed:
        inputs[one.round.kind] += one.inputs
    by_kind = ", ".join(f"{number:,} {kind}" for kind, number in inputs.items())
    broken = sum(1 for one in fuzzed if one.broken)
    total = f"{inputs.total():,} inputs in {len(fuzzed)} rounds, {broken} broken"
    console.print(f"Arbitrary inputs: {total}: {by_kind}", soft_wrap=True, highlight=False)


def show_siege(console: Console, besieged: Besieged) -> None:
    """The hostile users of one seed, and what honest ones felt of them."""
    name = f"seed {besieged.seed}"
    _show_one(console, name, _effort(besieged.effort), besieged.broken, f"SIEGE={besieged.seed}", verdict="interfered")


def show_sieges(console: Console, effort: Effort, interferences: int) -> None:
    """All hostile users together."""
    console.print(f"Hostile users: {_effort(effort)}, {interferences} interferences", soft_wrap=True, highlight=False)


def show_earners(console: Console, earned: Earned) -> None:
    """The users of one seed who earn, and what came of it."""
    name = f"seed {earned.seed}"
    _show_one(console, name, _earning(earned.count), earned.broken, f"EARNING={earned.seed}")


def show_all_earners(console: Console, count: EarningCount) -> None:
    """All users who earn together."""
    console.print(f"Users who earn: {_earning(count)}", soft_wrap=True, highlight=False)


def _earning(count: EarningCount) -> str:
    return (
        f"{count.examples} examples, {count.steps:,} steps, {count.claims:,} claims, {count.granted:,} granted, "
        f"{count.jobs:,} jobs, {count.faults} calls struck"
    )


def _effort(effort: Effort) -> str:
    return (
        f"{effort.examples} examples, {effort.steps:,} steps, {effort.users} users, "
        f"{effort.denied:,} steps denied by the rules, {effort.requests:,} requests, {effort.refused:,} refused"
    )


def _told(count: Count) -> str:
    return (
        f"{count.nights} nights, {count.steps:,} steps, {count.jobs} jobs, "
        f"{count.faults} calls struck, {count.deaths} processes died"
    )


def _counts(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "-"
    is_broken = any(outcome.broken for outcome in outcomes)
    return f"[red]{len(outcomes)}[/red]" if is_broken else str(len(outcomes))
