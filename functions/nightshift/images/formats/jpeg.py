"""JPEG, and what phones make of it: ITU-T T.81, and CIPA DC-007 for several pictures in one file (MPO).

OpenAI takes "jpeg", and refuses an MPO as an unsupported format. Two kinds of file only look like one: an index of one
picture, and Ultra HDR (https://developer.android.com/media/platform/hdr-image-format), where the second picture only
brightens the first. Every reader is meant to show the first. Pillow draws the same line.

After the picture's end more may follow. A film is announced in the head, as XMP, with its length; or Samsung's trailer
ends the file.
"""

import re
from typing import Final

from nightshift.errors import JobRefused
from nightshift.images.formats.portions import MOST_PARTS, Portions, check_pixels, damaged, tail
from nightshift.values.texts import Text

SIGNATURE: Final = b"\xff\xd8\xff"
_END: Final = b"\xff\xd9"
_SAMSUNGS_END: Final = b"SEFT"
_FILL, _END_OF_IMAGE, _SCAN, _APP1, _APP2 = 0xFF, 0xD9, 0xDA, 0xE1, 0xE2
# Markers that stand alone.
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
# Baseline, extended and progressive, with Huffman codes; the others are rare, and common decoders cannot read them.
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES: Final = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_COMPONENTS: Final = frozenset({1, 3, 4})
_INDEX: Final = b"MPF\x00"
_PICTURES_IN_INDEX: Final = 0xB001
_ULTRA_HDR: Final = b"hdrgm:Version"
_APPENDED: Final = re.compile(rb"Item:Length\s*(?:=\s*[\"']|>)\s*([0-9]{1,9})")
_APPENDED_FILM: Final = re.compile(rb"MicroVideoOffset\s*(?:=\s*[\"']|>)\s*([0-9]{1,9})")


def second_range(head: bytes, size_bytes: int) -> range:
    """Where the end has to be: before what the head says was appended."""
    return tail(head, _end(head, size_bytes))


def check(file: Portions) -> None:
    """Walk the segments up to the picture's data, and look for the end. Raises JobRefused."""
    has_frame = has_several = is_ultra_hdr = False
    start = 2
    for _ in range(MOST_PARTS):
        first, marker = file.at(start, 2)
        if first != _FILL or marker == _END_OF_IMAGE:
            raise damaged()
        if marker == _FILL:
            start += 1
            continue
        if marker in _ALONE:
            start += 2
            continue
        length = int.from_bytes(file.at(start + 2, 2), "big")
        content = file.at(start + 4, max(0, length - 2))
        if marker in _OTHER_FRAMES:
            raise _rare()
        if marker in _FRAMES:
            _check_frame(content)
            has_frame = True
        elif marker == _APP1:
            is_ultra_hdr = is_ultra_hdr or _ULTRA_HDR in content
        elif marker == _APP2 and content.startswith(_INDEX):
            has_several = _has_several(content[len(_INDEX) :])
        start += 2 + max(2, length)
        if marker == _SCAN:
            break
    if not has_frame or not _is_whole(file, start):
        raise damaged()
    if has_several and not is_ultra_hdr:
        raise JobRefused("invalid_input", Text.PHOTO_SEVERAL.say(), "a file of several pictures (MPO)")


def _is_whole(file: Portions, data_start: int) -> bool:
    """Whether there is data of the picture, and an end after it."""
    end = _end(file.head, file.size_bytes)
    return file.holds(_END, start=data_start + 1, end=end) or file.rest.endswith(_SAMSUNGS_END)


def _end(head: bytes, size_bytes: int) -> int:
    """Where what the head announces begins, or the file ends."""
    appended = sum(int(found) for found in _APPENDED.findall(head))
    if not appended and (film := _APPENDED_FILM.search(head)):
        appended = int(film[1])
    return size_bytes - appended if appended < size_bytes else size_bytes


def _check_frame(content: bytes) -> None:
    if len(content) < 6 or len(content) != 6 + 3 * content[5]:
        raise damaged()
    if content[0] != 8 or content[5] not in _COMPONENTS:
        raise _rare()
    check_pixels(int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big"))


def _has_several(index: bytes) -> bool:
    """Whether an index, in the form of TIFF, names more than one picture; one that cannot be read may."""
    order: Final = "big" if index[:2] == b"MM" else "little"
    start = int.from_bytes(index[4:8], order)
    for entry in range(start + 2, start + 2 + 12 * int.from_bytes(index[start : start + 2], order), 12):
        if int.from_bytes(index[entry : entry + 2], order) == _PICTURES_IN_INDEX:
            return int.from_bytes(index[entry + 8 : entry + 12], order) != 1
    return True


def _rare() -> JobRefused:
    return JobRefused("invalid_input", Text.PHOTO_RARE.say())
