"""The last thing every line passes on its way to the terminal: no control characters, and ASCII where nothing else is.

Panels make their texts harmless themselves; this catches what a widget of Textual's own draws, such as a pasted path.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_LIKE = {
    "-": "─━╌╍┄┅┈┉╴╶╸╺═▁▂‐‑‒–—―",
    "~": "…",
    "|": "│┃╎╏┆┇┊┋║╵╷╹╻▏▎▍▌▋▊▉▐▕",
    "+": "┌┍┎┏┐┑┒┓└┕┖┗┘┙┚┛├┣┤┫┬┳┴┻┼╋╭╮╯╰╔╗╚╝╠╣╦╩╬✓✔",
    "#": "█▇▆▅▄▃▓▒■▪",
    ".": "·•░",
    "x": "✗✘×",
    ">": "▶▸►→●◆›",
    "<": "◀◂◄←‹",
    "v": "▼▾↓",
    "^": "▲▴↑▔▀",
    "o": "○◌",
    "'": "‘’‚‛′",
    '"': "“”„‟″«»",
    " ": "\u00a0\u2007\u2009\u202f",
}
_TABLE = {ord(character): ascii_ for ascii_, characters in _LIKE.items() for character in characters}


class HarmlessFilter(LineFilter):
    """Takes out control, format and separator characters; they have no width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.control or segment.text.isprintable() else segment._replace(text=harmless(segment.text))
            for segment in segments
        ]


class AsciiFilter(LineFilter):
    """Keeps every segment's width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]


@lru_cache(maxsize=1024)
def harmless(text: str) -> str:
    return "".join(
        character for character in text if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )


@lru_cache(maxsize=4096)
def to_ascii(text: str) -> str:
    """The text in ASCII and of the same width: like signs for signs, letters without their accents, else `?`."""
    if text.isascii():
        return text
    return "".join(_ascii(character) for character in text.translate(_TABLE))


def _ascii(character: str) -> str:
    if character.isascii():
        return character
    width = cell_len(character)
    bare = "".join(part for part in unicodedata.normalize("NFKD", character) if part.isascii())
    return bare if len(bare) == width else "?" * width
