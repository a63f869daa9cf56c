"""Pictures of pages, small and without colour: enough to see that a page is broken, too little to see a font change."""

import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops, ImageStat

_FOLDER: Final = Path(__file__).parent / "looks"
_SIZE: Final = (64, 64)
# Of 255, on average over all points. A page without its style differs by 20 and more, a font by 2.
_MOST_DIFFERENCE: Final = 9.0


def difference(picture: bytes, name: str) -> float:
    """How far a screenshot is from the picture of this name. The first screenshot becomes the picture."""
    small = _small(picture)
    kept = _FOLDER / f"{name}.png"
    if not kept.exists():
        small.save(kept, optimize=True)
    with Image.open(kept) as before:
        return float(ImageStat.Stat(ImageChops.difference(before.convert("L"), small)).mean[0])


def is_broken(picture: bytes, name: str) -> bool:
    """Whether a page looks altogether different."""
    return difference(picture, name) > _MOST_DIFFERENCE


def _small(picture: bytes) -> Image.Image:
    with Image.open(io.BytesIO(picture)) as full:
        return full.convert("L").resize(_SIZE, Image.Resampling.BOX)
