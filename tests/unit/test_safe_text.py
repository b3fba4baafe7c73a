"""What comes from tickets is shown, never obeyed."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import pytest
from rich.console import Console

from sdconsole.interfaces.safe_text import MAX_MARKS, safe, safe_text

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

ESCAPES = {
    "clear the screen": "\x1b[2J\x1b[H",
    "set the title": "\x1b]0;owned\x07",
    "write the clipboard": "\x1b]52;c;cm0gLXJmIH4=\x1b\\",
    "hyperlink": "\x1b]8;;https://example.org\x1b\\click\x1b]8;;\x1b\\",
    "ask for the cursor": "\x1b[6n",
    "ask for the terminal's name": "\x1b[>0q",
    "device control": "\x1bP+q544e\x1b\\",
    "application program command": "\x1b_Gf=100;AAAA\x1b\\",
    "privacy message": "\x1b^secret\x1b\\",
    "start of string": "\x1bXtext\x1b\\",
    "alternate screen": "\x1b[?1049h",
    "report mouse": "\x1b[?1003h",
    "bracketed paste": "\x1b[200~ls\x1b[201~",
    "reset": "\x1bc",
    "select character set": "\x1b(0lqqk",
    "eight-bit CSI": "\x9b31m",
    "eight-bit OSC": "\x9d0;owned\x9c",
    "eight-bit DCS": "\x90q\x9c",
    "over the line before": "harmless\rrm -rf /",
    "backspaces": "safe\b\b\b\bevil",
    "bell": "\x07",
    "shift out": "\x0e\x0f",
    "form feed and vertical tab": "\x0b\x0c",
    "delete": "\x7f",
    "null": "a\x00b",
    "right to left override": "invoice\u202egnp.exe",
    "isolates": "\u2066\u2067\u2068\u2069",
    "marks": "\u200e\u200f\u061c",
    "zero width": "a\u200bb\u200cc\u200dd\u2060e\ufefff",
    "separators": "one\u2028two\u2029three",
    "next line": "one\x85two",
    "soft hyphen": "pass\xadword",
    "fillers": "\u3164\u115f\uffa0",
    "tags": "\U000e0041\U000e0042\U000e007f",
    "variation selectors": "\u2764\ufe0f\U000e0100",
    "lone surrogates": "\ud800 \udfff",
    "bytes that were not UTF-8": b"caf\xe9".decode("utf-8", "surrogateescape"),
}

NUMBER_SIGNS = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
"""Format characters that are drawn: Arabic, Syriac and Kaithi signs around a number."""


def assert_harmless(text: str, *, multiline: bool = False) -> None:
    allowed = "\n" if multiline else ""
    for character in text:
        category = unicodedata.category(character)
        visible = category not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in NUMBER_SIGNS
        assert character in allowed or visible, f"U+{ord(character):04X} ({category}) came through"
    text.encode("utf-8")


@pytest.mark.parametrize("hostile", ESCAPES.values(), ids=ESCAPES)
def test_escape_sequences_and_invisible_characters_become_visible(hostile: str) -> None:
    shown = safe_text(hostile)
    assert_harmless(shown)
    assert "\\" in shown
    assert len(shown) > len(hostile)


def test_every_single_character_is_harmless_and_one_line() -> None:
    shown = safe_text("".join(map(chr, [*range(0x3000), *range(0xD800, 0x10000), *range(0xE0000, 0xE0200)])))
    assert_harmless(shown)
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("multiline", [False, True])
def test_naughty_strings_are_harmless(multiline: bool) -> None:
    path = SHARED / "text" / "blns.txt"
    if not path.is_file():
        pytest.skip(f"the list of naughty strings is not at {path}")
    text = path.read_text(encoding="utf-8")
    for line in [*text.split("\n"), text]:
        assert_harmless(safe_text(line, multiline=multiline), multiline=multiline)


@pytest.mark.parametrize(
    "ordinary",
    [
        "",
        "servicedesk",
        r"C:\temp\new",
        "[/nope] [bold]x[/]",
        "Grüße, naïve café",
        "日本語のチケット",
        "Привет",
        "العربية",
        "🙂 ok",
        "a b",
    ],
)
def test_ordinary_text_stays_as_it_is(ordinary: str) -> None:
    assert safe_text(ordinary) == ordinary
    assert safe_text(ordinary, multiline=True) == ordinary
    assert safe_text(safe_text(ordinary)) == ordinary


def test_the_escape_says_which_character_it_was() -> None:
    assert safe_text("\x1b\x00\x9b\x7f\n\r\t") == r"\x1b\x00\x9b\x7f\n\r\t"
    assert safe_text("\u202e\u2028\ud800") == r"\u202e\u2028\ud800"
    assert safe_text("\U000e0041") == r"\U000e0041"


def test_multiline_keeps_line_feeds_only() -> None:
    assert safe_text("one\r\ntwo\nthree\rfour\x1b", multiline=True) == "one\ntwo\nthree\\rfour\\x1b"
    assert safe_text("a\tb", multiline=True) == "a   b"


def test_a_pile_of_combining_marks_is_cut_down() -> None:
    shown = safe_text("z" + "\u0301" * 50 + "e\u0301")
    assert shown.count("\u0301") == MAX_MARKS + 1
    assert shown.endswith("e\u0301")


def test_the_limit_counts_characters_and_never_halves_an_escape() -> None:
    assert safe_text("abcdef", limit=6) == "abcdef"
    assert safe_text("abcdefg", limit=6) == "abcde…"
    assert safe_text("\x1b\x1b\x1b", limit=12) == r"\x1b\x1b\x1b"
    assert safe_text("\x1b\x1b\x1b", limit=11) == r"\x1b\x1b…"
    assert safe_text("abc", limit=1) == "…"
    assert safe_text("abc", limit=0) == ""
    for limit in range(40):
        assert len(safe_text("x\x1by\u202e" * 1000, limit=limit)) <= limit


def test_rich_prints_hostile_text_as_it_stands() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None, legacy_windows=False)
    for hostile in [*ESCAPES.values(), "[/nope]", "[link=x]y[/link]", ":boom:"]:
        console.print(safe(hostile, style="bold"))
    printed = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
    assert "[/nope]" in printed
    assert ":boom:" in printed
    assert "\x1b]" not in printed
    assert "\x1b[2J" not in printed
    assert "\u202e" not in printed
