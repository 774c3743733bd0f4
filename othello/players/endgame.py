"""From where the agent plays exactly unless it is told otherwise, and what it spends on that.

Every searching player has these values: `match`, `analyze`, `engine`, `ladder`, `release`, the pages and the desktop.
Training has settings of its own, and a review is no play.
"""

from typing import Final

SOLVE_EMPTIES: Final = 18  # empty squares
SOLVE_NODES: Final = 4_000_000  # a move without a clock: the same on every machine, some 0.2 s
