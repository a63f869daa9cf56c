"""`python -m nightshift audit`: look, tell, mend if asked to, and answer with an exit code."""

from typing import Final

from nightshift.audit.audit import audit
from nightshift.audit.finding import LeftAlone
from nightshift.audit.report import JsonReport, Report, TableReport
from nightshift.audit.scope import Scope
from nightshift.runtime import Runtime

CLEAN: Final = 0
FINDINGS: Final = 1
COULD_NOT_RUN: Final = 2


async def run(runtime: Runtime, *, repair: bool, as_json: bool) -> int:
    """Audit the database; returns the exit code.

    A finding that was mended is a finding still: the next audit is the one that finds nothing.
    """
    report: Report = JsonReport() if as_json else TableReport()
    scope = Scope(runtime=runtime)
    found = mended = 0
    async for finding in audit(scope):
        found += 1
        did = left_alone = None
        if repair:
            try:
                did = await finding.mended()
                mended += 1
            except LeftAlone as reason:
                left_alone = str(reason)
        report.finding(finding, mended=did, left_alone=left_alone)
    report.end(scope, found=found, mended=mended)
    if scope.troubles:
        return COULD_NOT_RUN
    return FINDINGS if found else CLEAN
