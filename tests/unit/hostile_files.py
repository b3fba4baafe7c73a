"""Takes each file given through copy, profile, cleaning and score, in a process of its own with a limit of time.

Run as a program it writes one JSON line a file: its name, how it ended, and the most memory that took. A process that
is killed for the time it takes, or dies, ends as a signal and not as a refusal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sdconsole.contract.load import load_contract
from sdconsole.errors import SdconsoleError
from sdconsole.quality.clean.writing import clean_database
from sdconsole.quality.drift.shape import deployed_tables
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.score.scoring import score_file
from sdconsole.source.open import snapshot

SECONDS = 10
CONTRACT = load_contract()


def silent(_done: int, _total: int | None) -> None:
    pass


def take_through(source: Path, folder: Path) -> str:
    """'ok' or the slug of the refusal."""
    copy, output = folder / "copy.db", folder / "clean.db"
    as_of = datetime(2025, 11, 21, tzinfo=UTC)
    try:
        snapshot(source, copy, progress=silent)
        profile = profile_database(copy, CONTRACT, progress=silent, now=as_of)
        clean_database(copy, output, CONTRACT, profile, run_id="r-20251121-000000-0001", progress=silent)
        tables = deployed_tables(CONTRACT, profile)
        for path, phase in ((copy, "before"), (output, "after")):
            score_file(
                path,
                CONTRACT,
                tables,
                phase="before" if phase == "before" else "after",
                orders=profile.orders,
                minimum=0.0,
                progress=silent,
                as_of=as_of,
            )
    except SdconsoleError as refusal:
        if not refusal.next_step or output.exists():
            raise
        return refusal.slug
    return "ok"


def in_a_process(source: Path) -> tuple[str, float]:
    """How it ended, and the most memory in MB. Forked, so that the imports are paid for once.

    An error that is no refusal ends the child with its traceback on stderr.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        with tempfile.TemporaryDirectory() as folder:
            ended = take_through(source, Path(folder))
        os.write(writer, ended.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        ended = pipe.read().decode()
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return (ended if code == 0 else f"ended with {code}"), used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        how, most = in_a_process(Path(name))
        print(json.dumps([Path(name).name, how, most]), flush=True)
