"""Makes text from tickets, names, paths and servers harmless and visible before it reaches a terminal or a report.

It knows nothing of screens and styles. Everything that was not written in this source tree passes through here:
a control character never reaches the terminal, and what is invisible or reorders its neighbours is shown as an
escape (`\\x1b`, `\\u202e`) instead.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

MAX_MARKS = 4
"""Combining marks kept on one character; a longer pile would be drawn over the lines above and below."""
ELLIPSIS = "…"

_INVISIBLE = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0})
_VISIBLE_FORMATS = frozenset({*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD})
_VARIATION_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


_HOSTILE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's general categories: control, format, surrogate, line separator, paragraph separator."""


def safe_text(text: str, *, limit: int | None = None, multiline: bool = False) -> str:
    """The text with everything a terminal could obey, hide or reorder turned into visible escapes.

    Escaped are C0 and C1 controls, DEL, bidirectional and other format controls, zero-width characters, variation
    selectors, line and paragraph separators, lone surrogates, and every combining mark after the fourth in a row.
    Backslashes stay single, so the result is for reading and cannot be turned back.

    `multiline` keeps line feeds (CRLF becomes one) and widens tabs to four spaces. `limit` is the greatest length of
    the result in characters; a longer text ends in an ellipsis, never in half an escape.
    """
    if limit is not None:
        text = text[: limit + 1]
    if multiline:
        text = text.replace("\r\n", "\n").expandtabs(4)
    plain = text.isascii() and text.isprintable()
    pieces = list(text) if plain else _pieces(text, keep="\n" if multiline else "")
    if limit is None:
        return "".join(pieces)
    return _cut(pieces, limit)


def _pieces(text: str, *, keep: str) -> list[str]:
    """One piece for each character: itself or its escape."""
    pieces = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks > MAX_MARKS:
            pieces.append(_escape(character))
        else:
            pieces.append(character if character in keep else _piece(character))
    return pieces


@lru_cache(maxsize=4096)
def _piece(character: str) -> str:
    code = ord(character)
    hidden = code in _INVISIBLE or any(code in selectors for selectors in _VARIATION_SELECTORS)
    hostile = unicodedata.category(character) in _HOSTILE_CATEGORIES and code not in _VISIBLE_FORMATS
    return _escape(character) if hidden or hostile else character


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return _SHORT.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _cut(pieces: list[str], limit: int) -> str:
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    kept: list[str] = []
    length = 0
    for piece in pieces:
        if length + len(piece) > limit - 1:
            break
        kept.append(piece)
        length += len(piece)
    return "".join(kept) + (ELLIPSIS if limit > 0 else "")
