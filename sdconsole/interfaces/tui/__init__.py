"""The operator console: Textual screens over the projection of a run's events. It runs the same engine as the commands.

`sdconsole.interfaces.tui.app.run_console` opens it. Only the commands that open it import this package.
"""
