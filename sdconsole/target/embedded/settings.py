"""The settings that the embedded server is started with, and the port it listens on.

They are given at each start and not written into the data directory, so a newer version's settings reach old data.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

from sdconsole.target.embedded.logins import HOST

_PORTS = range(20000, 32768)
"""Below the ports that Linux and macOS give to outgoing connections, so that a stopped server's port stays free."""
_SMALL_SHARED_MEMORY_BYTES = 256 << 20

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
}
_WITHOUT_DURABILITY = {"fsync": "off", "full_page_writes": "off"}
"""synchronous_commit stays on: without it a killed server loses the last commits, and tests kill servers."""


def server_settings(port: int, socket_directory: Path, *, durable: bool) -> dict[str, str]:
    """Without `durable` a crash of the machine destroys the data; a crash of the server does not."""
    quoted = str(socket_directory).replace('"', '""')
    settings = {**_SETTINGS, "port": str(port), "unix_socket_directories": f'"{quoted}"'}
    settings |= shared_memory_settings()
    return settings if durable else settings | _WITHOUT_DURABILITY


def shared_memory_settings() -> dict[str, str]:
    """Files in the data directory in place of /dev/shm where that is small: 64 MB in many containers, and a parallel
    query fails when it is full."""
    if sys.platform != "linux":
        return {}
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 (looked at only)
    except FileNotFoundError:
        size = 0
    else:
        size = found.f_frsize * found.f_blocks
    return {"dynamic_shared_memory_type": "mmap"} if size < _SMALL_SHARED_MEMORY_BYTES else {}


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(preferred: int) -> int:
    port = preferred
    while port == 0 or not is_free(port):
        port = _PORTS[secrets.randbelow(len(_PORTS))]
    return port
