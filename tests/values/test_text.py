"""Texts of others: without what no person can see and a screen obeys, and otherwise as they were."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.values.text import JOINERS, all_cleaned, cleaned

BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Surrogates too, as JSON can spell them.
ANY_TEXT = st.text(st.characters(codec=None))
# Format characters that are seen: signs of numbers and verses in Arabic, Syriac, Kaithi and hieroglyphs.
SEEN = {"\u06dd", "\u070f", "\u0890", "\u0891", "\u08e2", "\U000110bd", "\U000110cd"}
SEEN |= set(map(chr, [*range(0x600, 0x606), *range(0x13430, 0x13440)]))


@pytest.mark.parametrize(
    "text",
    [
        "A glass bottle.\n\tRinse it; recycle it, 100 % “dry”.",
        "Größe, ガラス瓶, 玻璃瓶, e\u0301, \u1100\u1161",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645, क्\u200dष",
        "عربي ١٢٣ \u06dd, עִבְרִית",
        "👨\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 👍🏽 🇮🇳 1\ufe0f\u20e3 ❤\ufe0f\u200d🔥",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "a\u00a0b\u202fc\u3000d",
    ],
)
def test_a_text_for_people_stays_as_it_is(text: str) -> None:
    """Lines, tabs, every script, emoji of several parts, flags, spaces of any width."""
    assert cleaned(text) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\x1b[31mred\x1b[0m\x07", "a[31mred[0m"),
        ("\x1b]52;c;ZXZpbA==\x07", "]52;c;ZXZpbA=="),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("".join(f"a{mark}" for mark in BIDIRECTIONAL), "a" * len(BIDIRECTIONAL)),
        ("a\r\nb\rc\u2028d\u2029e\x85f", "a\nb\nc\nd\ne\nf"),
        ("\x00a\x7f\x80\x9fb\ufeff", "ab"),
        ("hid\U000e0068\U000e0069den", "hidden"),
        ("\U0001f3f4\U000e0067\U000e0062 and", "\U0001f3f4 and"),
        ("a\u200b\u2060\u00ad\u180eb", "ab"),
        ("a\u200d\u200c\u200d\u200db", "a\u200db"),
        ("half \ud83d a \udc00 character", "half  a  character"),
    ],
)
def test_what_is_unseen_or_obeyed_is_removed(text: str, clean: str) -> None:
    """Escapes of terminals, directions, hidden words, halves of characters; ends of lines are of one kind."""
    assert cleaned(text) == clean


def test_of_all_characters_the_invisible_ones_are_removed() -> None:
    """By Unicode's own table: each control or format character goes, but for lines, tabs, joiners and signs."""
    every = list(map(chr, range(sys.maxunicode + 1)))
    kept = {character for character in every if cleaned(character) == character}

    unseen = {character for character in every if unicodedata.category(character) in {"Cc", "Cf", "Cs"}}
    assert kept & unseen == {"\n", "\t", *JOINERS} | (SEEN & unseen)
    removed = set(every) - kept - unseen
    assert {unicodedata.category(character) for character in removed} <= {"Cn", "Zl", "Zp"}


@given(ANY_TEXT)
def test_a_clean_text_is_cleaned_no_further(text: str) -> None:
    """It can be stored as UTF-8, turns nothing around, and is never longer than it was."""
    clean = cleaned(text)

    assert cleaned(clean) == clean
    assert len(clean) <= len(text)
    assert not set(clean) & set(BIDIRECTIONAL)
    clean.encode()


def test_every_text_of_a_value_is_cleaned() -> None:
    """However deep it lies, and keys as well; what is no text stays."""
    assert all_cleaned({"a\x00": ["\u202eb", {"c": "\x1bd"}, 1, 1.5, None, True]}) == {
        "a": ["b", {"c": "d"}, 1, 1.5, None, True]
    }
