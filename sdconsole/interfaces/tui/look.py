"""Colours and glyphs: how each state looks, with Unicode and without. Every glyph stands beside a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text
from textual.color import Color
from textual.theme import Theme

from sdconsole.core.model import CheckStatus, StageStatus

DARK = Theme(
    name="sdconsole-dark",
    primary="#6ea8c9",
    secondary="#8f9fb3",
    accent="#7fc7d9",
    success="#8fbf7f",
    warning="#e0b265",
    error="#e5766e",
    foreground="#d5dbe1",
    background="#14181d",
    surface="#1a1f26",
    panel="#262d36",
    dark=True,
)
LIGHT = Theme(
    name="sdconsole-light",
    primary="#2f6f91",
    secondary="#5d6b7a",
    accent="#1f7a8c",
    success="#3f7a33",
    warning="#976300",
    error="#b23a32",
    foreground="#22282f",
    background="#f7f6f2",
    surface="#eeede8",
    panel="#dddcd5",
    dark=False,
)

STAGE_WORDS = {
    StageStatus.PENDING: "",
    StageStatus.RUNNING: "running",
    StageStatus.WAITING: "waiting",
    StageStatus.PASSED: "passed",
    StageStatus.WARNED: "warned",
    StageStatus.FAILED: "failed",
    StageStatus.INTERRUPTED: "stopped",
}
_GLYPHS: Mapping[str, tuple[str, str]] = {
    StageStatus.PENDING: ("·", "."),
    StageStatus.RUNNING: ("●", ">"),
    StageStatus.WAITING: ("?", "?"),
    StageStatus.PASSED: ("✓", "+"),
    StageStatus.WARNED: ("!", "!"),
    StageStatus.FAILED: ("✗", "x"),
    StageStatus.INTERRUPTED: ("■", "#"),
    CheckStatus.PASS: ("✓", "+"),
    CheckStatus.WARN: ("!", "!"),
    CheckStatus.FAIL: ("✗", "x"),
    CheckStatus.INFO: ("·", "."),
}


@dataclass(frozen=True, slots=True)
class Look:
    """Rich styles of the current theme, and whether only ASCII may be drawn."""

    ascii: bool
    strong: str
    accent: str
    ok: str
    warn: str
    bad: str
    dim: str
    faint: str

    def glyph(self, status: StageStatus | CheckStatus) -> Text:
        return Text(_GLYPHS[status][self.ascii], style=self.status_style(status))

    def status_style(self, status: StageStatus | CheckStatus) -> str:
        match status:
            case StageStatus.PASSED | CheckStatus.PASS:
                return self.ok
            case StageStatus.WARNED | CheckStatus.WARN:
                return self.warn
            case StageStatus.WAITING:
                return f"bold {self.warn}"
            case StageStatus.FAILED | CheckStatus.FAIL:
                return f"bold {self.bad}"
            case StageStatus.INTERRUPTED:
                return self.warn
            case StageStatus.RUNNING:
                return f"bold {self.accent}"
            case _:
                return self.dim


def look_of(theme: Theme, *, ascii_only: bool = False) -> Look:
    """The look of a theme; a theme of the terminal's own colours keeps them."""
    if theme.ansi:
        return Look(ascii_only, "bold", "cyan", "green", "yellow", "red", "dim", "dim")
    background = Color.parse(theme.background or ("#121212" if theme.dark else "#e0e0e0"))
    foreground = Color.parse(theme.foreground or background.get_contrast_text(1.0).hex6)
    return Look(
        ascii=ascii_only,
        strong=f"bold {foreground.hex6}",
        accent=_hex(theme.accent or theme.primary),
        ok=_hex(theme.success or theme.primary),
        warn=_hex(theme.warning or theme.primary),
        bad=_hex(theme.error or theme.primary),
        dim=background.blend(foreground, 0.58).hex6,
        faint=background.blend(foreground, 0.22).hex6,
    )


def _hex(colour: str) -> str:
    return Color.parse(colour).hex6
