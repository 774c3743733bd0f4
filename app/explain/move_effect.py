"""What a move changes: the value after it minus the value before it, both for the side that moves, square by square."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.explain.explanation import Explanation
from app.explain.network import explain_many
from app.explain.targets import Target
from app.models import Model
from othello.errors import ParseError
from othello.rules.board import Board


@dataclass(frozen=True)
class Change:
    """Both values and their difference; `after` is from its own side to move, `sign` turns it to the mover's view."""

    before: Explanation
    after: Explanation
    sign: int
    change: Explanation


def explain_change(
    model: Model, board: Board, action: int, *, composite: str, bias: str, symmetric: bool = False
) -> Change:
    """Explain the value before and after `action`; ParseError where the game ends with it.

    symmetric: both values and maps are means over the board's eight symmetries.
    """
    target = Target("change", action, size=board.size)
    target.check(board)
    later = board.play(action)
    if later.must_pass:
        later = later.pass_turn()
    if later.is_over:
        raise ParseError(
            f"target {target}: the game ends with that move, so no network value follows it"
        )
    value = Target("value", size=board.size)
    before, after = explain_many(
        model,
        [board, later],
        [value, value],
        composite=composite,
        bias=bias,
        symmetric=symmetric,
    )
    sign = 1 if later.side == board.side else -1
    seen = after if sign > 0 else after.mirrored()
    change = replace(seen - before, board=board, target=target, since=before.value)
    return Change(before, after, sign, change)
