"""The moves whose events are looked at, with their change maps: a sample's, and more where a kind of event is rare.

More games are searched by the rules alone for moves that a rare kind is asked about, whether it happens or not, and
only their maps are made.  So a rare kind has the units of a larger sample of such games, for less work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from app.experiments.positions import (
    Games,
    board_of,
    legal_table,
    numbered_games,
    several_a_game,
)
from app.experiments.record import Progress, Settings
from app.experiments.studies.events import EVENTS, Event, Played
from app.explain.reasons.questions import After
from app.explain.reasons.weights import change_maps
from othello.rules.board import Board

if TYPE_CHECKING:
    from app.models import Model

EMPTIES: Final = (13, 40)
EACH: Final = 6  # positions of a game whose moves' events are looked at
MOVES: Final = 8  # of a position whose change is explained
ENOUGH: Final = 500  # positions with an event of a kind
RARE: Final = tuple(
    event
    for event in EVENTS
    if event.name in ("corner closed", "corner lost", "wedge closed", "own wedge lost")
)  # rare events that few moves are asked about, so that many games can be searched for them
FURTHER: Final = 4  # times the sample's games are searched for them at most
STEP: Final = 64  # games between two looks at what is still rare

ByGame = list[list[Played]]


def sampled(model: Model, games: Games, settings: Settings, progress: Progress) -> ByGame:
    """The moves of some positions of each game."""
    found: ByGame = []
    boards = list(drawn(games, settings, np.random.default_rng((settings.seed, 3))))
    for number, (game, board, moves) in enumerate(boards):
        progress(number / len(boards), f"change maps, position {number + 1} of {len(boards)}")
        found += [[] for _ in range(game + 1 - len(found))]
        found[game] += told(model, board, moves)
    return found


def drawn(
    games: Games, settings: Settings, random: np.random.Generator
) -> Iterator[tuple[int, Board, list[int]]]:
    """Positions of games: the game, from 0 on, the board, and up to `MOVES` of its moves, drawn without replacement.

    Moves that end the game are left out.
    """
    own, opp, number = several_a_game(games, settings, 2 if settings.quick else EACH, EMPTIES)
    free = legal_table(own, opp).any(1)
    for game, one, other in zip(number[free].tolist(), own[free], opp[free]):
        board = board_of(one, other)
        moves = sorted(random.permutation(board.legal_moves())[:MOVES].tolist())
        yield game, board, [move for move in moves if not board.play(move).is_over]


def told(model: Model, board: Board, moves: Sequence[int]) -> list[Played]:
    """Moves from one position with their change maps and the network's answers."""
    if not moves:
        return []
    afters = [After.of(model, board, move) for move in moves]
    changes = change_maps(model, board, afters)
    replies = answers(model, [after.reply for after in afters])
    rows = zip(moves, changes, replies)
    return [Played(board, m, c.squares, c.replies, c.own_moves, c.whole, r) for m, c, r in rows]


def answers(model: Model, boards: Sequence[Board]) -> list[int | None]:
    """What the network's policy would play on each board; None where the side to move has no move."""
    own = np.array([board.own for board in boards], np.uint64)
    opp = np.array([board.opp for board in boards], np.uint64)
    logits, _ = model.evaluator(own, opp)
    found: list[int | None] = []
    for board, row in zip(boards, logits):
        moves = board.legal_moves()
        found.append(moves[int(np.argmax(row[list(moves)]))] if moves else None)
    return found


def with_event(event: Event, played: Sequence[Sequence[Played]]) -> set[Board]:
    """The positions in which a move has the event."""
    moves = [move for game in played for move in game]
    return {m.board for m in moves if any(unit.happens for unit in event.units(m))}


def asked(board: Board, move: int, events: Collection[Event]) -> list[Event]:
    """The events that a move is asked about, by the rules alone: what its maps say plays no part."""
    nothing = np.zeros(board.size**2)
    blank = Played(board, move, nothing, nothing, nothing, 0.0, None)
    return [event for event in events if any(True for _ in event.units(blank))]


def further(
    model: Model, settings: Settings, have: Mapping[Event, int], most: int, progress: Progress
) -> dict[Event, ByGame]:
    """Of each rare event the moves of further games that it is asked about, until `ENOUGH` positions have it.

    have: in how many it was found so far.  most: games to search.  The games come after those of `settings`.
    """
    counts, found = dict(have), {event: list[list[Played]]() for event in have}
    for start in range(0, most, STEP):
        wanted = [event for event, count in counts.items() if count < ENOUGH]
        if not wanted:
            break
        progress(start / most, f"rare events, game {start} of {most}")
        numbers = range(settings.games + start, settings.games + min(start + STEP, most))
        games = numbered_games(model, settings, numbers)
        new: dict[Event, ByGame] = {event: [[] for _ in numbers] for event in wanted}
        chosen = replace(settings, positions=len(numbers))
        for game, board, moves in drawn(
            games, chosen, np.random.default_rng((settings.seed, start))
        ):
            events = {move: asked(board, move, wanted) for move in moves}
            for played in told(model, board, [move for move in moves if events[move]]):
                for event in events[played.move]:
                    new[event][game].append(played)
        for event, by_game in new.items():
            counts[event] += len(with_event(event, by_game))
            found[event] += by_game
    return found
