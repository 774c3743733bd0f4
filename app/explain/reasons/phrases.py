"""What a fact says of a move, as the end of a sentence that begins with "it"; numbers as they are for the move."""

from __future__ import annotations

from collections.abc import Iterable

from app.explain.reasons.facts import nearest_corner
from app.explain.reasons.weights import Weight
from othello.rules.board import Board
from othello.rules.notation import square_name


def phrase(weight: Weight, board: Board, move: int) -> str:
    """A fact of a move in words, for or against it as the fact claims."""
    size, pro = board.size, weight.claim > 0
    own, other = ("black", "white") if board.side == "X" else ("white", "black")
    gained = [square for square in weight.squares if square not in weight.rival_squares]
    missed = [square for square in weight.rival_squares if square not in weight.squares]
    mine, theirs = names(gained or weight.squares, size), names(missed, size)
    home = names((nearest_corner(s, size) for s in weight.squares or weight.rival_squares), size)
    shut = f"keeps {other} out of {mine}"
    if move in weight.squares:
        shut = f"takes {mine} before {other} can"
    away = f"stays off {theirs} beside the empty {home}"
    said = {
        "takes_corner": (f"takes the corner {mine}", f"leaves the corner {theirs}"),
        "gives_corner": (f"keeps {theirs} closed", f"gives {other} {mine}"),
        "closes_corner": (f"closes {mine} to {other}", f"leaves {theirs} open to {other}"),
        "threatens": (f"threatens {mine}", f"does not threaten {theirs}"),
        "keeps_out": (shut, ""),
        "lets_in": ("", f"lets {other} in at {mine}"),
        "opens": (f"opens {mine} to {own}", ""),
        "spares": (f"leaves {mine} to {other}", ""),
        "overturns": ("", f"turns {mine}"),
        "wedge": (f"wedges in at {mine}", f"leaves the wedge at {theirs}"),
        "anchors_edge": (
            f"anchors {mine} on the edge",
            f"does not anchor {theirs} on the edge",
        ),
        "breaks_edge": (
            f"breaks {other}'s edge at {mine}",
            f"leaves {other}'s edge whole at {theirs}",
        ),
        "parity": ("plays into an odd region", "plays into an even region"),
        "pass": (f"makes {other} pass", f"lets {other} move"),
        "wipe_out": (
            f"does not lose every disc to {theirs}",
            f"loses every disc to {mine}",
        ),
        "x_square": (away, f"plays beside the empty {home}"),
        "c_square": (away, f"plays beside the empty {home}"),
    }
    if weight.name in said:
        return said[weight.name][0 if pro else 1]
    return _number(weight, board, own, other)


def _number(weight: Weight, board: Board, own: str, other: str) -> str:
    """A fact that is a number for the move and for its rival."""
    value, rival = weight.value or 0, weight.rival_value or 0
    if weight.name == "mobility":
        return f"leaves {other} {counted(value, 'move')} instead of {rival or 'none'}"
    if weight.name == "own_mobility":
        return f"leaves {own} {counted(value, 'move')} of its own instead of {rival or 'none'}"
    if weight.name == "frontier":
        return f"leaves {own} {counted(value, 'frontier disc')} instead of {rival or 'none'}"
    if weight.name == "stable":
        return f"gives {own} {counted(value, 'stable disc')} instead of {rival or 'none'}"
    sign = 1 if board.side == "X" else -1
    ends = [f"{sign * number:+d}".replace("-", "−") for number in (value, rival)]
    return f"ends at {ends[0]} with best play instead of {ends[1]}"


def names(squares: Iterable[int], size: int) -> str:
    """Squares in words.

    >>> names([0, 7, 63], 8)
    'a1, h1 and h8'
    """
    found = [square_name(square, size) for square in dict.fromkeys(squares)]
    return found[0] if len(found) == 1 else " and ".join((", ".join(found[:-1]), *found[-1:]))


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "move"), counted(0, "move"), counted(7, "move")
    ('1 move', 'no move', '7 moves')
    """
    return f"no {what}" if number == 0 else f"{number} {what}{'s' if number > 1 else ''}"
