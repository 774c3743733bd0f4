"""Explanations and values as sentences that claim no more than their numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from app.explain.explanation import Explanation
from app.explain.points import in_points, unit_of
from app.explain.rivals import NOTHING, RIVALS, TOGETHER
from app.explain.targets import Target
from app.present.numbers import fixed, percent, signed
from othello.rules.board import Board
from othello.rules.notation import square_name

SIDES = {"X": "Black", "O": "White"}


def side_word(side: str) -> str:
    """`black` or `white`."""
    return "black" if side == "X" else "white"


def chance_words(value: float | None, side: str) -> str:
    """Black's chance at a value in [−1, 1] for `side` ("X" or "O"); `?` for what was never looked at.

    >>> chance_words(-0.26, "O"), chance_words(None, "X")
    ('63 %', '?')
    """
    if value is None:
        return "?"
    return percent((1 + max(-1.0, min(1.0, value if side == "X" else -value))) / 2)


def value_words(board: Board, value: float, who: str = "Agent") -> str:
    """A value in [−1, 1] for the side to move, as black's chance.

    >>> value_words(Board.initial(), -0.26)
    'Agent: 37 % for black'
    """
    return f"{who}: {chance_words(value, board.side)} for black"


def outcome_words(board: Board) -> str:
    """How a finished game ended.

    >>> outcome_words(Board.parse("X" * 64))
    'Black wins 64–0'
    """
    score, cells = board.score(), board.size**2
    if score == 0:
        return f"A draw, {cells // 2}–{cells // 2}"
    return f"{'Black' if score > 0 else 'White'} wins {(cells + abs(score)) // 2}–{(cells - abs(score)) // 2}"


def explanation_words(explanation: Explanation) -> str:
    """The target, how much of it is the board's and how much is bias, and the squares that weigh most, in words."""
    if _whole(explanation) < 1e-9:
        return headline_words(explanation)
    parts = (_target_words(explanation), account_words(explanation), _heaviest(explanation))
    return " ".join(part for part in parts if part)


def headline_words(explanation: Explanation) -> str:
    """The target and the squares that weigh most, in words."""
    if _whole(explanation) < 1e-9:
        subject = _target_words(explanation).partition(":")[0]
        return f"{subject} is {signed(explanation.value)}: there is nothing to distribute."
    return f"{_target_words(explanation)} {_heaviest(explanation)}".strip()


def players_words(explanation: Explanation) -> str:
    """The target and the squares that weigh most as a player hears them: in per cent, never on the network's scale."""
    if _whole(explanation) < 1e-9:
        return "Nothing speaks for either side: there is nothing to distribute."
    return f"{_players_target(explanation)} {_heaviest(in_points(explanation), plain=True)}".strip()


def account_words(explanation: Explanation, number: Callable[[float], str] = signed) -> str:
    """How much of the target is on the squares, how much biases and stabilizers hold, in words; empty for nothing."""
    whole = _whole(explanation)
    if whole < 1e-9:
        return ""
    squares, bias, solved = (
        float(explanation.squares.sum()),
        explanation.bias_total,
        abs(explanation.exact) / whole,
    )
    said = []
    if explanation.target.kind == "u":
        even = abs(explanation.given["even prior"]) / whole
        said.append(f"{percent(even)} of it any move would get from an even prior.")
    if explanation.leaves and solved > 0.005:
        said.append(f"{percent(solved)} of it comes from positions the search solved.")
        if solved > 0.995:
            return " ".join(said)
    if explanation.composite in RIVALS:
        return " ".join([*said, *_rivals_words(explanation, whole)])
    lost, share = abs(explanation.stabilizer) / whole, abs(bias) / whole
    if not explanation.bias and explanation.bias_mode not in ("sink", "absorb"):
        said.append("Biases were not kept apart: their share is on the squares.")
    elif explanation.bias_mode == "absorb":
        said.append(f"{percent(lost)} went to biases and stabilizers and is not shown.")
    elif squares * bias < 0:
        said.append(
            f"The squares say {number(squares)}, the biases {number(bias)}: they pull in opposite directions."
        )
    elif share >= 0.5:
        said.append(f"{percent(share)} of it is held by biases that this board switches on.")
    else:
        said.append(f"{percent(abs(squares) / whole)} of it is on the squares,")
        said.append(f"{percent(share)} is held by biases that this board switches on.")
    if lost > 0.02 and explanation.bias_mode != "absorb":
        said.append(f"The stabilizers keep {percent(lost)}.")
    return " ".join(said)


