"""A piece of text that is drawn again only when it is another."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from textual.widgets import Static


class Drawn(Static):
    """`key` stands for all that its content is made of."""

    _key: object = None
    _shape: object = None
    _anew = True

    def show(self, content: Callable[[], RenderableType], key: object, shape: object = None) -> None:
        """Draw when `key` is another than last time; lay out again only when `shape` is (None = with the key)."""
        if not self._anew and self._key == key:
            return
        layout = self._anew or shape is None or self._shape != shape
        self._key, self._shape, self._anew = key, shape, False
        self.update(content(), layout=layout)

    def forget(self) -> None:
        """The room is another: draw next time, whatever the key."""
        self._anew = True
