"""The main job, for real, on the local stack: phones write jobs, the night passes, the answers are shown and checked.

Three lanes answer side by side. Then a bulk job is quoted, confirmed, watched and downloaded, and a mail tells of it.

    python -m local.demo [--live]

A stand-in answers. OPENAI_BASE_URL names an OpenAI-compatible server that answers instead. With `--live` OpenAI itself
does: it takes OPENAI_API_KEY, costs a few cents, and lasts as long as OpenAI's batch lane does. The exit code says
whether all that was promised happened.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live

from local import demo_bulk, demo_dashboard, demo_mail, demo_view
from local.answering import who_answers
from local.app_user import AppUser
from local.demo_batches import ended_batches
from local.demo_jobs import TOKENS, DemoJob, asked_at_both_speeds, demo_jobs, picture
from local.demo_promises import broken_promises, look
from local.errors import StackError
from local.grant import grant_tokens
from local.lanes import LOCAL_LANES
from local.stack import Options, Stack, running_stack

_LOOK_EVERY_SECONDS = 0.4
# A tick every ten minutes comes every five seconds; with a real model every minute, since batches take their time.
_SPEED, _MODELS_SPEED = 120.0, 10.0
_PATIENCE_SECONDS, _MODELS_PATIENCE_SECONDS = 200.0, 25 * 3600.0

_MAIL_PATIENCE_SECONDS = 60.0
# Who asks for e-mail, besides the user of the bulk job.
_TOLD = "chen"

_KEPT = (
    "every job ended as it should, with one notification each; every wallet equals its ledger; "
    "no file is left at the provider."
)


def main(arguments: Sequence[str]) -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description="The main job, for real.")
    parser.add_argument("--live", action="store_true", help="OpenAI itself answers; takes OPENAI_API_KEY")
    parser.add_argument("--stay", action="store_true", help="keep the stack, and its dashboard, until Ctrl-C")
    chosen = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(_console(), live=chosen.live, stay=chosen.stay))
    except StackError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped.")
    return 1


def _console() -> Console:
    console = Console()
    # Without a terminal there is no width to keep to.
    return console if console.is_terminal else Console(width=140)


async def _run(console: Console, *, live: bool, stay: bool) -> int:
    answering = await who_answers(os.environ, live=live)
    console.print("[bold]Nightshift[/bold]: starting Google's emulators, the provider and the functions")
    options = Options(
        speed=_SPEED if answering.is_stand_in else _MODELS_SPEED,
        answering=answering,
        validating_seconds=0.2,
        finalizing_seconds=0.2,
        answer_seconds=0.5,
        messages=True,
        dashboard=True,
        lanes=LOCAL_LANES,
        settings={"NIGHTSHIFT_ECONOMY": "true", "NIGHTSHIFT_PART_ITEMS": str(demo_bulk.PART_ITEMS)},
    )
    async with running_stack(options, say=lambda line: console.print(line, highlight=False)) as stack:
        console.print(answering.sentence, highlight=False)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            code = await _night(console, stack, client, demo_jobs(live=not answering.is_stand_in))
            if stay:
                await demo_dashboard.stay(console, stack)
            console.print("Stopping the stack ...")
            return code


async def _night(console: Console, stack: Stack, client: httpx.AsyncClient, jobs: Sequence[DemoJob]) -> int:
    users = {uid: AppUser(client, stack, uid) for uid in dict.fromkeys(job.uid for job in jobs)}
    bulk_user = AppUser(client, stack, demo_bulk.UID)
    for uid, tokens in {**TOKENS, demo_bulk.UID: demo_bulk.TOKENS}.items():
        await grant_tokens(stack.firestore_host, stack.project, uid, tokens)
    for user in (users[_TOLD], bulk_user):
        await demo_mail.ask_for_mail(stack, user)
    demo_dashboard.show_address(console, stack, demo_bulk.UID)
    if stack.answering.is_stand_in:
        refusal = {"kind": "reply", "text": "unspeakable", "reply": {"refusal": "I will not sort this."}, "times": None}
        hiccup = {"kind": "reply", "custom_id": "job-chen-thing-1", "reply": {"status_code": 503}}
        control = stack.openai_base_url.removesuffix("/v1") + "/control/faults"
        (await client.post(control, json=[refusal, hiccup])).raise_for_status()
    console.print(f"\n{len(users)} users upload their photos and write {len(jobs)} jobs ...")
    # Last what is asked at both speeds: then no function has to start first.
    last = asked_at_both_speeds(jobs)
    await asyncio.gather(*(_write(users, job) for job in jobs if job not in last))
    await asyncio.gather(*(_write(users, job) for job in last))
    await _watch(console, stack, users, len(jobs))
    night = await look(client, stack, users)
    demo_view.show(console, jobs, night, invented=stack.answering.is_stand_in)
    # After the single jobs, so that both are seen.
    console.print(f"\n[bold]{bulk_user.uid} uploads a CSV of 500 rows, three of them bad, as one bulk job[/bold]")
    bulk = await demo_bulk.play(console, bulk_user, _patience(stack))
    demo_view.show_backend(console, night, ended_batches(stack.log_dir, stack.options.speed))
    mail = await demo_mail.show_mail(console, stack, bulk_user, _MAIL_PATIENCE_SECONDS)
    broken = [*broken_promises(jobs, night), *bulk.broken(), *mail]
    for sentence in broken:
        console.print(f"[red]Broken:[/red] {sentence}", highlight=False)
    if not broken:
        console.print(f"\n[green]All kept:[/green] {_KEPT}", highlight=False)
    return 1 if broken else 0


async def _write(users: Mapping[str, AppUser], job: DemoJob) -> None:
    while job.waits and (await users[job.uid].wallet())["balance"]:  # noqa: ASYNC110 - another process changes it
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    job_input: dict[str, str] = {}
    if job.text is not None:
        job_input["text"] = job.text
    if job.image:
        owner = users[job.image_owner or job.uid]
        job_input["imageUri"] = await owner.upload(job.image, picture(job.image))
    await users[job.uid].write_job(job.job_id, job.type, job_input, job.speed)


async def _watch(console: Console, stack: Stack, users: Mapping[str, AppUser], total: int) -> None:
    """Show the jobs' progress until all have ended and their batches are closed, or patience does."""
    started = time.monotonic()
    patience = _patience(stack)
    last = ""
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while time.monotonic() - started < patience:
            jobs: dict[str, dict[str, Any]] = {}
            for user in users.values():
                jobs |= await user.own("ai_jobs")
            line = demo_view.progress(jobs, total, time.monotonic() - started)
            if console.is_terminal:
                live.update(line, refresh=True)
            elif (counts := line.plain.partition(" s ")[2]) != last:
                last = counts
                console.print(line)
            ended = sum(job["status"] in {"completed", "failed", "cancelled"} for job in jobs.values())
            if ended == total and not await _open_batches(stack):
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
    raise StackError(
        f"The night was not over after {patience:.0f} seconds; the functions' logs are in {stack.log_dir}."
    )


def _patience(stack: Stack) -> float:
    return _PATIENCE_SECONDS if stack.answering.is_stand_in else _MODELS_PATIENCE_SECONDS


async def _open_batches(stack: Stack) -> int:
    """How many batches are not closed yet: a batch deletes its files at the provider after its last job has ended."""
    open_statuses = ("assembling", "sealed", "submitted", "ingesting", "closing")
    values = [{"stringValue": status} for status in open_statuses]
    query = {
        "from": [{"collectionId": "ai_batches"}],
        "where": {
            "fieldFilter": {"field": {"fieldPath": "status"}, "op": "IN", "value": {"arrayValue": {"values": values}}}
        },
    }
    documents = f"http://{stack.firestore_host}/v1/projects/{stack.project}/databases/(default)/documents"
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.post(
            f"{documents}:runQuery", headers={"Authorization": "Bearer owner"}, json={"structuredQuery": query}
        )
    answer.raise_for_status()
    return sum("document" in row for row in answer.json())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
