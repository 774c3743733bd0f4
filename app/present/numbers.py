"""Numbers as people read them: a sign that is a minus and not a hyphen, two digits that count, percent."""

from __future__ import annotations

import math
import re
from typing import Final

MINUS: Final = "−"
_PERCENT: Final = re.compile(r"(?<=\d) (?=%)")


def unbroken(text: str) -> str:
    """A text whose lines do not break between a number and its per cent sign.

    >>> unbroken("95 % of 3 games")
    '95\\xa0% of 3 games'
    """
    return _PERCENT.sub("\u00a0", text)


def fixed(value: float, digits: int = 2) -> str:
    """A number with its sign and so many decimals; what rounds to 0 is +0.

    >>> fixed(-0.126), fixed(-0.001), fixed(0.5, 3)
    ('−0.13', '+0.00', '+0.500')
    """
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", MINUS)


def signed(value: float) -> str:
    """A number with its sign and about two digits.

    >>> signed(-0.0123), signed(4.567), signed(0.4)
    ('−0.012', '+4.57', '+0.40')
    """
    if abs(value) < 5e-7:
        return "0"
    return fixed(
        value, 2 if abs(value) >= 0.095 else min(6, 1 - math.floor(math.log10(abs(value))))
    )


def percent(share: float, digits: int = 0) -> str:
    """A share of 1 in percent.

    >>> percent(0.256), percent(0.256, 1)
    ('26 %', '25.6 %')
    """
    return f"{100 * share:.{digits}f} %"
