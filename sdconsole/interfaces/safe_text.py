"""Text from elsewhere in the form that the terminal's library prints: plain and harmless."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text

from sdconsole.core.safe_text import MAX_MARKS, safe_text

__all__ = ["MAX_MARKS", "safe", "safe_text"]


def safe(text: str, *, style: str | Style = "", limit: int | None = None, multiline: bool = False) -> Text:
    """`safe_text` as a Rich text, which no printer reads as markup."""
    return Text(safe_text(text, limit=limit, multiline=multiline), style=style)
