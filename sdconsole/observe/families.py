"""Every metric that monitoring gets: name, type, help, and the labels it has, with the values each label can take.

A label takes its values from a fixed set, so that no export and no mistake can flood a monitoring server. What is not
in its set is counted as "other".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from sdconsole.analytics.catalog import load_catalog
from sdconsole.contract.load import load_contract
from sdconsole.core.model import StageName
from sdconsole.observe.log_record import GATES

OTHER = "other"
STAGES: Mapping[StageName, str] = {stage: {"load": "migration"}.get(stage.value, stage.value) for stage in StageName}
HALT_REASONS: Mapping[str, str] = {
    "breaker": "breaker",
    "blocker": "blocker",
    "score-below-minimum": "score",
    "quarantine-limit": "quarantine",
    "canary": "canary",
}
"""By the error's slug."""
FREE = frozenset({"run_id", "version", "schema", "path"})
"""Labels of which one series exists at a time, or as many as the settings name paths."""


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...] = ()


FAMILIES: tuple[Family, ...] = (
    Family("etl_run_info", "gauge", "The newest run; always 1.", ("run_id", "version")),
    Family("etl_run_started_timestamp_seconds", "gauge", "When the newest run began."),
    Family("etl_lock_held", "gauge", "1 while a run is being executed from this state folder."),
    Family("etl_last_run_success", "gauge", "1 when the newest finished run ended well, else 0."),
    Family("etl_pipeline_duration_seconds", "gauge", "How long the newest run takes, or took, waiting included."),
    Family("etl_stage_duration_seconds", "gauge", "How long the stage took in the last run that had it.", ("stage",)),
    Family(
        "etl_stage_duration_median_seconds",
        "gauge",
        "Median of up to five runs before the last one, where there are three or more.",
        ("stage",),
    ),
    Family("etl_stage_success", "gauge", "1 when the stage passed in the last run that had it, else 0.", ("stage",)),
    Family("etl_rows_per_second", "gauge", "Rows a second of the stage in the last run that had it.", ("stage",)),
    Family(
        "etl_quality_score_ratio",
        "gauge",
        "Score, 0 to 1. post_migration is set once PostgreSQL was proved equal to the scored file.",
        ("phase",),
    ),
    Family("etl_quality_score", "gauge", "The same score, 0 to 100.", ("phase",)),
    Family("etl_quality_score_previous", "gauge", "Score of the import before the last scored run, 0 to 100."),
    Family("etl_rows_source", "gauge", "Rows of the export in the last run that cleaned.", ("table",)),
    Family("etl_rows_quarantined", "gauge", "Rows set aside in the last run that cleaned.", ("table",)),
    Family("etl_rows_migrated", "gauge", "Rows of the last import that went live.", ("table",)),
    Family("etl_ambiguous_dates", "gauge", "Dates whose order of day and month is open.", ("table", "column")),
    Family("etl_orphan_ratio", "gauge", "Share of references that lead nowhere, the worst of the table.", ("table",)),
    Family("etl_last_import_timestamp_seconds", "gauge", "When an import last went live. A failure never changes it."),
    Family("etl_active_schema_info", "gauge", "The version that readers see; always 1.", ("schema",)),
    Family("etl_rollback_duration_seconds", "gauge", "How long the last switch back took.", ("kind",)),
    Family("etl_dashboard_query_seconds", "gauge", "Time of a dashboard's query.", ("dashboard", "panel")),
    Family("etl_dashboard_value", "gauge", "What a dashboard's query says, in its own unit.", ("panel",)),
    Family("etl_last_backup_timestamp_seconds", "gauge", "When the newest backup of this kind was made.", ("kind",)),
    Family("etl_backup_age_seconds", "gauge", "Age of the newest backup, when this was written.", ("kind",)),
    Family("etl_disk_free_bytes", "gauge", "Free space where sdconsole writes.", ("path",)),
    Family("etl_memory_used_ratio", "gauge", "Share of the memory in use, 0 to 1."),
    Family("etl_errors_total", "counter", "Failed stages and failed checks.", ("gate",)),
    Family("etl_circuit_breaker_halts_total", "counter", "Runs that a gate stopped.", ("reason",)),
    Family("etl_dates_standardized_total", "counter", "Dates brought into one form.", ("table", "column")),
    Family("etl_empty_strings_converted_total", "counter", "Empty cells that became NULL.", ("table", "column")),
    Family("etl_dashboard_query_errors_total", "counter", "Dashboard queries that failed."),
)
BY_NAME = {family.name: family for family in FAMILIES}


@cache
def label_values(label: str) -> frozenset[str]:
    """The values that a label can take besides "other"; empty for the labels in `FREE`."""
    contract = load_contract()
    return {
        "stage": frozenset(STAGES.values()),
        "gate": frozenset(GATES.values()),
        "phase": frozenset({"before", "after", "post_migration"}),
        "reason": frozenset(HALT_REASONS.values()),
        "kind": frozenset({"rollback", "automatic", "sqlite", "postgresql"}),
        "table": frozenset(table.name for table in contract.tables),
        "column": frozenset(column.name for table in contract.tables for column in table.columns),
        "panel": frozenset(metric.id for metric in load_catalog().metrics),
        "dashboard": frozenset(metric.level.value for metric in load_catalog().metrics),
    }.get(label, frozenset())


def fixed(label: str, value: str) -> str:
    """The value, or "other" where it is none of the label's."""
    return value if label in FREE or value in label_values(label) else OTHER
