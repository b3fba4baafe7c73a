"""A share in words never claims more than it is."""

from __future__ import annotations

import pytest

from sdconsole.quality.shares import percent


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (1.0, 1, "100.0%"),
        (0.0, 1, "0.0%"),
        (0.999, 1, "99.9%"),
        (0.99951, 1, "99.95%"),
        (0.9999999, 1, "99.99999%"),
        (1 / 108_129, 2, "0.001%"),
        (0.5, 2, "50.00%"),
        (1 - 1e-15, 1, "100.0%"),
    ],
)
def test_almost_all_is_not_all_and_almost_none_is_not_none(share: float, digits: int, text: str) -> None:
    assert percent(share, digits) == text
