"""What is expected of a game, from black's view: the chance in per cent and the final difference in discs, as one.

The chance is a search's value; the discs come from it and from the network's score head.  Where the score head leans so
far to the other side that the two would name different winners, the discs are those of the value alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from othello.network.discs import CURVE, SUREST


@dataclass(frozen=True)
class Outlook:
    """Black's chance in per cent, and discs, black minus white; never on different sides of even."""

    percent: float
    discs: float

    @classmethod
    def of(cls, value: float, discs: float, *, exact: bool = False, size: int = 8) -> Outlook:
        """Of a value in [−1, 1] and discs, both for black; where the discs are exact, they say who wins.

        >>> Outlook.of(0.1, 2.0), Outlook.of(-0.1, 2.0, exact=True), Outlook.of(0.1, -2.0).discs > 0
        (Outlook(percent=55.0, discs=2.0), Outlook(percent=100.0, discs=2.0), True)
        """
        if exact:
            value = float(discs > 0) - float(discs < 0)
        elif value * discs < 0:
            discs = CURVE(max(-SUREST, min(SUREST, value)), size)
        return cls(50 * (1 + value), discs)

    def __str__(self) -> str:
        discs = f"{round(self.discs, 1):+.1f}" if round(self.discs, 1) else "0.0"
        return f"{round(self.percent)} % for black, {discs.replace('-', '−')} discs"
