"""What the demo's users ask: three people, four job types, both speeds, three lanes, and some jobs that must fail."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import Image, ImageDraw

TOKENS = {"asha": 40, "bruno": 12, "chen": 3}

# Descriptions of household things, as people type them.
_THINGS = (
    "an empty yoghurt cup",
    "a banana peel",
    "a dead AA battery",
    "a used bandage",
    "yesterday's newspaper",
    "a broken light bulb",
    "expired cough syrup",
    "a glass jar with a metal lid",
)
_ADVERTISEMENTS = ("Cups that never end as waste: rent one, return it anywhere.", "Half price, overnight. Sleep on it.")
_TOPICS = ("why glass jars are worth keeping", "sorting waste with children")
_COLOURS = ("seagreen", "goldenrod", "steelblue", "tomato", "orchid", "slategray")


@dataclass(frozen=True, kw_only=True)
class DemoJob:
    """One job that a user writes. `image` is the file to upload first, into the folder of `image_owner`."""

    job_id: str
    uid: str
    type: str = "waste_classification"
    text: str | None = None
    image: str | None = None
    image_owner: str | None = None
    speed: str = "batch"
    # The error code with which it must fail; None = it must be answered.
    must_fail: str | None = None
    # Written once the user's tokens are spent.
    waits: bool = False


def demo_jobs(*, live: bool) -> list[DemoJob]:
    """All jobs.

    Where the stand-in answers, two job types have lanes of their own (`local/lanes.py`), and one answer is a scripted
    refusal, to show a refund.
    """
    jobs = [DemoJob(job_id=f"asha-thing-{n}", uid="asha", text=thing) for n, thing in enumerate(_THINGS, 1)]
    jobs += [
        DemoJob(job_id=f"asha-photo-{n}", uid="asha", type="photo_rating", image=f"photo-{n}.png") for n in range(1, 5)
    ]
    jobs += [
        DemoJob(job_id=f"bruno-thing-{n}", uid="bruno", text=f"{thing}, found on the beach", image=f"beach-{n}.png")
        for n, thing in enumerate(_THINGS[:5], 1)
    ]
    jobs += [
        DemoJob(job_id=f"bruno-photo-{n}", uid="bruno", type="photo_rating", image=f"shot-{n}.png") for n in range(1, 4)
    ]
    # The same questions as by batch.
    jobs += [
        DemoJob(job_id=f"asha-now-{n}", uid="asha", text=thing, speed="instant")
        for n, thing in enumerate(_THINGS[:5], 1)
    ]
    jobs += [DemoJob(job_id=f"chen-thing-{n}", uid="chen", text=_THINGS[n]) for n in range(1, 4)]
    jobs += [
        DemoJob(job_id="asha-horoscope", uid="asha", type="horoscope", text="Leo", must_fail="unknown_job_type"),
        DemoJob(job_id="asha-empty", uid="asha", text="  ", must_fail="invalid_input"),
        DemoJob(
            job_id="bruno-not-his-photo",
            uid="bruno",
            type="photo_rating",
            image="photo-1.png",
            image_owner="asha",
            must_fail="forbidden_image",
        ),
        DemoJob(job_id="chen-one-too-many", uid="chen", text=_THINGS[0], must_fail="insufficient_tokens", waits=True),
    ]
    if not live:
        jobs += [
            DemoJob(job_id=f"asha-ad-{n}", uid="asha", type="creative_scoring", text=text)
            for n, text in enumerate(_ADVERTISEMENTS, 1)
        ]
        jobs += [
            DemoJob(job_id=f"bruno-hook-{n}", uid="bruno", type="hook_generation", text=topic)
            for n, topic in enumerate(_TOPICS, 1)
        ]
        jobs.append(
            DemoJob(job_id="bruno-refused", uid="bruno", text="something unspeakable", must_fail="provider_refused")
        )
    return jobs


def asked_at_both_speeds(jobs: Sequence[DemoJob]) -> list[DemoJob]:
    """The jobs that ask what the same user asks at the other speed, too."""
    at_once = {(job.uid, job.text) for job in jobs if job.speed == "instant"}
    return [job for job in jobs if (job.uid, job.text) in at_once]


def picture(name: str) -> bytes:
    """A small PNG, a little different for each name."""
    number = sum(PurePosixPath(name).stem.encode())
    image = Image.new("RGB", (96, 96), "whitesmoke")
    draw = ImageDraw.Draw(image)
    draw.ellipse((10 + number % 20, 16, 80, 84 - number % 16), fill=_COLOURS[number % len(_COLOURS)])
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
