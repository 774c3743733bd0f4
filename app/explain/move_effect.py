"""What a move changes: the value after it minus the value before it, both for the side that moves, square by square.

Relevance is linear in what it starts from, so the difference of the two maps adds up to the difference of the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.explain.network import OTHER_SIDE, Explanation, Map, explain_many
from app.explain.targets import Target
from othello.errors import ParseError
from othello.rules.board import Board

if TYPE_CHECKING:
    from app.models import Model


@dataclass(frozen=True)
class Change:
    """Both values and their difference; `after` is from its own side to move, `sign` turns it to the mover's view."""

    before: Explanation
    after: Explanation
    sign: int
    change: Explanation


def explain_change(model: Model, board: Board, action: int, *, composite: str, bias: str) -> Change:
    """Explain the value before and after `action`; ParseError where the game ends with it."""
    target = Target("change", action, size=board.size)
    target.check(board)
    later = board.play(action)
    if later.must_pass:
        later = later.pass_turn()
    if later.is_over:
        raise ParseError(
            f"target {target}: the game ends with that move, so no network value follows it"
        )
    sign = 1 if later.side == board.side else -1
    value = Target("value", size=board.size)
    before, after = explain_many(
        model, [board, later], [value, value], composite=composite, bias=bias
    )

    def name_of(plane: str) -> str:
        return OTHER_SIDE.get(plane, plane) if sign < 0 else plane

    def difference(new: Mapping[str, float], old: Mapping[str, float]) -> dict[str, float]:
        return {name: sign * new.get(name, 0.0) - old.get(name, 0.0) for name in {**old, **new}}

    maps: dict[str, Map] = {
        name: sign * after.bias_maps[name] - before.bias_maps[name]
        for name in before.bias_maps.keys() & after.bias_maps
    }
    change = Explanation(
        board=board,
        target=target,
        value=sign * after.value - before.value,
        squares=sign * after.squares - before.squares,
        planes={
            name: sign * after.planes.get(name_of(name), after.planes[name]) - before.planes[name]
            for name in before.planes
        },
        bias=difference(after.bias, before.bias),
        bias_maps=maps,
        stabilizer=sign * after.stabilizer - before.stabilizer,
        composite=composite,
        bias_mode=bias,
        checkpoint=model.sha256,
    )
    return Change(before, after, sign, change)
