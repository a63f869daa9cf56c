"""Many calls for an answer in real time, by one instance of ours or by the bare SDK, each in a process of its own.

Both ask the same server for the same answers to the same jobs, as many times as it takes. The bare SDK has a fixed
number of callers; one that is refused waits as long as the provider says and asks again. Ours is the code that answers
a job, from its request to its validated result, and, where the database belongs to the question, from its trigger to
its notification.
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import openai
import uvloop

from bench.measured import check
from bench.peak import peak_bytes
from bench.seeding import LANE
from nightshift import job_types, settings
from nightshift.admission.admit import admit
from nightshift.instant.answer import AnswerDelayed, answer, attempt
from nightshift.instant.realtime import Taken, wait_seconds
from nightshift.jobs.job import Job
from nightshift.jobs.request import unaddressed_request
from nightshift.jobs.settlement import Completed
from nightshift.providers.openai.request import completion_body
from nightshift.runtime import Runtime
from nightshift.values.status import PROCESSING

_JOB_TYPE: Final = "waste_classification"
_TEXT: Final = "an empty glass bottle"
# Connections are opened and code is warmed by so many calls that are not measured.
_WARM_UP: Final = 8


@dataclass(kw_only=True)
class Calls:
    """What became of them. Times are in seconds."""

    jobs: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    refused: int = 0
    # Connections that broke off before the answer; the floor asks again.
    dropped: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.jobs / self.seconds

    def latency(self, share: float) -> float:
        """The latency of a call that so many are not slower than."""
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def bare(base_url: str, jobs: int, callers: int) -> Calls:
    """The floor: AsyncOpenAI without retries of its own, and so many callers."""
    return uvloop.run(_bare(base_url, jobs, callers))


def ours(base_url: str, jobs: int) -> Calls:
    """One instance of ours, all jobs at once, without the database."""
    return uvloop.run(_ours(base_url, jobs))


def unwarmed(base_url: str, jobs: int) -> Calls:
    """The same, with nothing known of the server when the jobs come."""
    return uvloop.run(_ours(base_url, jobs, warm_up=0))


def ours_end_to_end(base_url: str, project: str, job_ids: list[str]) -> Calls:
    """The same with the database: jobs as the app has written them are admitted, answered and settled."""
    return uvloop.run(_ours_end_to_end(base_url, project, job_ids))


async def _bare(base_url: str, jobs: int, callers: int) -> Calls:
    job_type = job_types.find(_JOB_TYPE)
    body = completion_body(unaddressed_request(LANE, _job(0)))
    calls = Calls(jobs=jobs)
    async with openai.AsyncOpenAI(api_key="bench", base_url=base_url, max_retries=0) as client:

        async def one() -> None:
            while True:
                begun_at = time.perf_counter()
                try:
                    completion = await client.chat.completions.create(**body)
                except openai.RateLimitError as refused:
                    calls.refused += 1
                    await asyncio.sleep(float(refused.response.headers["retry-after-ms"]) / 1000)
                except openai.APIConnectionError:
                    calls.dropped += 1
                else:
                    calls.latencies.append(time.perf_counter() - begun_at)
                    job_type.check_result(completion.choices[0].message.content or "")
                    return

        rest = iter(range(jobs))

        async def caller() -> None:
            for _ in rest:
                await one()

        await asyncio.gather(*(one() for _ in range(_WARM_UP)))
        return await _measured(calls, lambda: _all(caller() for _ in range(callers)))


async def _ours(base_url: str, jobs: int, warm_up: int = _WARM_UP) -> Calls:
    runtime = _runtime(base_url, "bench")
    calls = Calls(jobs=jobs)
    _look_at_calls(runtime, calls)

    async def one(number: int) -> None:
        job = _job(number)
        while isinstance(outcome := await attempt(runtime, job, is_repeated=False), AnswerDelayed):
            calls.refused += 1
            jitter = random.random()  # noqa: S311 - no secret
            await asyncio.sleep(wait_seconds(outcome.waits_for, 1, outcome.retry_after_seconds, jitter))
        check(isinstance(outcome, Completed), "A job got no answer.")

    await asyncio.gather(*(one(-number) for number in range(warm_up)))
    return await _measured(calls, lambda: _all(one(number) for number in range(jobs)))


async def _ours_end_to_end(base_url: str, project: str, job_ids: list[str]) -> Calls:
    runtime = _runtime(base_url, project)
    calls = Calls(jobs=len(job_ids) - _WARM_UP)
    _look_at_calls(runtime, calls)

    async def one(job_id: str) -> None:
        taken = await admit(runtime, job_id)
        check(isinstance(taken, Taken) and await answer(runtime, taken), "A job was not answered by its event.")

    await asyncio.gather(*(one(job_id) for job_id in job_ids[:_WARM_UP]))
    return await _measured(calls, lambda: _all(one(job_id) for job_id in job_ids[_WARM_UP:]))


async def _all(works: Any) -> None:
    await asyncio.gather(*works)


async def _measured(calls: Calls, work: Callable[[], Awaitable[None]]) -> Calls:
    calls.refused = 0
    calls.latencies.clear()
    begun_at, cpu_before = time.perf_counter(), time.process_time()
    await work()
    calls.seconds = time.perf_counter() - begun_at
    calls.cpu_seconds = time.process_time() - cpu_before
    calls.peak_bytes = peak_bytes()
    check(len(calls.latencies) == calls.jobs, f"{len(calls.latencies)} answers for {calls.jobs} jobs.")
    return calls


def _runtime(base_url: str, project: str) -> Runtime:
    os.environ.update(GOOGLE_CLOUD_PROJECT=project, OPENAI_API_KEY="bench", OPENAI_BASE_URL=base_url)
    return Runtime(settings.load())


def _look_at_calls(runtime: Runtime, calls: Calls) -> None:
    """Note how long each answered call of the provider takes; the waiting for its turn is not part of it."""
    provider: Any = runtime.provider_for(LANE)
    real = provider.answer

    async def timed(*arguments: Any) -> Any:
        begun_at = time.perf_counter()
        answered = await real(*arguments)
        calls.latencies.append(time.perf_counter() - begun_at)
        return answered

    provider.answer = timed


def _job(number: int) -> Job:
    now = datetime.now(UTC)
    return Job(
        job_id=f"job{number}",
        user_id="user",
        type=_JOB_TYPE,
        input={"text": _TEXT},
        status=PROCESSING,
        lane=str(LANE),
        batch_id=None,
        attempts=1,
        former_batch_ids=(),
        update_time=now,
        submitted_at=now,
        next_attempt_at=now + timedelta(hours=1),
    )


def busy_seconds(port: str) -> float:
    """For how long the processes with this port in their command have kept a core busy."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            # It has ended since.
            continue
        if port in command:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
