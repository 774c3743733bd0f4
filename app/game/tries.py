"""Moves that a search hardly tried, judged by the search of the position after them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from othello.rules.board import Board
from othello.search.search import SearchResult
from othello.strength.review import TRIED, values_of_tries


def after(board: Board, move: int) -> Board:
    """The position after a legal move and the pass that it may force."""
    played = board.play(move)
    return played.pass_turn() if played.must_pass else played


def with_tries(
    found: SearchResult,
    moves: Collection[int | None],
    search_of: Callable[[Board], SearchResult | None],
) -> SearchResult:
    """A search in which each of `moves` that it hardly tried has the simulations and the value of the search after it.

    Hardly: less than `TRIED` of the simulations.  Where the game ends with a move, its outcome is its value.
    Moves that are illegal, and those after which nobody searched, stay as they are.
    """
    entries = list(found.moves)
    added = 0
    for place, entry in enumerate(entries):
        if entry.square not in moves or entry.visits >= found.simulations * TRIED:
            continue
        board = after(found.board, entry.square)
        if (looked := _looked_at(board, search_of)) is None:
            continue
        visits, value = looked
        q = value if board.side == found.board.side else -value
        entries[place] = replace(entry, visits=visits, q=q)
        added += visits - entry.visits
    return replace(found, moves=tuple(entries), simulations=found.simulations + added)


def _looked_at(
    board: Board, search_of: Callable[[Board], SearchResult | None]
) -> tuple[int, float] | None:
    """How often a position was looked at, and its best move's value to its side; None where nobody searched."""
    if board.is_over:
        score = board.score() if board.side == "X" else -board.score()
        return 1, float((score > 0) - (score < 0))
    found = search_of(board)
    if found is None:
        return None
    return found.simulations, max(values_of_tries(board, found.moves, found.simulations).values())
