"""One question, one answer: the explanation of any target of a position."""

from __future__ import annotations

from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.explain.explanation import Explanation
from app.explain.move_effect import explain_change
from app.explain.network import explain_many
from app.explain.search import explain_search
from app.explain.targets import Target
from app.models import Model
from othello.rules.board import Board


def explain(
    model: Model,
    board: Board,
    target: Target | str = "value",
    *,
    composite: str = DEFAULT_COMPOSITE,
    bias: str = DEFAULT_BIAS,
    simulations: int = 100,
    layers: bool = False,
    symmetric: bool = True,
) -> Explanation:
    """Explain one target of one position; `simulations` are spent where the target is a Q after search.

    symmetric: value, policy and change are means over the board's eight symmetries, so that squares which the rules of
    the game do not tell apart get equal relevance; a Q is that of the one tree either way.
    Raises ParseError for a target that does not fit the position, LRPError for an unknown composite or bias mode.
    """
    target = Target.parse(target, board.size) if isinstance(target, str) else target
    target.check(board)
    if target.kind == "q":
        return explain_search(model, board, target, simulations, composite=composite, bias=bias)
    if target.kind == "change":
        assert target.action is not None
        return explain_change(
            model, board, target.action, composite=composite, bias=bias, symmetric=symmetric
        ).change
    return explain_many(
        model,
        [board],
        [target],
        composite=composite,
        bias=bias,
        layers=layers,
        symmetric=symmetric,
    )[0]
