"""Pictures of pages, small and without colour: enough to see that a page is broken, too little to see a font change.

A page has one file: a sheet of its four forms, light and dark, on a desk and on a phone.
"""

import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops, ImageStat

_FOLDER: Final = Path(__file__).parent / "looks"
_SIDE: Final = 64
# Of 255, on average over all points. A page without its style differs by 20 and more, a font by 2.
_MOST_DIFFERENCE: Final = 9.0
# Scheme and width, in the order of the sheet.
FORMS: Final = (("light", 1280), ("dark", 1280), ("light", 320), ("dark", 320))


def differences(name: str, pictures: list[bytes]) -> list[float]:
    """How far each form's screenshot is from the sheet of this name. The first screenshots become the sheet."""
    small = [_small(picture) for picture in pictures]
    kept = _FOLDER / f"{name}.png"
    if not kept.exists():
        sheet = Image.new("L", (_SIDE * len(FORMS), _SIDE))
        for number, picture in enumerate(small):
            sheet.paste(picture, (number * _SIDE, 0))
        sheet.save(kept, optimize=True)
    with Image.open(kept) as sheet:
        before = [sheet.convert("L").crop((at, 0, at + _SIDE, _SIDE)) for at in range(0, sheet.width, _SIDE)]
    pairs = zip(before, small, strict=True)
    return [float(ImageStat.Stat(ImageChops.difference(one, other)).mean[0]) for one, other in pairs]


def broken_forms(name: str, pictures: list[bytes]) -> list[str]:
    """The forms in which a page looks altogether different."""
    found = zip(FORMS, differences(name, pictures), strict=True)
    return [f"{scheme}-{width}" for (scheme, width), difference in found if difference > _MOST_DIFFERENCE]


def _small(picture: bytes) -> Image.Image:
    with Image.open(io.BytesIO(picture)) as full:
        return full.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
