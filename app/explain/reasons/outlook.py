"""What is expected of a game, from black's view: the chance in per cent and the final difference in discs, as one.

The chance is a search's value; the discs come from it and from the network's score head (`othello.network.discs`),
which may not name another winner.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outlook:
    """Black's chance in per cent, and discs, black minus white; never on different sides of even."""

    percent: float
    discs: float

    @classmethod
    def of(cls, value: float, discs: float, *, exact: bool = False) -> Outlook:
        """Of a value in [−1, 1] and discs, both for black; where the discs are exact, they say who wins.

        >>> Outlook.of(0.02, -0.2), Outlook.of(-0.1, 2.0, exact=True)
        (Outlook(percent=51.0, discs=0.0), Outlook(percent=100.0, discs=2.0))
        """
        if exact:
            value = float(discs > 0) - float(discs < 0)
        return cls(50 * (1 + value), 0.0 if value * discs < 0 else discs)

    def __str__(self) -> str:
        discs = f"{round(self.discs, 1):+.1f}" if round(self.discs, 1) else "0.0"
        return f"{round(self.percent)} % for black, {discs.replace('-', '−')} discs"
