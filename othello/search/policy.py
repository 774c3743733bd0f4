"""What a search is told: the settings of its root, PUCT or Gumbel, and the records in which kernels take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.errors import ConfigError
from othello.rules.bitboard import BOARD_MASK
from othello.rules.board import Board
from othello.search.gumbel import halving_schedule
from othello.search.tree import MAX_MOVES

C_PUCT: Final = 1.0  # with 100 simulations a move: 1.0 beats 1.5 by 56 Elo [8, 105], 2.0 loses to it by 143 [92, 196]
LEAF_EMPTIES: Final = 8
RootSearch = Literal["puct", "gumbel"]


class Policy(NamedTuple):
    """How the simulations of a search choose; what only the other root reads is at its default."""

    board: np.uint64  # `BOARD_MASK` of the size
    size: int
    gumbel: bool  # the root: sequential halving, else PUCT
    leaf_empties: int  # leaves with so many empty squares or fewer get their exact outcome
    c_puct: float = C_PUCT
    first_play: float = 0.0
    considered: int = 1
    c_visit: float = 0.0
    c_scale: float = 0.0


class Race(NamedTuple):
    """What the roots of a Gumbel search have beside their trees; PUCT has no numbers in it."""

    schedule: NDArray[np.int32]  # [MAX_MOVES + 1, simulations], see `gumbel.halving_schedule`
    gumbel: NDArray[np.float32]  # [G, MAX_MOVES] noise of each root's moves


@dataclass(frozen=True)
class Puct:
    """The search of AlphaZero; the tree below the position reached is kept from move to move."""

    most: ClassVar[int] = 1 << 30  # simulations

    c_puct: float = C_PUCT
    first_play: float = 0.2  # how much worse than its parent an unvisited move is taken to be
    leaf_empties: int = LEAF_EMPTIES  # leaves with so few empty squares get their exact outcome
    root_noise: float = 0.0  # share of Dirichlet noise in the root's priors
    dirichlet_alpha: float = 0.3  # its concentration

    def policy(self, size: int) -> Policy:
        """The same for kernels, on N×N boards."""
        return Policy(
            BOARD_MASK[size],
            size,
            gumbel=False,
            leaf_empties=int(self.leaf_empties),
            c_puct=float(self.c_puct),
            first_play=float(self.first_play),
        )

    def race(self, boards: Sequence[Board], seeds: Sequence[int], simulations: int) -> Race:
        """None."""
        return Race(halving_schedule(0), np.zeros((len(boards), 0), np.float32))


@dataclass(frozen=True)
class Gumbel:
    """Sequential halving at the root, as self-play has it; every root has a race of its own, so no tree is kept."""

    most: ClassVar[int] = 100_000  # simulations: a race is laid out in a table beforehand

    considered: int = 16  # moves that enter it
    c_visit: float = 50.0
    c_scale: float = 0.1
    noise: float = 1.0  # times the Gumbel noise; 0: the moves of the highest logits enter
    leaf_empties: int = LEAF_EMPTIES  # leaves with so few empty squares get their exact outcome

    def __post_init__(self) -> None:
        if self.considered < 1:
            raise ConfigError(
                f"{self.considered} moves considered at the root: accepted are 1 and more"
            )

    def policy(self, size: int) -> Policy:
        """The same for kernels, on N×N boards."""
        return Policy(
            BOARD_MASK[size],
            size,
            gumbel=True,
            leaf_empties=int(self.leaf_empties),
            considered=int(self.considered),
            c_visit=float(self.c_visit),
            c_scale=float(self.c_scale),
        )

    def race(self, boards: Sequence[Board], seeds: Sequence[int], simulations: int) -> Race:
        """The schedule, and each board's noise, which depends on its seed and the position alone."""
        noise = np.zeros((len(boards), MAX_MOVES), np.float32)
        for g, (board, seed) in enumerate(zip(boards, seeds, strict=True)):
            random = np.random.default_rng([seed, board.own, board.opp])
            noise[g] = self.noise * random.gumbel(size=MAX_MOVES)
        return Race(halving_schedule(simulations), noise)


RootPolicy = Puct | Gumbel
ROOTS: Final[dict[RootSearch, RootPolicy]] = {"puct": Puct(), "gumbel": Gumbel()}
