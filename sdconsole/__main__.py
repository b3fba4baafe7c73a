"""`sdconsole`, and `python -m sdconsole`: loads the command, which takes a moment in which Ctrl-C is pressed too."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    try:
        from sdconsole.interfaces.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
