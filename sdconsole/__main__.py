"""`python -m sdconsole`."""

from sdconsole.interfaces.cli.app import main

main()
