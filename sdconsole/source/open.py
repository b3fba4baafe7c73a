"""The one import for code that opens, measures or copies a source; each part has a module of its own."""

from sdconsole.source.connection import SourceConnection, open_source, quick_check
from sdconsole.source.facts import SourceFacts, changed_since, file_sha256, inspect_source, source_digest
from sdconsole.source.file_check import check_source
from sdconsole.source.output import check_output, new_file, refuse_same_file
from sdconsole.source.refusal import reading, refusal
from sdconsole.source.snapshot import SnapshotFacts, damaged, snapshot

__all__ = [
    "SnapshotFacts",
    "SourceConnection",
    "SourceFacts",
    "changed_since",
    "check_output",
    "check_source",
    "damaged",
    "file_sha256",
    "inspect_source",
    "new_file",
    "open_source",
    "quick_check",
    "reading",
    "refusal",
    "refuse_same_file",
    "snapshot",
    "source_digest",
]
