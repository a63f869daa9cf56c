"""What a request is expected to take: the limit of enqueued tokens and the day's budget rest on it."""

import pytest

from bench.estimate import LEAST, MOST, PHOTOS, TEXTS, ask
from nightshift.job_types import find
from nightshift.providers.estimate import expected_usage, image_tokens, text_tokens
from nightshift.providers.request import Request


@pytest.mark.parametrize("script", TEXTS)
def test_a_text_is_estimated_by_its_script(script: str) -> None:
    """At most twice what a tokenizer counts, and never much less, however long it is or mixed with English."""
    text, billed = TEXTS[script]
    english, of_english = TEXTS["English"]

    assert LEAST * billed <= text_tokens(text) <= MOST * billed
    assert LEAST * 90 * billed <= text_tokens(text * 90) <= MOST * 90 * billed
    assert LEAST * (billed + of_english) <= text_tokens(text + english) <= MOST * (billed + of_english)


@pytest.mark.parametrize("model", PHOTOS)
def test_a_photo_is_estimated_by_the_family_of_the_model(model: str) -> None:
    """Dated and fine-tuned models are of the family; between families it is a factor of forty."""
    assert image_tokens(model) == pytest.approx(PHOTOS[model], rel=0.01)
    assert image_tokens(f"ft:{model}:our-company::abc") == image_tokens(model)


def test_an_unknown_model_is_not_estimated_low() -> None:
    """A lane that is overfilled is refused by the provider."""
    assert image_tokens("our-own-model") > image_tokens("gpt-5")


def test_a_request_is_estimated_with_all_that_it_holds() -> None:
    """The instructions and the schema, the text, and the image."""
    job_type = find("waste_classification")
    chinese = "河" * 1_000

    def estimated(text: str | None, image_url: str | None, model: str) -> int:
        request = Request(
            job_id="one",
            model=model,
            instructions=job_type.instructions,
            text=text,
            image=image_url,
            schema=job_type.schema(),
            schema_name=job_type.name,
            max_output_tokens=4_000,
        )
        return expected_usage(request).input_tokens

    frame = estimated(None, None, "gpt-5")
    assert frame > 200
    assert estimated(chinese, None, "gpt-5") == frame + 1_000
    assert estimated(None, "https://a.example/b.png", "gpt-4o-mini") == frame + 25_501


async def test_the_bench_meets_its_aims() -> None:
    """As the table in docs/BENCHMARKS.md shows it."""
    assert not [row for row in (await ask()).measurements if row.misses]
