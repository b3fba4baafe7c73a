"""A step of a runbook as Markdown for the screen, without the engine's blocks; what is never run says so."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdconsole.interfaces.safe_text import safe_text
from sdconsole.runbook.model import Step, filled

_BOX = re.compile(r"^(\s*)- \[ \] ")
_CHECK = re.compile(r"^```sql check (\w+)")
SHOWN_ONLY = "*Shown to be read: nothing of this is run here.*"


def step_markdown(step: Step, values: Mapping[str, str]) -> str:
    """The step's own words with the walk's values; every line is made harmless before it is Markdown."""
    lines: list[str] = []
    fence = ""
    for raw in step.text.splitlines():
        line = safe_text(filled(raw, values), multiline=True)
        if fence:
            closed = line.strip() == "```"
            if fence != "hidden":
                lines.append(line)
                lines += ["", SHOWN_ONLY] if closed and fence == "shown" else []
            fence = "" if closed else fence
        elif line.startswith("```toml"):
            fence = "hidden"
        elif found := _CHECK.match(line):
            fence = "query"
            lines += [f"Check **{found[1]}**, read-only; no row passes:", "", "```sql"]
        elif line.startswith("```"):
            fence = "shown"
            lines.append(line)
        else:
            line = line.replace("> [!WARNING]", "> **Warning**")
            lines.append(_BOX.sub(r"\1- ", line))
    return "\n".join(lines)
