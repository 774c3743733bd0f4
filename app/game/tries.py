"""Moves that a search did not try, judged by the search of the position after them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from othello.rules.board import Board
from othello.search.search import SearchResult


def after(board: Board, move: int) -> Board:
    """The position after a legal move and the pass that it may force."""
    played = board.play(move)
    return played.pass_turn() if played.must_pass else played


def with_tries(
    found: SearchResult,
    moves: Collection[int | None],
    search_of: Callable[[Board], SearchResult | None],
) -> SearchResult:
    """A search in which each of `moves` that it did not try has the simulations and the value of the search after it.

    Moves that are illegal, and those after which nobody searched, stay as they are.
    """
    entries = list(found.moves)
    added = 0
    for place, entry in enumerate(entries):
        if entry.square not in moves or entry.visits:
            continue
        board = after(found.board, entry.square)
        if (later := search_of(board)) is None:
            continue
        value = later.value if board.side == found.board.side else -later.value
        entries[place] = replace(entry, visits=later.simulations, q=value)
        added += later.simulations
    return replace(found, moves=tuple(entries), simulations=found.simulations + added)
