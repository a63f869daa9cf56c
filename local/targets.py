"""Every function that the stack runs, and what wakes it: one line each, as the README lists them."""

from dataclasses import dataclass

# Calls for workers that no worker could answer. They are there to be looked at: the tick does what they asked for.
DEAD_LETTERS = "nightshift-dead-letters"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target of functions/main.py. Without a document or topic it is called over HTTP."""

    name: str
    created_document: str | None = None  # a path pattern; its creation is the trigger
    topic: str | None = None
    dead_letter_topic: str | None = None  # where messages of `topic` go that it failed to take again and again
    reads_id_tokens: bool = False  # then it is told of the Auth emulator, whose unsigned tokens it accepts


TARGETS = (
    Target(name="on_ai_job_created", created_document="ai_jobs/{jobId}"),
    Target(name="process_batch_jobs", topic="nightshift-tick"),
    Target(name="ingest_batch_results", topic="nightshift-ingest", dead_letter_topic=DEAD_LETTERS),
    Target(name="openai_webhook"),
    Target(name="get_batch_stats", reads_id_tokens=True),
)
