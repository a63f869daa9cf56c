"""A share of `make chaos`: every eighth kind of call with a fault, each in one of the journeys."""

import pytest

from nightshift.batches import submit
from tests.chaos.calls import Call
from tests.chaos.enumeration import Case, cases, distinct_faults, record, run, share
from tests.chaos.faults import FAULTS
from tests.chaos.journeys import JOURNEYS

# What the time that `make test` may take allows; another source has another share.
_SHARES_OF_A_JOURNEY = 8


@pytest.mark.parametrize("name", JOURNEYS)
async def test_whatever_goes_wrong_at_a_call_the_promises_are_kept(name: str) -> None:
    """The journey is recorded, and its share of the cases is played; one that breaks is named with what repeats it."""
    every = cases(JOURNEYS[name], await record(JOURNEYS[name]))
    # A journey that drew no lot plays its last call.
    chosen = share(every, list(JOURNEYS).index(name), _SHARES_OF_A_JOURNEY * len(JOURNEYS)) or every[-1:]

    for case in chosen:
        outcome = await run(case)
        assert not outcome.broken, f"{outcome.broken} (struck: {outcome.struck}); alone: {case.command}"
        # A create that lands after the search for it is made again: the search could not find it.
        assert not outcome.paid_twice or case.fault == "late-12", f"paid twice; alone: {case.command}"


async def test_a_promise_that_does_not_hold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the search for a batch whose create call lost its answer, a crash right after it is paid twice."""

    async def never(*_: object) -> None:
        return None

    monkeypatch.setattr(submit, "_adopted", never)

    create = next(call for call in await record(JOURNEYS["single"]) if call.name == "openai.POST.batches")

    outcome = await run(Case("single", create.number, create.name, "dies-after"))

    assert outcome.struck == (create.label,)
    assert outcome.paid_twice == 1


def test_a_read_has_one_fault_for_each_thing_that_its_caller_can_get() -> None:
    """A write has both: whether it was carried out is the whole difference."""
    read = Call(1, "firestore", "RunQuery", writes=False, streams=True)
    write = Call(1, "firestore", "Commit", writes=True)

    faults_of_read = [fault.name for fault in distinct_faults(read)]
    faults_of_write = [fault.name for fault in distinct_faults(write)]

    assert faults_of_read == ["dies-before", "lost", "lost-timeout", "aborted", "breaks-off"]
    assert faults_of_write == [name for name, fault in FAULTS.items() if fault.fits(write)]
    assert {"dies-before", "dies-after", "lost", "unavailable", "late-12"} <= set(faults_of_write)


def test_the_shares_together_hold_every_kind_of_call_with_every_fault_once() -> None:
    """Nothing is left out and nothing is played twice, however many shares there are."""
    calls = ("firestore.Commit", "openai.POST.files", "storage.GET.download")
    every = [Case("single", number, calls[number % 3], fault) for number in range(30) for fault in FAULTS]

    shares = [share(every, part, 4) for part in range(4)]

    kinds = [(case.call, case.fault) for part in shares for case in part]
    assert sorted(kinds) == sorted({(case.call, case.fault) for case in every})


@pytest.mark.parametrize("name", ["refund", "nowhere/001-firestore.Commit/lost", "single/001-firestore.Commit/sulks"])
def test_a_name_that_is_no_case_says_what_there_is(name: str) -> None:
    """The error lists the form, the journeys or the faults."""
    with pytest.raises(ValueError, match=r"(named as in|journeys are|faults are) .*(refund|lost)"):
        Case.parse(name)


def test_a_case_is_found_again_by_its_name() -> None:
    """The command under a broken case repeats that case."""
    case = Case("refund", 31, "firestore.Commit", "dies-after")

    assert Case.parse(case.command.removeprefix("make chaos CASE=")) == case
