"""The tables of an export as the dataframe writer declares them in SQLite: column names, types and keys, as data.

Rows are built in the order given here; the order of the columns in the file is the contract's. The three big tables
have no key, dates are text in TIMESTAMP or TEXT columns, and no type other than these four occurs.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdconsole.contract.model import Contract
from sdconsole.errors import UsageError
from sdconsole.source.catalog import quote

TICKETS = "tickets"
COMMENTS = "comments"
TIMESHEETS = "timesheets"
QUALITY = "comment_quality"
SENTIMENT = "comment_sentiment"
ROSTER = "cloud_team_roster"
METADATA = "import_metadata"
BIG_TABLES = (TICKETS, COMMENTS, TIMESHEETS)


def _columns(text: str) -> Mapping[str, str]:
    """Lines of `TYPE name`, names with blanks included."""
    pairs = (line.split(None, 1) for line in text.strip().splitlines())
    return {name.strip(): kind for kind, name in pairs}


DECLARED: Mapping[str, Mapping[str, str]] = {
    TICKETS: _columns("""
        INTEGER TKT-Ticket ID
        REAL TKT-Parent ID
        TEXT TKT-Customer Reference
        TIMESTAMP TKT-Created Time
        TEXT TKT-Month Created
        TEXT TKT-SLA
        REAL TKT-Account Id
        TEXT TKT-Account Name
        TEXT TKT-Site Classification
        TEXT TKT-Site Status
        TEXT TKT-Selcom Key
        TEXT TKT-Title
        TEXT TKT-Description
        TEXT TKT-Severity
        TEXT TKT-Status
        INTEGER TKT-Assigned To Userid
        TEXT TKT-Assigned To User
        TEXT TKT-Job#/Ref#
        TEXT TKT-Team
        TIMESTAMP TKT-Modified Time
        TEXT TKT-Category
        TEXT TKT-Resolution/Change Type
        TEXT TKT-Root Cause Category
        INTEGER TKT-Created By Userid
        TEXT TKT-Created By User
        TEXT TKT-Client Name
        TEXT TKT-Ticket Source
        REAL TKT-Related CI Ref#
        TEXT TKT-Related CI
        TEXT TKT-Actual Response Date
        TEXT TKT-Actual Resolution Date
        TEXT TKT-Response Met
        TEXT TKT-Resolution Met
        TEXT TKT-SLA Met
        TEXT TKT-SLA Exempt
        TEXT TKT-Mitigated Reason
        TEXT TKT-SLA Clock Status
        TEXT TKT-SLA Breach Reason
        TEXT TKT-SLA Breach Comment
        TEXT TKT-QA Review Completed
        TEXT TKT-Closure Date
        TEXT TKT-Month Closed
        TEXT TKT-Solution
        TIMESTAMP TKT-SLA Closure Date
        TEXT TKT-SLA Month Closed
        TEXT TKT-SLA Closed - This Month
        TEXT TKT-SLA Closed - Last Month
        TEXT TKT-Actual SLA Achievement
        TEXT Chg-Risk
        TEXT Chg-Trigger
        TEXT Chg-Type
        TEXT Chg-Planned Start Date
        TEXT Chg-Planned End Date
        TEXT Chg-Actual Start Date
        TEXT Chg-Actual End Date
        TEXT Chg-Approver
        TEXT Chg-Success
        TEXT TKT-Is Template
        TEXT TKT-Platform
        TEXT TKT-Group
    """),
    COMMENTS: _columns("""
        INTEGER comment_id
        INTEGER ticket_id
        TEXT comment_text
        TEXT user_name
        INTEGER user_id
        TEXT owner_type
        TEXT team
        TIMESTAMP created_time
        TEXT visible_to_customer
        TEXT comment_type
    """),
    TIMESHEETS: _columns("""
        TEXT TS-User Full Name
        TEXT TS-User Username
        TEXT TS-Title
        TEXT TS-Description
        TIMESTAMP TS-Date
        TEXT TS-Time From
        TEXT TS-Time To
        TEXT TS-Type
        TEXT TS-Category
        REAL TS-Sub Category
        TEXT TS-Category 2
        REAL TS-Hours
        INTEGER TS-Crm ID
        TEXT TS-Ticket Project Master Code
        INTEGER TS-Costcentre ID
        TEXT TS-Costcentre Desc
        TEXT TS-Account Selcom
        TEXT TS-Account Name
        TEXT TS-Account Bill State
        TEXT TS-Account Internal
        TEXT TS-Ticket Department
    """),
    QUALITY: _columns("""
        TEXT comment_id
        TEXT ticket_id
        TEXT user_name
        TEXT team
        TEXT comment_type
        TIMESTAMP created_time
        TEXT cleaned_text
        INTEGER professionalism_score
        INTEGER clarity_score
        INTEGER empathy_score
        INTEGER actionability_score
        REAL quality_score
        TEXT quality_tier
        TEXT content_tags
        TEXT red_flags
        TEXT intent_summary
        TIMESTAMP analysis_timestamp
    """),
    SENTIMENT: _columns("""
        INTEGER comment_id
        INTEGER ticket_id
        TEXT user_name
        TEXT team
        TEXT comment_type
        TIMESTAMP created_time
        TEXT cleaned_text
        TEXT sentiment
        REAL confidence
        TEXT reasoning
        TEXT model_used
        INTEGER latency_ms
        TIMESTAMP analysis_timestamp
    """),
    ROSTER: _columns("""
        TEXT name
        TEXT email
        TEXT username
    """),
    METADATA: _columns("""
        INTEGER import_id
        TEXT source_type
        TEXT import_timestamp
        TEXT file_name
        INTEGER records_imported
        TEXT date_range_start
        TEXT date_range_end
        TEXT filter_applied
        TEXT notes
    """),
}
POSITION: Mapping[str, Mapping[str, int]] = {
    table: {name: position for position, name in enumerate(columns)} for table, columns in DECLARED.items()
}
"""Where a column stands in the rows that the builders make."""

ROW_KEY: Mapping[str, tuple[str, ...]] = {
    TICKETS: ("TKT-Ticket ID",),
    COMMENTS: ("comment_id",),
    TIMESHEETS: ("TS-User Username", "TS-Date", "TS-Time From", "TS-Crm ID"),
    QUALITY: ("comment_id",),
    SENTIMENT: ("comment_id",),
    ROSTER: ("username",),
    METADATA: ("import_id",),
}
_KEY_CLAUSE: Mapping[tuple[str, str], str] = {
    (QUALITY, "comment_id"): " PRIMARY KEY",
    (SENTIMENT, "comment_id"): " PRIMARY KEY",
    (ROSTER, "username"): " PRIMARY KEY",
    (METADATA, "import_id"): " PRIMARY KEY AUTOINCREMENT",
}
_TEXT_IDS = {(COMMENTS, "comment_id"), (COMMENTS, "ticket_id")}


def declared_type(table: str, column: str, *, text_ids: bool = False) -> str:
    """`text_ids`: comments came through CSV, which leaves their ids as text."""
    return "TEXT" if text_ids and (table, column) in _TEXT_IDS else DECLARED[table][column]


def create_statement(contract: Contract, table: str, *, text_ids: bool = False) -> str:
    """CREATE TABLE with the columns in the contract's order."""
    columns = ", ".join(
        f"{quote(name)} {declared_type(table, name, text_ids=text_ids)}{_KEY_CLAUSE.get((table, name), '')}"
        for name in contract_columns(contract, table)
    )
    return f"CREATE TABLE {quote(table)} ({columns})"


def insert_statement(table: str) -> str:
    """INSERT that names its columns, for rows in the builders' order."""
    columns = ", ".join(quote(name) for name in DECLARED[table])
    marks = ", ".join("?" for _ in DECLARED[table])
    return f"INSERT INTO {quote(table)} ({columns}) VALUES ({marks})"  # noqa: S608


def contract_columns(contract: Contract, table: str) -> tuple[str, ...]:
    """The table's columns in the contract's order. Raises UsageError "generate-contract" unless all are known."""
    described = contract.table(table)
    names = tuple(column.name for column in described.columns) if described else ()
    odd = sorted(set(names) ^ set(DECLARED[table]))
    if odd:
        raise UsageError(
            "generate-contract",
            f"the contract {contract.name!r} does not describe a ServiceDesk export",
            cause=f"table {table}: {', '.join(odd[:5])} is in only one of the contract and the generator",
            next_step="leave --contract away: generated exports follow the built-in contract",
        )
    return names
