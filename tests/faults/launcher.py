"""A process that has imported the product once and forks itself for every command that a trial asks for.

A trial then costs a fork instead of half a second of imports, so more of them fit. Each child is a process of its own
with its own session, files, environment, folder and limits, and runs the very `main` of the command. Requests come as
JSON lines on stdin; a line with the pid, and one with the exit code when the child has ended, go to stdout.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import select
import signal
import sys
from typing import Any

from sdconsole.interfaces.cli.app import main
from tests.faults import fault_points


def serve() -> None:
    """Until stdin ends; then every child that still runs is killed."""
    children: dict[int, int] = {}
    gc.freeze()
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    unread = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _report_ended(children)
        if 0 in ready:
            block = os.read(0, 65536)
            if not block:
                break
            *lines, unread = (unread + block).split(b"\n")
            for line in lines:
                request = json.loads(line)
                pid = _fork(request)
                children[pid] = request["number"]
                _answer({"number": request["number"], "pid": pid})
            _report_ended(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _report_ended(children: dict[int, int]) -> None:
    for pid in tuple(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _answer({"number": children.pop(pid), "code": os.waitstatus_to_exitcode(status)})


def _answer(line: dict[str, int]) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            _become(request)
            try:
                main(request["arguments"])
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 1
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            if isinstance(sys.exception(), Exception):
                sys.excepthook(*sys.exc_info())
            os._exit(code)
    return pid


def _become(request: dict[str, Any]) -> None:
    """From here on nothing is left of the parent but its imports."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, path in ((1, request["stdout"]), (2, request["stderr"])):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    random.seed()
    if request["file_size_limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size_limit"], resource.RLIM_INFINITY))
    fault_points.install(request["fault"])


if __name__ == "__main__":
    serve()
