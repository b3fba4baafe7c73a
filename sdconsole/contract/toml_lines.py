"""On which line of a TOML text each key and each array element stands.

`tomllib` gives values without places, so this reads the text a second time. It expects a text that `tomllib` has
accepted, follows the grammar of TOML 1.0, and understands no values: it only finds where they begin and end.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping

Location = tuple[str | int, ...]

_BLANKS = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL_KEY = re.compile(r"'[^'\n]*'")
_STRINGS = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    _BASIC_KEY,
    _LITERAL_KEY,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


def line_numbers(text: str) -> dict[Location, int]:
    """The line (from 1) of every key, table and element, by its path, e.g. ("table", 0, "columns", 3, "type")."""
    reader = _Reader(text)
    reader.read()
    return reader.lines


def nearest_line(lines: Mapping[Location, int], location: Location) -> int:
    """The line of the place itself, or of the nearest thing around it that the text has; 1 for the whole."""
    for end in range(len(location), 0, -1):
        if location[:end] in lines:
            return lines[location[:end]]
    return 1


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Location, int] = {}
        self._elements: dict[Location, int] = {}
        """How many elements each array of tables has so far."""

    def read(self) -> None:
        here: Location = ()
        while self._skip(_SPACE) < len(self.text):
            if self.text.startswith("[[", self.at):
                here = self._header(2)
            elif self.text[self.at] == "[":
                here = self._header(1)
            else:
                self._pair(here)

    def _header(self, brackets: int) -> Location:
        line = self._line()
        self.at += brackets
        keys = self._keys()
        self.at = self.text.index("]" * brackets, self.at) + brackets
        here = self._resolved(keys[:-1], line)
        place = (*here, keys[-1])
        if brackets == 2:
            self.lines.setdefault(place, line)
            self._elements[place] = self._elements.get(place, 0) + 1
            place = (*place, self._elements[place] - 1)
        elif place in self._elements:
            place = (*place, self._elements[place] - 1)
        self._note(place, line)
        return place

    def _resolved(self, keys: Location, line: int) -> Location:
        """The path of a header: a key that names an array of tables means its last element."""
        place: Location = ()
        for key in keys:
            place = (*place, key)
            self._note(place, line)
            if place in self._elements:
                place = (*place, self._elements[place] - 1)
        return place

    def _pair(self, here: Location) -> None:
        line = self._line()
        place = here
        for key in self._keys():
            place = (*place, key)
            self._note(place, line)
        self._skip(_BLANKS)
        self.at += 1  # the equals sign
        self._value(place)

    def _keys(self) -> Location:
        return tuple(self._key_parts())

    def _key_parts(self) -> Iterator[str]:
        while True:
            self._skip(_BLANKS)
            yield self._key()
            self._skip(_BLANKS)
            if self.text[self.at : self.at + 1] != ".":
                return
            self.at += 1

    def _key(self) -> str:
        for pattern in (_BARE_KEY, _BASIC_KEY, _LITERAL_KEY):
            found = pattern.match(self.text, self.at)
            if found:
                self.at = found.end()
                quoted = found[0][0] in "\"'"
                return str(tomllib.loads(f"key = {found[0]}")["key"]) if quoted else found[0]
        raise ValueError(f"no key on line {self._line()}")

    def _value(self, place: Location) -> None:
        self._skip(_BLANKS)
        start = self.text[self.at : self.at + 1]
        if start == "[":
            self._array(place)
        elif start == "{":
            self._inline_table(place)
        else:
            patterns = _STRINGS if start in ('"', "'") else (_SCALAR,)
            ends = (found.end() for pattern in patterns if (found := pattern.match(self.text, self.at)))
            self.at = next(ends)

    def _array(self, place: Location) -> None:
        self.at += 1
        element = 0
        while self._closed_after(_SPACE, "]") is False:
            self._note((*place, element), self._line())
            self._value((*place, element))
            element += 1
            self._skip(_SPACE)
            self._take(",")

    def _inline_table(self, place: Location) -> None:
        self.at += 1
        while self._closed_after(_SPACE, "}") is False:
            self._pair(place)
            self._skip(_SPACE)
            self._take(",")

    def _closed_after(self, space: re.Pattern[str], bracket: str) -> bool:
        self._skip(space)
        return self._take(bracket)

    def _take(self, sign: str) -> bool:
        found = self.text.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _note(self, place: Location, line: int) -> None:
        self.lines.setdefault(place, line)

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1
