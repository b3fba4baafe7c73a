"""`--date-format`: what an operator answers about the order of day and month."""

from __future__ import annotations

from typing import Annotated

import typer

from sdconsole.contract.date_answers import FLAG

DateFormats = Annotated[
    list[str] | None,
    typer.Option(
        FLAG, metavar="TABLE.COLUMN=DMY", help="How a column's dates are written: DMY, MDY or YMD. Repeatable."
    ),
]
