"""Fifty instant jobs at once, and a server that answers one at a time: how many are asked for again?

It takes 3 to 18 seconds for an answer, as a small model behind llama.cpp's server did. Here all times are a twentieth
of that: the server's, and how long a call may take. The other settings are the defaults. What is asked for twice is
computed twice, in part: a call whose time is up is given up on both sides.
"""

import os
from functools import partial
from statistics import mean
from typing import Final

from bench import instant_calls
from bench.instant import in_a_new_process
from bench.local_provider import openai_server
from bench.measured import Aim, Measured, Measurement

_JOBS: Final = 50
_ROUNDS: Final = 3
_ANSWER_SECONDS: Final = 60 / 20
_SERVER: Final = ("--answer", str(3 / 20), "--longest-answer", str(18 / 20), "--answers-at-once", "1")
_MEAN_SECONDS: Final = (3 + 18) / 2 / 20
_AIM: Final = Aim(sign="≤", bound=0.05)


async def ask() -> Measured:
    """Let one instance after the other meet the server, each without any knowledge of it."""
    os.environ["NIGHTSHIFT_ANSWER_SECONDS"] = str(_ANSWER_SECONDS)
    async with openai_server(*_SERVER) as base_url:
        runs = [await in_a_new_process(partial(instant_calls.unwarmed, base_url, _JOBS)) for _ in range(_ROUNDS)]
    repeated = [calls.refused / (calls.jobs + calls.refused) for calls in runs]
    share, seconds = mean(repeated), mean(calls.seconds for calls in runs)
    floor_seconds = _JOBS * _MEAN_SECONDS
    return Measured(
        question="How much is asked for twice, where a server answers one at a time?",
        measurements=[
            Measurement(
                name="calls repeated",
                measured=f"{share:.1%}",
                number=share,
                aim=_AIM,
                spread=repeated,
            ),
            Measurement(
                name=f"all {_JOBS} answered",
                measured=f"{seconds:.0f} s",
                floor=f"{floor_seconds:.0f} s",
                number=seconds / floor_seconds,
            ),
            Measurement(
                name="… CPU per job", measured=f"{1000 * mean(calls.cpu_seconds for calls in runs) / _JOBS:.1f} ms"
            ),
        ],
        notes=[
            f"All times are a twentieth: an answer takes 0.15 to 0.9 s, and a call may take {_ANSWER_SECONDS:g} s. "
            f"{_ROUNDS} runs, each by a new instance. The floor is a server that is never idle."
        ],
    )
