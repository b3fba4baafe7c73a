"""The columns that can be filled with text of the wrong type, in the order in which they are taken."""

from __future__ import annotations

from sdconsole.source.generate.declared import QUALITY, TICKETS

MISTYPED_COLUMNS: tuple[tuple[str, str], ...] = (
    *(
        (QUALITY, column)
        for column in (
            "professionalism_score",
            "clarity_score",
            "empathy_score",
            "actionability_score",
            "quality_score",
            "created_time",
            "analysis_timestamp",
        )
    ),
    *(
        (TICKETS, column)
        for column in (
            "TKT-Account Id",
            "TKT-Assigned To Userid",
            "TKT-Created By Userid",
            "TKT-Actual Response Date",
            "TKT-Actual Resolution Date",
            "TKT-SLA Closure Date",
            "TKT-Closure Date",
            "TKT-Modified Time",
        )
    ),
)
"""Required columns are left out: those stop a run for another reason."""
