"""docs/ARCHITECTURE.md: each file that it names is there, and the walk of one job is the one that the code takes."""

import inspect
import re
import sys
from types import FrameType

from local.part import ROOT
from tests.support.world import World

PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text()


def test_every_file_that_the_page_names_is_there() -> None:
    """A step that was renamed has to reach its row and the walk of one job."""
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", PAGE))
    places = (ROOT, ROOT / "functions", ROOT / "functions" / "nightshift")

    assert len(named) > 20
    assert not [name for name in named if not any((place / name).exists() for place in places)]
    linked = set(re.findall(r"\]\(\.\./([^)#]+)\)", PAGE))
    assert linked
    assert not [name for name in linked if not (ROOT / name).exists()]


async def test_the_walk_of_one_job_is_the_walk_that_the_code_takes(world: World) -> None:
    """The first file of each step is called first in that order, from the job's event to its batch's end."""
    section = PAGE.partition("\n## The walk of one job\n")[2].partition("\n## ")[0]
    steps = re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]
    told = [re.findall(r"`((?:\w+/)+\w+\.py)`|\[(main\.py)\]", step)[0] for step in steps]
    walked: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        path = frame.f_code.co_filename
        # Not the body of a class, which runs when its file is loaded.
        if event == "call" and "/functions/" in path and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            name = path.rpartition("/functions/")[2].removeprefix("nightshift/")
            if name not in walked:
                walked.append(name)

    await world.give("alice", 1)
    uri = await world.upload("alice")
    sys.setprofile(note)
    try:
        await world.submit("alice", input={"text": "what is it?", "imageUri": uri})
        await world.finish()
    finally:
        sys.setprofile(None)

    files = [of_room or main for of_room, main in told]
    assert len(files) == 10
    assert [name for name in walked if name in files] == files
