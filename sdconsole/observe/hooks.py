"""Tells programs and URLs how a run ended. Nothing that a hook does, or fails to do, changes that.

A program gets the document as JSON on standard input, without a shell and without the database's passwords in its
environment; a URL gets it as a POST. Each has a time limit. Causes of errors are left out: they may quote rows.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sdconsole.config import Hook, HookSettings
from sdconsole.core.events import LogLine
from sdconsole.core.model import RunKind, StageName
from sdconsole.core.projection import RunState
from sdconsole.core.summary import summary_document
from sdconsole.errors import Verdict

_SECRETS = frozenset({"PGPASSWORD", "PGSSLPASSWORD", "PGPASSFILE"})
_BY_THE_OPERATOR = frozenset({Verdict.INTERRUPTED, Verdict.TERMINATED, Verdict.ABORTED})


def occasion(state: RunState) -> str | None:
    """Which hooks a run's end calls for: ready, hold, success, failure or rollback; None = none of them."""
    verdict, started = state.verdict, state.started
    if verdict is None or started is None or verdict in _BY_THE_OPERATOR:
        return None
    if verdict is Verdict.HELD:
        return "hold"
    if verdict is Verdict.ROLLED_BACK:
        return "rollback"
    if verdict is not Verdict.OK:
        return "failure"
    if started.kind is RunKind.ROLLBACK:
        return "rollback"
    if state.live_changed:
        return "success"
    return "ready" if StageName.VALIDATE in state.results else None


def run_hooks(settings: HookSettings, state: RunState) -> Iterator[LogLine]:
    """Calls the hooks of the run's end, one after the other; what became of each is a line for the journal."""
    event = occasion(state)
    if event is None:
        return
    hooks: tuple[Hook, ...] = getattr(settings, f"on_{event}")
    document = json.dumps(_document(event, state), ensure_ascii=False).encode()
    for hook in hooks:
        wrong = (
            _post(hook, document, settings.timeout_seconds)
            if isinstance(hook, str)
            else _call(hook, document, settings.timeout_seconds)
        )
        name = shown(hook)
        if wrong:
            yield LogLine("warning", f"hook on-{event} {name}: {wrong}; the run's outcome stays what it is")
        else:
            yield LogLine("info", f"hook on-{event} {name}: told")


def shown(hook: Hook) -> str:
    """A hook's name for people: the program, or the URL's host, since its path is often a secret."""
    if not isinstance(hook, str):
        return Path(hook[0]).name
    parts = urlsplit(hook)
    return f"{parts.scheme}://{parts.hostname or ''}"


def _document(event: str, state: RunState) -> Mapping[str, Any]:
    document = summary_document(state) | {"event": f"on-{event}"}
    if document["error"]:
        document["error"] = {key: value for key, value in document["error"].items() if key != "cause"}
    return document


def _call(hook: tuple[str, ...], document: bytes, timeout_seconds: float) -> str:
    """Why the program did not do it, "" when it did."""
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    try:
        process = subprocess.Popen(
            list(hook),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot be started ({getattr(error, 'strerror', None) or error})"
    try:
        process.communicate(document, timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        return f"took longer than {timeout_seconds:g} s and was ended"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f"ended with {process.returncode}" if process.returncode else ""


def _post(url: str, document: bytes, timeout_seconds: float) -> str:
    """Why the URL did not take it, "" when it did."""
    try:
        request = urllib.request.Request(  # noqa: S310 - the settings allow http and https only
            url, data=document, headers={"Content-Type": "application/json", "User-Agent": "sdconsole"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=timeout_seconds):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"answered {error.code}"
    except (OSError, ValueError, HTTPException) as error:
        return f"cannot be reached ({type(error).__name__})"
