"""What an operator wishes of a bulk job: recorded as a user's wish is, and carried out at once."""

from argparse import Namespace
from typing import Final, Literal

from cli.commands.command import ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from nightshift.bulk import documents, wishes
from nightshift.bulk.advance import advance_bulk
from nightshift.runtime import Runtime

_SECONDS: Final = 60.0


async def wish_of_bulk(
    runtime: Runtime, options: Namespace, printer: Printer, wish: Literal["cancel", "retry"]
) -> ExitCode:
    """Cancel a bulk job, or run again what failed of it. Raises Refused."""
    bulk = await documents.read(runtime, options.id)
    if bulk is None:
        raise Refused(f"There is no bulk job {options.id} in {runtime.settings.project}.")
    counts = bulk.counts
    what = (
        f"Cancels bulk job {bulk.bulk_id} of {bulk.user_id}, which is {bulk.status}: {counts.completed} items stay and "
        f"are paid, {counts.open} are cancelled and refunded once no batch has them."
        if wish == "cancel"
        else f"Quotes the {counts.failed + counts.cancelled} items of bulk job {bulk.bulk_id} of {bulk.user_id} that "
        "failed or were cancelled; its user confirms the price."
    )
    await confirm(options, what)
    try:
        await (wishes.cancel if wish == "cancel" else wishes.retry)(runtime, bulk.bulk_id)
    except wishes.WishRefused as refused:
        raise Refused(refused.message) from refused
    await advance_bulk(runtime, bulk.bulk_id, runtime.time_limit(_SECONDS))
    now = await documents.read(runtime, bulk.bulk_id)
    status = now.status if now else "deleted"
    printer.line({"bulk": {"bulkId": bulk.bulk_id, "status": status}})
    printer.say(f"Bulk job {bulk.bulk_id} is {status}.", style="green")
    return ExitCode.DONE
