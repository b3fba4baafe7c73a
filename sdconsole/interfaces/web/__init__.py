"""The console in a browser on this machine: a server, its guard, and the process behind each tab."""
