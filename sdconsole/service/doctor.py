"""Looks at everything that a deployment stands on, before there is one: machine, settings, disk, server, rights.

Changes nothing and starts nothing. Each finding says what to do about it. The terminal is the interfaces' own affair.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from sdconsole.config import EMBEDDED, PROJECT_FILE, Settings, user_file
from sdconsole.core.model import CheckStatus
from sdconsole.errors import SdconsoleError
from sdconsole.observe.health import disk_spaces, existing_parent
from sdconsole.service.settings_view import file_mistakes
from sdconsole.service.targets import contract_of, embedded_server, resolve_target
from sdconsole.stages import machine_checks, target_checks
from sdconsole.stages.checks import Finding, failed, passed, warned
from sdconsole.stages.deployment import now
from sdconsole.target.binaries import find_programs
from sdconsole.target.connect import Target, connect, server_facts
from sdconsole.target.failures import classify

_OLDEST_PYTHON = (3, 11)
_AREAS = {"target_privileges": "rights", "reader_role": "rights", "backup_tools": "clients"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding and the area that it belongs to."""

    area: str
    finding: Finding


def examine(settings: Settings | None, problem: SdconsoleError | None) -> Iterator[Diagnosis]:
    """Every finding. Without usable settings (`problem` says why) only what needs none is looked at."""
    yield from (Diagnosis("machine", finding) for finding in _machine(settings))
    yield from (Diagnosis("settings", finding) for finding in _settings(settings, problem))
    if settings is None:
        return
    yield from (Diagnosis("disk", finding) for finding in _disk(settings))
    for finding in _server(settings):
        yield Diagnosis(_AREAS.get(finding.check, "server"), finding)


def _machine(settings: Settings | None) -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield failed("python", f"Python {version} is too old", threshold="3.11", remedy="install Python 3.11 or later")
    else:
        yield passed("python", f"Python {version} on {platform.system()} {platform.machine()}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield passed("processors", f"{cores} may be used, {psutil.cpu_count() or cores} are there")
    yield machine_checks.dependencies()
    if settings is not None:
        yield machine_checks.memory(settings.min_memory_bytes)


def _settings(settings: Settings | None, problem: SdconsoleError | None) -> Iterator[Finding]:
    for path in (PROJECT_FILE, user_file()):
        if not os.path.lexists(path):
            yield Finding("settings_file", CheckStatus.INFO, f"{path} is not there")
            continue
        try:
            mistakes = file_mistakes(path)
        except SdconsoleError as error:
            yield failed("settings_file", error.message, measured=error.cause, remedy=error.next_step)
            continue
        for one in mistakes:
            yield failed("settings_file", f"{path}:{one.line}: {one.message}", remedy="sdconsole config validate")
        if not mistakes:
            yield passed("settings_file", f"{path} can be used")
    if settings is None or problem is not None:
        detail = f"{problem.message}: {problem.cause}" if problem else "the settings cannot be used"
        yield failed("settings", detail, remedy=problem.next_step if problem else "sdconsole config validate")
        return
    try:
        contract = contract_of(settings)
    except SdconsoleError as error:
        yield failed("contract", error.message, measured=error.cause, remedy=error.next_step)
    else:
        yield passed("contract", f"{contract.name}: {len(contract.tables)} tables, {len(contract.rules)} rules")


def _disk(settings: Settings) -> Iterator[Finding]:
    for space in disk_spaces((settings.state_dir, settings.embedded_root, Path("/tmp"))):  # noqa: S108 - only looked at
        measured = f"{space.free_bytes / 1e9:.1f} of {space.total_bytes / 1e9:.1f} GB free"
        if space.free_bytes < settings.min_free_bytes:
            limit = f"{settings.min_free_bytes / 1e9:g} GB"
            yield failed("disk", f"{space.path} is full", measured=measured, threshold=limit, remedy="free space there")
        elif space.free_bytes < settings.space_local_bytes:
            limit = f"{settings.space_local_bytes / 1e9:g} GB"
            yield warned(
                "disk", f"{space.path} is nearly full", measured=measured, threshold=limit, remedy="free space there"
            )
        else:
            yield passed("disk", f"{space.path} has room", measured=measured)
    folder = existing_parent(settings.state_dir)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield failed("state_folder", f"{folder} cannot be written", remedy="choose another folder with --state-dir")
    elif settings.state_dir.exists() and settings.state_dir.stat().st_mode & 0o077:
        remedy = f"chmod 700 {settings.state_dir}"
        yield warned("state_folder", f"{settings.state_dir} can be read by others", remedy=remedy)
    else:
        yield passed("state_folder", f"{settings.state_dir} can be written")


def _server(settings: Settings) -> Iterator[Finding]:
    try:
        if settings.target == EMBEDDED and not settings.dsn:
            status = embedded_server(settings).status()
            if not status.ready:
                detail = "the embedded server does not run now; a deployment starts it"
                yield Finding("postgres_connection", CheckStatus.INFO, detail, remedy="sdconsole db start")
                programs = find_programs()
                yield passed("backup_tools", f"PostgreSQL {programs.version} and its programs ({programs.origin})")
                return
        target = resolve_target(settings)
        yield from _asked(settings, target)
    except psycopg.Error as error:
        classified = classify(error)
        yield failed("postgres_connection", classified.message, remedy=classified.next_step)
    except SdconsoleError as error:
        detail = f"{error.message} ({error.cause})" if error.cause else error.message
        yield failed("postgres_connection", detail, remedy=error.next_step, slug=error.slug)


def _asked(settings: Settings, target: Target) -> Iterator[Finding]:
    with closing(connect(target, application="sdconsole:doctor")) as connection:
        facts = server_facts(connection)
        yield from target_checks.server(facts)
        yield from target_checks.rights(connection, target)
        yield target_checks.reader_role(connection, target)
        yield target_checks.clock(connection, now(), most_seconds=settings.max_clock_skew_seconds)
        yield from target_checks.backup_tools(facts.major, needed=False)
