"""What eight readers notice of fifty cutovers and rollbacks, as a table: errors, mixed reads, the longest stall."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from sdconsole.target.embedded.server import EmbeddedServer
from tests.stages.live_world import fresh_world
from tests.stages.readers import prove

SWITCHES = 50
LONG_SECONDS = 20.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "postgres", durable=False)
        try:
            server.start()
            with fresh_world(server.dsn("postgres", superuser=True)) as world:
                proof = prove(world, switches=SWITCHES, long_seconds=LONG_SECONDS)
        finally:
            server.remove()
    print(*proof.lines(), sep="\n")
    if proof.errors or proof.mixed or proof.longest_seconds >= 0.5:
        sys.exit("a reader noticed something")


if __name__ == "__main__":
    main()
