"""The runbook that `runbook new` writes: small, complete, and clean for the linter."""

from __future__ import annotations

import re
from pathlib import Path

from sdconsole.errors import UsageError
from sdconsole.runbook.model import RUNBOOK_ID

_TEXT = """\
# {title}

What it is for, when to use it, how long it takes, and how to undo it.

```toml runbook
schema = 1
id = "{id}"
params.ticket = {{ default = "none", help = "the change ticket" }}
```

## 1. Before

```toml step
box = "10m"
```

```sql check nothing_is_being_loaded
SELECT version, run_id, created_at FROM sdconsole.deployment WHERE state = 'loading'
```

- [ ] Everybody who needs to know has been told (ticket {{ticket}})

## 2. Afterwards

- [ ] The dashboards show what they should
"""


def new_runbook(path: Path) -> str:
    """The text for a new file of this name. Raises UsageError ("runbook-name")."""
    name = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")
    if path.suffix != ".md" or not RUNBOOK_ID.fullmatch(name):
        raise UsageError(
            "runbook-name",
            f"{path.name!r} is no name for a runbook",
            cause="a runbook's file ends in .md and begins with a letter",
            next_step="e.g. sdconsole runbook new promote.md",
        )
    return _TEXT.format(title=name.replace("-", " ").capitalize(), id=name)
