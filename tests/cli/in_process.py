"""The command within the test's own process: the same words, exit codes and streams, without the start of a Python."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from sdconsole.interfaces.cli import app
from tests.cli.conftest import Ended


@dataclass(frozen=True, slots=True)
class InProcess:
    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, **variables: str) -> Ended:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
        with (
            mock.patch.dict(os.environ, {**self.environment, **variables}, clear=True),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                app.main(arguments)
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Ended(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()