def _rivals_words(explanation: Explanation, whole: float) -> list[str]:
    """What a method without rules puts on no square."""
    nothing, together = (
        abs(explanation.given.get(name, 0.0)) / whole for name in (NOTHING, TOGETHER)
    )
    said = [
        f"{percent(nothing)} of it the network says of planes of nothing, too." if nothing else "",
        f"{percent(together)} of it no disc brings about alone." if together else "",
    ]
    return [part for part in said if part]


def _whole(explanation: Explanation) -> float:
    parts = (
        float(explanation.squares.sum()),
        explanation.bias_total,
        explanation.given_total,
        explanation.stabilizer,
    )
    return sum(map(abs, parts))


def _subject(explanation: Explanation) -> str:
    subject = explanation.target.words()
    if explanation.symmetric:
        subject += ", mean of the board's eight symmetries"
    return subject[0].upper() + subject[1:]


def _target_words(explanation: Explanation) -> str:
    side = side_word(explanation.board.side)
    return f"{_subject(explanation)}: {signed(explanation.value)} for {side}."


def _players_target(explanation: Explanation) -> str:
    target, value, side = explanation.target, explanation.value, explanation.board.side
    subject = _subject(explanation)
    if target.kind == "policy" and target.against is not None:
        more, less = (square_name(move, target.size) for move in target.actions)
        more, less = (more, less) if value >= 0 else (less, more)
        times = f"{math.exp(min(abs(value), 7)):.2g}" if abs(value) < 4 else "more than 50"
        return f"{subject}: at first sight {more} is {times} times as likely as {less}."
    if target.kind == "policy":
        return f"{subject}, at first sight."
    if target.kind == "change" or target.against is not None:
        points = in_points(explanation).value
        favoured = side_word(side if points >= 0 else "XO".replace(side, ""))
        return f"{subject}: {abs(points):.1f} points for {favoured}."
    if target.kind == "q":
        return f"{subject}: {chance_words(value, side)} for black."
    return f"{subject}, at first sight: {chance_words(math.tanh(value), side)} for black."


def q_words(q: float | None, digits: int = 2) -> str:
    """A move's Q with its sign, or `?` for a move that the search never visited.

    >>> q_words(-0.126), q_words(None)
    ('−0.13', '?')
    """
    return "?" if q is None else fixed(q, digits)


def _heaviest(explanation: Explanation, count: int = 3, *, plain: bool = False) -> str:
    """The squares with most relevance; `plain` names the side of each instead of a sign, and the unit."""
    relevance = explanation.squares.ravel()
    total = np.abs(relevance).sum()
    if total < 1e-12 or (
        explanation.leaves and abs(explanation.exact) > 0.995 * _whole(explanation)
    ):
        return ""
    low, high = poles(explanation.target, explanation.board.side)
    named = []
    for square in np.argsort(-np.abs(relevance))[:count].tolist():
        weight = float(relevance[square])
        said = f"{abs(weight):.1f} {high if weight > 0 else low}" if plain else signed(weight)
        named.append(f"{square_name(square, explanation.board.size)} ({said})")
    unit = f", in {unit_of(explanation)}" if plain else ""
    return f"Most weight{unit}: {', '.join(named)}."


def poles(target: Target, side: str) -> tuple[str, str]:
    """What relevance below and above 0 speaks for, where `side` ("X" or "O") is to move.

    >>> poles(Target.parse("value"), "O"), poles(Target.parse("policy:c4"), "X")
    (('for black', 'for white'), ("against black's c4", "for black's c4"))
    """
    mover, other = side_word(side), side_word("O" if side == "X" else "X")
    if target.against is None and target.kind in ("value", "q", "change"):
        return f"for {other}", f"for {mover}"
    first, *rest = (f"{mover}'s {square_name(move, target.size)}" for move in target.actions)
    return f"for {rest[0]}" if rest else f"against {first}", f"for {first}"
