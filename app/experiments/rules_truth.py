"""What the rules say a move depends on: the discs it turns, those that bracket them, those it cannot do without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.positions import Words, states_of
from othello.rules.bitboard import flip_mask

Squares = NDArray[np.bool_]
DIRECTIONS: Final = tuple((dr, dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if dr or dc)
CORNERS: Final = np.isin(np.arange(64), (0, 7, 56, 63))
EDGES: Final = np.array([(s // 8 in (0, 7)) != (s % 8 in (0, 7)) for s in range(64)])
PLACES: Final = {"corners": CORNERS, "edges": EDGES, "inside": ~CORNERS & ~EDGES}
SETS: Final = ("flipped", "bracketing", "critical")  # the fields of MoveFacts that are measured


@dataclass(frozen=True)
class MoveFacts:
    """Squares [P, 64] that a move of each position depends on by rule."""

    flipped: Squares  # discs it turns
    bracketing: Squares  # own discs at the far end of a turned line
    critical: Squares  # discs without which the move would be illegal

    @property
    def involved(self) -> Squares:
        """Turned and bracketing discs together."""
        return self.flipped | self.bracketing


def facts(own: Words, opp: Words, moves: NDArray[np.int64]) -> MoveFacts:
    """The facts of one legal move of each position; moves [P] are squares."""
    shape = (len(own), 64)
    flipped, bracketing, critical = (np.zeros(shape, bool) for _ in range(3))
    states = states_of(own, opp)
    for row, move in enumerate(moves.tolist()):
        for line, end in lines(states[row], move):
            flipped[row, line] = True
            bracketing[row, end] = True
        for square in np.flatnonzero(states[row]).tolist():
            bit = np.uint64(1) << np.uint64(square)
            critical[row, square] = not flip_mask(own[row] & ~bit, opp[row] & ~bit, np.int64(move))
    return MoveFacts(flipped, bracketing, critical)


def lines(states: NDArray[np.int8], move: int) -> list[tuple[list[int], int]]:
    """The turned discs and the bracketing disc of each direction in which a move turns any; states [64]."""
    found = []
    for dr, dc in DIRECTIONS:
        line: list[int] = []
        row, column = move // 8 + dr, move % 8 + dc
        while 0 <= row < 8 and 0 <= column < 8 and states[8 * row + column] == -1:
            line.append(8 * row + column)
            row, column = row + dr, column + dc
        if line and 0 <= row < 8 and 0 <= column < 8 and states[8 * row + column] == 1:
            found.append((line, 8 * row + column))
    return found
