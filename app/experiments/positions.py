"""The positions that experiments measure on: board 31 of the blog post, and held-out positions of self-play.

Held out: games of a seed and an iteration number that no training run uses, one position a game, so that positions
are independent of each other.  A position is a row of 64 states seen from its side to move: 1 own, −1 opponent's, 0.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.experiments.record import Progress, Settings, silent
from app.models import Model
from othello import atomic
from othello.rules.bitboard import BOARD_MASK, legal_mask
from othello.rules.board import Board
from othello.training.selfplay import Samples, SelfPlaySettings, play_games

BOARD_31: Final = Board.parse("OX-OO----XXOOX--XXXXOO---X-OOO--XOOOOXO----X--X--OOXX------X-X-- X")
HELD_OUT: Final = 1_000_000  # the iteration of held-out games; training counts from 0
STEP: Final = 32  # games between two reports of progress

Words = NDArray[np.uint64]
States = NDArray[np.int8]


@dataclass(frozen=True)
class Games:
    """Every recorded position of some games: words [S] of the side to move and its opponent, the game's number [S]."""

    own: Words
    opp: Words
    game: NDArray[np.int32]

    @property
    def empties(self) -> NDArray[np.int64]:
        """Empty squares [S]."""
        discs: NDArray[np.int64] = np.bitwise_count(self.own | self.opp).astype(np.int64)
        return 64 - discs


class Positions(NamedTuple):
    """What is measured: words [P] of the side to move and its opponent, the best two moves [P, 2] by the policy."""

    own: Words
    opp: Words
    moves: NDArray[np.int64]

    @property
    def states(self) -> States:
        """States [P, 64]."""
        return states_of(self.own, self.opp)

    def first(self, count: int) -> Positions:
        """At most `count` of them."""
        return Positions(self.own[:count], self.opp[:count], self.moves[:count])


def self_play(model: Model, settings: Settings, progress: Progress = silent) -> Games:
    """The held-out games of these settings; from the cache if they are there."""
    count, rules = settings.games, _rules(settings)
    name = f"games {model.sha256} {settings.seed} {count} {rules}"
    file = None
    if settings.cache is not None:
        file = settings.cache / f"games-{hashlib.sha256(name.encode()).hexdigest()[:16]}.npz"
        if file.is_file() and (found := _read(file)) is not None:
            return found
    games = numbered_games(model, settings, range(count), progress)
    if file is not None:
        _write(file, games)
    return games


def numbered_games(
    model: Model, settings: Settings, numbers: range, progress: Progress = silent
) -> Games:
    """Held-out games by their numbers, which may go beyond those of the settings."""
    parts = []
    for start in range(0, len(numbers), STEP):
        progress(start / len(numbers), f"self-play, game {start} of {len(numbers)}")
        some = numbers[start : start + STEP]
        parts.append(
            play_games(model.evaluator, _rules(settings), settings.seed, HELD_OUT, some)[0]
        )
    played = Samples.concatenate(parts)
    return Games(played.own, played.opp, played.game)


def _rules(settings: Settings) -> SelfPlaySettings:
    simulations, slots = (16 if settings.quick else 32), min(settings.games, 64)
    return SelfPlaySettings(simulations=simulations, slots=slots, solve_empties=12)


def _read(file: Path) -> Games | None:
    try:
        with np.load(file, allow_pickle=False) as stored:
            return Games(stored["own"], stored["opp"], stored["game"])
    except (OSError, ValueError, KeyError):
        return None


def _write(file: Path, games: Games) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, own=games.own, opp=games.opp, game=games.game)
    atomic.write_bytes(file, buffer.getvalue())


