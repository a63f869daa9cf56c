"""Images by their content: two portions of the file show what the provider will not read.

Pillow writes the files that are whole; the others are made of them.
"""

import io
import os
import time
import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nightshift.errors import JobRefused
from nightshift.images.formats.gif import MAX_GIF_BYTES
from nightshift.images.formats.portions import HEAD_BYTES, MAX_SIDE, TAIL_BYTES, Portions
from nightshift.images.image_format import MAX_IMAGE_BYTES, check_content, check_properties, second_range

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
# No photo is so small that these bytes of its end could be missed.
TRAILER_BYTES = {"JPEG": 2, "PNG": 12, "WEBP": 2, "GIF": 2}
END_OF_JPEG = b"\xff\xd9"


def drawn(file_format: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    """A picture of noise, so that it is about as large as it can be."""
    content = io.BytesIO()
    noise = Image.frombytes(mode, size, os.urandom(size[0] * size[1] * len(Image.new(mode, (1, 1)).getbands())))
    noise.save(content, file_format, **options)
    return content.getvalue()


def sequence(file_format: str, pictures: int = 2, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """Several pictures in one file."""
    content = io.BytesIO()
    first, *others = [Image.frombytes("L", size, os.urandom(size[0] * size[1])) for _ in range(pictures)]
    first.save(content, file_format, save_all=True, append_images=others, **options)
    return content.getvalue()


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png(width: int, height: int, *, depth: int = 8, before: bytes = b"", data: bytes = b"x") -> bytes:
    """A PNG that says it has this size, with chunks before its data."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", data) + chunk(b"IEND")


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments at its beginning."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def index_of(pictures: int, order: str = "<") -> bytes:
    """The index of a file of several pictures, as phones write it."""
    byte_order: Any = {"<": "little", ">": "big"}[order]
    entry = b"".join(
        number.to_bytes(length, byte_order) for number, length in ((0xB001, 2), (4, 2), (1, 4), (pictures, 4))
    )
    start = {"<": b"II*\x00", ">": b"MM\x00*"}[order] + (8).to_bytes(4, byte_order)
    return segment(0xE2, b"MPF\x00" + start + (1).to_bytes(2, byte_order) + entry + bytes(4))


def refusal(content: bytes, most_bytes: int = HEAD_BYTES + TAIL_BYTES) -> str | None:
    """Why a file is refused, if it is, by the portions that may be read of it."""
    try:
        check_properties(len(content), None)
        head = content[:HEAD_BYTES]
        wanted = second_range(head, len(content))
        assert 0 <= wanted.start <= wanted.stop <= len(content) or not wanted
        assert len(head) + len(wanted) <= most_bytes
        rest = content[wanted.start : wanted.stop]
        check_content(Portions(size_bytes=len(content), head=head, rest=rest, rest_start=wanted.start))
    except JobRefused as refused:
        assert refused.code == "invalid_input"
        return refused.message
    return None


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (900, 700)])
@pytest.mark.parametrize(
    ("file_format", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True, "exif": b"Exif\x00\x00" + bytes(60_000)}),
        ("JPEG", "L", {"optimize": True}),
        ("JPEG", "CMYK", {"icc_profile": bytes(90_000)}),
        ("PNG", "RGBA", {}),
        ("PNG", "RGB", {"icc_profile": bytes(90_000)}),
        ("PNG", "LA", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"exif": b"Exif\x00\x00" + bytes(60_000)}),
        ("WEBP", "RGB", {"icc_profile": os.urandom(3 * HEAD_BYTES)}),
        ("GIF", "L", {}),
        ("GIF", "L", {"transparency": 1, "comment": b"made by hand"}),
        ("GIF", "L", {"interlace": 0}),
    ],
    ids=range(14),
)
def test_a_whole_picture_passes(file_format: str, mode: str, options: dict[str, Any], size: tuple[int, int]) -> None:
    """Every kind that a common library writes, small and large, and with a few bytes after its end."""
    content = drawn(file_format, size, mode, **options)

    assert refusal(content, most_bytes=MAX_GIF_BYTES) is None
    assert refusal(content + bytes(1_000), most_bytes=MAX_GIF_BYTES) is None


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("size", [(8, 8), (700, 500)])
@given(share=st.floats(0, 1))
@settings(max_examples=30)
def test_a_part_of_a_picture_is_refused(file_format: str, size: tuple[int, int], share: float) -> None:
    """Wherever an upload broke off, even in its last bytes."""
    content = PICTURES[file_format, size]
    length = 12 + int(share * (len(content) - TRAILER_BYTES[file_format] - 12))

    assert refusal(content[:length], most_bytes=MAX_GIF_BYTES) == "The photo is incomplete or damaged. Upload it again."


PICTURES = {
    (file_format, size): drawn(file_format, size, "L" if file_format == "GIF" else "RGB")
    for file_format in FORMATS
    for size in ((8, 8), (700, 500))
}


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(100),
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"GIF89a" + bytes(20),
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
        png(0, 9),
        png(9, 0),
        png(9, 9, depth=7),
        png(9, 9).replace(b"IHDR\x00\x00\x00\x09", b"IHDR\x00\x00\x01\x09"),
        png(9, 9).replace(b"IHDR", b"CgBI"),
        png(9, 9).replace(b"IEND", b"IENd"),
        b"\x89PNG\r\n\x1a\n" + png(9, 9)[8:33] + chunk(b"IEND"),
        drawn("PNG")[:-12] + b"IEND",
        drawn("JPEG").replace(b"\xff\xda", b"\xff\xd9", 1),
    ],
    ids=range(18),
)
def test_what_only_begins_like_an_image_is_refused(content: bytes) -> None:
    """Signatures and headers alone, pictures without a pixel, without data, or with a broken header."""
    assert refusal(content) == "The photo is incomplete or damaged. Upload it again."


def test_the_thumbnail_in_half_a_photo_does_not_make_it_whole() -> None:
    """A phone's photo carries a small JPEG in its head, with an end of its own."""
    exif = b"Exif\x00\x00" + drawn("JPEG", (16, 16))
    photo = drawn("JPEG", (200, 150), exif=exif)

    assert refusal(photo) is None
    assert photo.count(END_OF_JPEG) == 2
    assert "incomplete" in str(refusal(photo[: len(photo) // 2]))


@pytest.mark.parametrize(
    ("width", "height", "is_read"),
    [
        (40_000, 40_000, False),
        (MAX_SIDE + 1, 1, False),
        (1, MAX_SIDE + 1, False),
        (12_000, 10_001, False),
        (2**31 - 1, 2**31 - 1, False),
        (12_000, 9_000, True),
        (16_382, 3_900, True),
    ],
)
def test_a_picture_of_too_many_pixels_is_refused_and_told_its_size(width: int, height: int, is_read: bool) -> None:
    """A few bytes can announce gigabytes; a phone's largest photos and panoramas pass."""
    jpeg = drawn("JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    contents = [png(width, height), png(width, height)[:33]]
    if max(width, height) < 2**16:
        size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        contents = [contents[0], jpeg[:frame] + size + jpeg[frame + 4 :]]

    for content in contents:
        assert (refusal(content) is None) == is_read
        assert is_read or f"{width:,} by {height:,} pixels" in str(refusal(content))


def test_every_format_is_asked_for_its_pixels() -> None:
    """A GIF's screen, and the canvas or the picture of a WebP."""
    gif, lossy = drawn("GIF", mode="L"), drawn("WEBP")
    lossless, extended = drawn("WEBP", lossless=True), drawn("WEBP", mode="RGBA")
    huge = [
        gif[:6] + b"\xff\xff\xff\xff" + gif[10:],
        lossy.replace(b"\x9d\x01\x2a\x40\x00\x30\x00", b"\x9d\x01\x2a\xff\x3f\xff\x3f"),
        lossless[:21] + b"\xff\xff\xff\x0f" + lossless[25:],
        extended[:24] + b"\xff" * 6 + extended[30:],
    ]

    for content in huge:
        assert "pixels" in str(refusal(content))
    assert "incomplete" in str(refusal(lossy.replace(b"\x9d\x01\x2a\x40\x00", b"\x9d\x01\x2a\x00\x00")))


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("pictures", [2, 5])
@pytest.mark.parametrize("options", [{}, {"loop": 0, "duration": 100}], ids=["once", "for ever"])
@pytest.mark.parametrize("size", [(8, 8), (500, 300)])
def test_an_animation_is_refused(
    file_format: str, pictures: int, options: dict[str, Any], size: tuple[int, int]
) -> None:
    """However many pictures and however large; with and without a word of repetition."""
    content = sequence(file_format, pictures, size, **options)

    said = str(refusal(content, most_bytes=MAX_GIF_BYTES))

    assert "animat" in said
    assert "Upload" in said


def test_a_gif_is_walked_whole_or_refused_for_its_size() -> None:
    """Of a moving one, the second picture may lie anywhere; a still one of a megabyte is not told from it."""
    still = drawn("GIF", (800, 600), "L")
    assert HEAD_BYTES < len(still) < MAX_GIF_BYTES

    assert refusal(still, most_bytes=MAX_GIF_BYTES) is None
    assert "more than 1 MB" in str(refusal(still + bytes(MAX_GIF_BYTES)))


def test_phones_files_of_several_pictures_are_recognised() -> None:
    """MPO begins like a JPEG; its index tells, and one that cannot be read is taken for one of several."""
    photo = drawn("JPEG")
    several = [
        sequence("MPO"),
        sequence("MPO", 3, (700, 500)),
        with_segments(photo, index_of(2)),
        with_segments(photo, segment(0xE1, b"Exif\x00\x00" + bytes(60_000)), index_of(2, ">")),
        with_segments(photo, segment(0xE2, b"MPF\x00")),
        with_segments(photo, segment(0xE2, b"MPF\x00" + b"\xff" * 40)),
        with_segments(photo, index_of(0)),
    ]

    for content in several:
        assert "several pictures" in str(refusal(content))
    for order in "<>":
        assert refusal(with_segments(photo, index_of(1, order))) is None
    assert refusal(with_segments(photo, segment(0xE2, b"ICC_PROFILE\x00" + bytes(3_000)))) is None


def test_what_phones_append_to_a_photo_is_no_reason_to_refuse_it() -> None:
    """A gain map for bright screens, a film of seconds, Samsung's trailer; the photo before them has to be whole."""
    photo, film = drawn("JPEG", (700, 500)), os.urandom(3_000_000).replace(END_OF_JPEG, b"")
    ultra_hdr = segment(0xE1, b'http://ns.adobe.com/xap/1.0/\x00<rdf:Description hdrgm:Version="1.0"/>')
    container = b'<Container:Item Item:Length="%d"/><Container:Item Item:Length="%d"/>'
    gain_map = drawn("JPEG")
    two = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + container % (len(gain_map), len(film)))
    older = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + b'GCamera:MicroVideoOffset="%d"' % len(film))
    half = photo[: len(photo) // 2]

    for segments, appended in (
        ((ultra_hdr, index_of(2)), gain_map),
        ((ultra_hdr, two, index_of(2)), gain_map + film),
        ((older,), film),
        ((), film + b"SEFT"),
    ):
        assert refusal(with_segments(photo, *segments) + appended) is None
    for segments, appended in (((two,), gain_map + film), ((older,), film), ((), film)):
        assert "incomplete" in str(refusal(with_segments(half, *segments) + appended))


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCF])
def test_a_kind_of_jpeg_that_common_decoders_do_not_read_is_refused(marker: int) -> None:
    """Lossless, hierarchical, arithmetic; and twelve bits a colour."""
    jpeg = drawn("JPEG")
    frame = jpeg.index(b"\xff\xc0")

    assert "rare kind of JPEG" in str(refusal(jpeg[: frame + 1] + bytes([marker]) + jpeg[frame + 2 :]))
    assert "rare kind of JPEG" in str(refusal(jpeg[: frame + 4] + b"\x0c" + jpeg[frame + 5 :]))


def test_a_picture_behind_a_mass_of_other_data_is_refused() -> None:
    """The picture's own header has to be near the beginning; the sentence says what to do."""
    many = [segment(0xE1, bytes(60_000))] * 3
    for content in (
        with_segments(drawn("JPEG"), *many),
        png(9, 9, before=chunk(b"tEXt", bytes(2 * HEAD_BYTES)), data=bytes(TAIL_BYTES)),
    ):
        assert "Save a copy without it" in str(refusal(content))


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "x", "identity, gzip", " "])
def test_what_is_stored_encoded_is_refused(encoding: str) -> None:
    """Whatever the encoding is called; only Firebase's word for no encoding passes."""
    with pytest.raises(JobRefused, match="invalid_input") as refused:
        check_properties(100, encoding)

    assert "contentEncoding" in refused.value.reason
    for none in (None, "", "identity"):
        check_properties(100, none)


@given(
    beginning=st.sampled_from([b"", *(PICTURES[found, (8, 8)][:40] for found in FORMATS)]),
    content=st.binary(max_size=400),
)
@settings(max_examples=300)
def test_any_bytes_are_an_image_or_refused(beginning: bytes, content: bytes) -> None:
    """No content breaks the check, and every refusal is a sentence."""
    said = refusal(beginning + content)
    assert said is None or said.endswith(".")


@given(st.data())
@settings(max_examples=200)
def test_a_damaged_picture_breaks_nothing(data: st.DataObject) -> None:
    """Bytes changed, cut out or put in anywhere: it passes or is refused, within the bytes that may be read."""
    content = bytearray(PICTURES[data.draw(st.sampled_from(FORMATS)), (8, 8)])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))

    refusal(bytes(content) or b"x")


def test_a_hostile_file_costs_little_time() -> None:
    """Files that are all tiny parts, or all announcements of what may follow."""
    xmp = b'Item:Length="' * 5_000
    hostile = [
        b"\xff\xd8" + b"\xff" * (HEAD_BYTES * 2),
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * HEAD_BYTES,
        b"\xff\xd8" + segment(0xE1, xmp) * 3 + bytes(MAX_IMAGE_BYTES - 300_000),
        b"\x89PNG\r\n\x1a\n" + png(9, 9)[8:33] + chunk(b"tEXt") * HEAD_BYTES,
        b"RIFF\xff\xff\x0f\x00WEBP" + b"abcd\x00\x00\x00\x00" * HEAD_BYTES,
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00" + b"\x21\xfe" + b"\x01x" * (MAX_GIF_BYTES // 2 - 100),
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00" + b"\x00" * (MAX_GIF_BYTES - 100),
    ]
    seconds = [time.process_time()]
    for content in hostile:
        assert refusal(content, most_bytes=MAX_GIF_BYTES)
        seconds.append(time.process_time())

    assert max(after - before for before, after in pairwise(seconds)) < 0.1
