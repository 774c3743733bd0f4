"""Facts of a move: numbers that the rules decide, each with the squares it is about.

For a board `b` with side to move `s`, its opponent `o` and a legal move: "after" is the position with `o` to move,
forced passes not yet made.  Squares are r·N + c, ascending.  A fact that does not hold has the value 0 and no squares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from othello.rules.board import Board, squares_of

DIRECTIONS: Final = tuple((dr, dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if dr or dc)
AXES: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
Squares = tuple[int, ...]


@dataclass(frozen=True)
class Fact:
    """What is so after a move: a number (None where nobody knows it) and the squares it is about."""

    value: int | None
    squares: Squares = ()

    @classmethod
    def count(cls, squares: Squares) -> Fact:
        """The fact whose value is the number of its squares."""
        return cls(len(squares), squares)


def seen_by_other(board: Board) -> Board:
    """The same discs as if the other side were to move."""
    return Board(board.black, board.white, "O" if board.side == "X" else "X", board.size)


def corners(size: int) -> Squares:
    """The four corner squares."""
    return (0, size - 1, size * size - size, size * size - 1)


def neighbours(square: int, size: int) -> Squares:
    """The up to 8 squares around a square."""
    row, column = divmod(square, size)
    around = ((row + dr, column + dc) for dr, dc in DIRECTIONS)
    return tuple(sorted(r * size + c for r, c in around if 0 <= r < size and 0 <= c < size))


def nearest_corner(square: int, size: int) -> int:
    """The corner of a square's quarter of the board."""
    row, column = divmod(square, size)
    return (size - 1) * (size * (row >= size // 2) + (column >= size // 2))


def region_kind(square: int, size: int) -> str:
    """`corner`, `X` (diagonal to a corner), `C` (beside one on the edge), `edge` or `inside`.

    >>> [region_kind(square, 8) for square in (0, 9, 1, 2, 27)]
    ['corner', 'X', 'C', 'edge', 'inside']
    """
    row, column = divmod(square, size)
    down, across = min(row, size - 1 - row), min(column, size - 1 - column)
    names = {(0, 0): "corner", (1, 1): "X", (0, 1): "C"}
    near = (min(down, across), max(down, across))
    return names.get(near, "edge" if near[0] == 0 else "inside")


def takes_corner(board: Board, move: int) -> Fact:
    """1 if the move is a corner; the move."""
    return _of_move(move, move in corners(board.size))


def gives_corner(board: Board, move: int) -> Fact:
    """Corners that `o` may take after the move and could not on `b`, had it been its turn."""
    return Fact.count(_opened(seen_by_other(board), board.play(move)))


def threatens(board: Board, move: int) -> Fact:
    """Corners that `s` could take after the move, were it to move again, and could not on `b`."""
    return Fact.count(_opened(board, seen_by_other(board.play(move))))


def closes_corner(board: Board, move: int) -> Fact:
    """Corners that `o` could have taken on `b`, had it been its turn, still empty but closed to it after the move."""
    return Fact.count(_opened(board.play(move), seen_by_other(board), but=move))


def _opened(before: Board, after: Board, but: int = -1) -> Squares:
    """Corners legal on `after` and not on `before`."""
    new = set(after.legal_moves()) - set(before.legal_moves()) - {but}
    return tuple(square for square in corners(after.size) if square in new)


def mobility(board: Board, move: int) -> Fact:
    """The moves of `o` after the move."""
    return Fact.count(board.play(move).legal_moves())


def own_mobility(board: Board, move: int) -> Fact:
    """The moves of `s` on the board after the move, as if it were to move again."""
    return Fact.count(seen_by_other(board.play(move)).legal_moves())


def frontier(board: Board, move: int) -> Fact:
    """Discs of `s` with an empty square beside them after the move."""
    after, size = board.play(move), board.size
    empty = set(range(size * size)) - set(squares_of(after.black | after.white, size))
    own = squares_of(after.opp, size)
    return Fact.count(tuple(disc for disc in own if empty.intersection(neighbours(disc, size))))


def stable(board: Board, move: int) -> Fact:
    """Discs of `s` after the move that no line of play can turn, by the usual lower bound (see `stable_discs`)."""
    after = board.play(move)
    return Fact.count(stable_discs(seen_by_other(after)))


def stable_discs(board: Board) -> Squares:
    """Discs of the side to move that are safe along every axis.

    An axis is safe where its line is full, where the disc lies at its end, or where a stable disc of the same side is
    next to it.  A lower bound: some discs that cannot be turned either are not found.
    """
    size, own = board.size, set(squares_of(board.own, board.size))
    taken = set(squares_of(board.black | board.white, size))
    loose = {disc: _open_axes(disc, taken, size) for disc in own}
    found: set[int] = set()
    grown = True
    while grown:
        safe = {disc for disc in loose if all(found.intersection(ends) for ends in loose[disc])}
        grown = safe != found
        found = safe
    return tuple(sorted(found))


def _open_axes(disc: int, taken: set[int], size: int) -> list[Squares]:
    """The disc's two neighbours along every axis that is neither full nor ends at the disc."""
    open_axes: list[Squares] = []
    for down, right in AXES:
        ahead, behind = _ray(disc, down, right, size), _ray(disc, -down, -right, size)
        if ahead and behind and not taken.issuperset(ahead + behind):
            open_axes.append((ahead[0], behind[0]))
    return open_axes


def _ray(square: int, down: int, right: int, size: int) -> Squares:
    """The squares beyond a square in one direction."""
    row, column = square // size + down, square % size + right
    beyond = []
    while 0 <= row < size and 0 <= column < size:
        beyond.append(row * size + column)
        row, column = row + down, column + right
    return tuple(beyond)


def wedge(board: Board, move: int) -> Fact:
    """1 if the move is on an edge between two discs of `o` on that edge, as they lie on `b`; the move."""
    size = board.size
    row, column = divmod(move, size)
    if move in corners(size) or (row not in (0, size - 1) and column not in (0, size - 1)):
        return Fact(0)
    step = 1 if row in (0, size - 1) else size
    return _of_move(move, {move - step, move + step} <= set(squares_of(board.opp, size)))


def anchors_edge(board: Board, move: int) -> Fact:
    """Discs of `s` on an edge, corners apart, that are stable after the move and were not stable discs of `s` on `b`.

    Such a disc stands in an unbroken row of discs of `s` from a corner of `s`, or on an edge without an empty square.
    """
    before, after = stable_discs(board), stable_discs(seen_by_other(board.play(move)))
    gained = set(after) - set(before)
    return Fact.count(tuple(square for square in _edges(board.size) if square in gained))


def breaks_edge(board: Board, move: int) -> Fact:
    """Discs of `o` on an edge that the move turns: nothing but a move on that edge can turn them."""
    turned = set(squares_of(board.opp & board.play(move).opp, board.size))
    return Fact.count(tuple(square for square in _edges(board.size) if square in turned))


def _edges(size: int) -> Squares:
    """The squares of the four edges but the corners."""
    squares = range(size * size)
    return tuple(s for s in squares if len(neighbours(s, size)) == 5)


def parity(board: Board, move: int) -> Fact:
    """1 if the move is in a region of empty squares, connected in 8 directions, of an odd size; the region on `b`."""
    region = empty_region(board, move)
    return Fact(1, region) if len(region) % 2 else Fact(0)


def empty_region(board: Board, square: int) -> Squares:
    """The empty squares connected with an empty square in 8 directions, itself among them."""
    size = board.size
    empty = set(range(size * size)) - set(squares_of(board.black | board.white, size))
    region, todo = {square}, [square]
    while todo:
        new = empty.intersection(neighbours(todo.pop(), size)) - region
        region |= new
        todo.extend(new)
    return tuple(sorted(region))


def forced_pass(board: Board, move: int) -> Fact:
    """1 if `o` has no move after the move while `s` has one."""
    return Fact(int(board.play(move).must_pass))


def wipe_out(board: Board, move: int) -> Fact:
    """1 if `o` has a reply that leaves `s` without discs; those replies."""
    after = board.play(move)
    replies = tuple(reply for reply in after.legal_moves() if not after.play(reply).own)
    return Fact(int(bool(replies)), replies)


def x_square(board: Board, move: int) -> Fact:
    """1 if the move is diagonal to an empty corner; the move."""
    return _of_move(move, _beside_empty_corner(board, move, "X"))


def c_square(board: Board, move: int) -> Fact:
    """1 if the move is on the edge beside an empty corner; the move."""
    return _of_move(move, _beside_empty_corner(board, move, "C"))


def _beside_empty_corner(board: Board, move: int, kind: str) -> bool:
    corner = nearest_corner(move, board.size)
    taken = squares_of(board.black | board.white, board.size)
    return region_kind(move, board.size) == kind and corner not in taken


def _of_move(move: int, holds: bool) -> Fact:
    return Fact(1, (move,)) if holds else Fact(0)


@dataclass(frozen=True)
class FactKind:
    """A kind of fact: what measures it, and whether more of it is better (+1) or worse (−1) for the mover."""

    name: str
    better: int
    measure: Callable[[Board, int], Fact]


KINDS: Final = tuple(
    FactKind(*row)
    for row in (
        ("takes_corner", 1, takes_corner),
        ("gives_corner", -1, gives_corner),
        ("closes_corner", 1, closes_corner),
        ("threatens", 1, threatens),
        ("mobility", -1, mobility),
        ("own_mobility", 1, own_mobility),
        ("frontier", -1, frontier),
        ("stable", 1, stable),
        ("wedge", 1, wedge),
        ("anchors_edge", 1, anchors_edge),
        ("breaks_edge", 1, breaks_edge),
        ("parity", 1, parity),
        ("pass", 1, forced_pass),
        ("wipe_out", -1, wipe_out),
        ("x_square", -1, x_square),
        ("c_square", -1, c_square),
    )
)


def facts_of(board: Board, move: int) -> dict[str, Fact]:
    """Every fact of a legal move but the exact outcome, by name.

    >>> found = facts_of(Board.initial(), 19)
    >>> found["mobility"], found["frontier"].value
    (Fact(value=3, squares=(18, 20, 34)), 4)
    """
    return {kind.name: kind.measure(board, move) for kind in KINDS}
