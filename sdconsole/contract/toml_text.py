"""Writes values and comments as TOML 1.0, whatever characters they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def toml(value: object) -> str:
    """A string, number, boolean, list or inline table on one line. Raises TypeError for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(map(_sign, value)) + '"'
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(toml, value)) + "]"
    raise TypeError(f"TOML has no form for {type(value).__name__}")


def comment(text: str) -> str:
    """One comment line; what is not printable is escaped."""
    return "# " + "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _key(name: str) -> str:
    return name if name and all(sign.isascii() and (sign.isalnum() or sign in "_-") for sign in name) else toml(name)


def _sign(sign: str) -> str:
    if sign in _SHORT:
        return _SHORT[sign]
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if ord(sign) <= 0xFFFF else f"\\U{ord(sign):08x}"
