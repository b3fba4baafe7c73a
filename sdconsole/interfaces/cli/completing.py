"""What the shell offers after TAB: runs, versions, runbooks and targets. Asks no server, is silent on an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sdconsole.config import EMBEDDED, Settings, load_settings
from sdconsole.core import runs
from sdconsole.errors import SdconsoleError
from sdconsole.runbook.library import shipped


def _offered(find: Callable[[Settings], Iterable[str]]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        try:
            found = list(dict.fromkeys(find(load_settings())))
        except (SdconsoleError, OSError):
            return []  # whoever runs the command is told what is wrong
        return [text for text in found if text.startswith(incomplete)]

    return complete


def complete_one_of(words: Iterable[str]) -> Callable[[str], list[str]]:
    """Of words that are known beforehand."""
    return _offered(lambda _settings: words)


complete_runs = _offered(lambda settings: (run.run_id for run in runs.list_runs(settings.state_dir)))
complete_versions = _offered(
    lambda settings: (run.version for run in runs.list_runs(settings.state_dir) if run.version is not None)
)
complete_targets = _offered(lambda settings: [EMBEDDED, *settings.targets])
complete_runbooks = _offered(lambda _settings: shipped())