def one_a_game(
    games: Games, count: int, seed: int, *, empties: tuple[int, int] = (9, 58), moves: int = 2
) -> tuple[Words, Words]:
    """Words [P] of at most `count` positions with so many empty squares and ≥ `moves` moves, one drawn from a game.

    No position comes twice, turned or mirrored either: openings that many games share are drawn again.
    """
    random = np.random.default_rng((seed, count, *empties))
    low, high = empties
    options = legal_table(games.own, games.opp).sum(1)
    fits = (games.empties >= low) & (games.empties <= high) & (options >= moves)
    chosen: list[int] = []
    seen: set[bytes] = set()
    for game in np.unique(games.game):
        if len(chosen) == count:
            break
        for row in random.permutation(np.flatnonzero(fits & (games.game == game))).tolist():
            key = canonical(states_of(games.own[[row]], games.opp[[row]])[0])
            if key not in seen:
                seen.add(key)
                chosen.append(row)
                break
    return games.own[chosen], games.opp[chosen]


def several_a_game(
    games: Games, settings: Settings, each: int, empties: tuple[int, int]
) -> tuple[Words, Words, NDArray[np.int64]]:
    """Words [P] of at most `each` positions of every game with so many empty squares, and their games, from 0 on [P].

    As many games as positions are asked for, 8 at least; what is measured on them is resampled by game.  No position
    comes twice, turned or mirrored either.
    """
    random = np.random.default_rng((settings.seed, 20, each))
    fits = (games.empties >= empties[0]) & (games.empties <= empties[1])
    rows: list[int] = []
    seen: set[bytes] = set()
    for game in np.unique(games.game)[: max(8, settings.positions)]:
        inside = random.permutation(np.flatnonzero(fits & (games.game == game)))
        rows += _new(games, inside, seen)[:each]
    _, number = np.unique(games.game[rows], return_inverse=True)
    return games.own[rows], games.opp[rows], number.astype(np.int64)


def _new(games: Games, rows: NDArray[np.int64], seen: set[bytes]) -> list[int]:
    """The rows whose positions were not seen, turned or mirrored either; from then on they are."""
    found = []
    for row, states in zip(rows.tolist(), states_of(games.own[rows], games.opp[rows])):
        key = canonical(states)
        if key not in seen:
            seen.add(key)
            found.append(row)
    return found


def with_best_two(model: Model, own: Words, opp: Words) -> Positions:
    """Words [P] with the two moves that the policy likes best."""
    return Positions(own, opp, best_two(model.evaluator(own, opp)[0], legal_table(own, opp)))


def held_out(model: Model, settings: Settings, progress: Progress) -> tuple[Games, Positions]:
    """The held-out games of these settings, and as many positions of them, one a game."""
    games = self_play(model, settings, progress)
    return games, with_best_two(model, *one_a_game(games, settings.positions, settings.seed))


def canonical(states: States) -> bytes:
    """The same bytes for the 8 turned and mirrored pictures of states [64]."""
    turns = [np.rot90(states.reshape(8, 8), k) for k in range(4)]
    return min(min(turn.tobytes(), turn.T.tobytes()) for turn in turns)


def states_of(own: Words, opp: Words) -> States:
    """States [P, 64] of words [P]."""
    shifts = np.arange(64, dtype=np.uint64)
    mine, theirs = ((words[:, None] >> shifts) & np.uint64(1) for words in (own, opp))
    return mine.astype(np.int8) - theirs.astype(np.int8)


def words_of(states: States) -> tuple[Words, Words]:
    """Words [P] of states [P, 64]: the side to move's discs, the opponent's."""
    bits = np.uint64(1) << np.arange(64, dtype=np.uint64)
    mine, theirs = (
        np.where(states == sign, bits, np.uint64(0)).sum(1, dtype=np.uint64) for sign in (1, -1)
    )
    return mine, theirs


def board_of(own: int | np.uint64, opp: int | np.uint64) -> Board:
    """The position as a board with black to move."""
    return Board(int(own), int(opp), "X", 8)


def legal_table(own: Words, opp: Words) -> NDArray[np.bool_]:
    """[P, 64]: whether the side to move may play on a square."""
    words = np.array([legal_mask(o, p, BOARD_MASK[8]) for o, p in zip(own, opp)], np.uint64)
    return ((words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).astype(bool)


def best_two(logits: NDArray[np.float32], legal: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[P, 2]: the legal moves with the highest and second highest logit; logits [P, A], legal [P, 64]."""
    masked = np.where(legal, logits[:, :64], -np.inf)
    return np.argsort(-masked, axis=1, kind="stable")[:, :2]
