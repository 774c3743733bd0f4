"""What a player is, and the simple ones that need no network: random, greedy and alpha-beta.

A `Player` sits at one game.  `ManyGames` are players that answer for any number of positions at once, so that the
arena can play a whole match in step; whatever they draw at random depends on the game's seed and the position alone,
and so a game comes out the same whether it is played alone or among hundreds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from othello.players.alphabeta import best_moves
from othello.rules.board import Board
from othello.solver.solver import Solver

_MASK = (1 << 64) - 1


class Player(Protocol):
    """One side of one game at a time."""

    name: str  # its spec, as `othello.players.specs.parse` reads it
    checkpoint: str | None  # SHA-256 of its weights, None for a player without any

    def new_game(self, seed: int = 0) -> None:
        """Begin a game from the first position; `seed` settles everything that is drawn at random in it."""

    def watch(self, action: int) -> None:
        """Hear that `action` (a square or the pass) was played, by whichever side, this player included."""

    def move(self, board: Board) -> int:
        """The action to play in `board`, which is not over; a forced pass answers N²."""

    def close(self) -> None:
        """Give back processes and memory; the player is not used afterwards."""


class ManyGames(ABC):
    """A player without a memory of its own: each answer depends on the position and a seed only."""

    name: str
    checkpoint: str | None = None
    _seed = 0

    @abstractmethod
    def choose(self, boards: Sequence[Board], seeds: Sequence[int]) -> list[int]:
        """A square for every board; each has a legal move; `seeds` are those of the games they belong to."""

    def new_game(self, seed: int = 0) -> None:
        """Begin a game."""
        self._seed = seed

    def watch(self, action: int) -> None:  # noqa: B027
        """Nothing to remember."""

    def move(self, board: Board) -> int:
        """The action to play; a forced pass answers N²."""
        return board.size**2 if board.must_pass else self.choose([board], [self._seed])[0]

    def close(self) -> None:  # noqa: B027
        """Nothing to give back."""


def mix(word: int) -> int:
    """A 64-bit word scrambled (SplitMix64; Steele, Lea, Flood, "Fast splittable pseudorandom generators", 2014)."""
    word = (word + 0x9E3779B97F4A7C15) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)


def pick(options: Sequence[int], board: Board, seed: int) -> int:
    """One of `options`, all equally likely over seeds and positions, always the same for one seed and position."""
    return options[mix(mix(mix(seed & _MASK) ^ board.own) ^ board.opp) % len(options)]


class RandomPlayer(ManyGames):
    """Plays any legal move."""

    name = "random"

    def choose(self, boards: Sequence[Board], seeds: Sequence[int]) -> list[int]:
        return [pick(board.legal_moves(), board, seed) for board, seed in zip(boards, seeds)]


class GreedyPlayer(ManyGames):
    """Plays a move that turns over the most discs."""

    name = "greedy"

    def choose(self, boards: Sequence[Board], seeds: Sequence[int]) -> list[int]:
        return [pick(_greediest(board), board, seed) for board, seed in zip(boards, seeds)]


def _greediest(board: Board) -> list[int]:
    turned = {square: len(board.flips(square)) for square in board.legal_moves()}
    most = max(turned.values())
    return [square for square, count in turned.items() if count == most]


class AlphaBetaPlayer(ManyGames):
    """Looks `depth` plies ahead with the square table of `othello.players.alphabeta`; equal moves are drawn.

    From `solve_empties` empty squares on it plays one of all the moves with the exact best score (0: never).
    """

    def __init__(self, depth: int, solve_empties: int = 0) -> None:
        self.name = f"alphabeta:{depth}" + (f",solve={solve_empties}" if solve_empties else "")
        self.depth, self.solve_empties = depth, solve_empties
        self._solver: Solver | None = None

    def choose(self, boards: Sequence[Board], seeds: Sequence[int]) -> list[int]:
        return [pick(self._best(board), board, seed) for board, seed in zip(boards, seeds)]

    def _best(self, board: Board) -> Sequence[int]:
        if board.empties > self.solve_empties:
            return best_moves(board, self.depth)[1]
        if self._solver is None or self._solver.size != board.size:
            self._solver = Solver(board.size)
        solution = self._solver.solve(board, line=False)
        assert solution is not None  # no limit was given
        return solution.best
