"""Explanations of the network's own numbers: the value, a move's logit, the difference of two, every layer's part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE, method_of
from app.explain.explanation import Attributed, Explanation
from app.explain.targets import Target
from app.models import Model, encode_words, plane_names
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, transform_board

if TYPE_CHECKING:
    from lrp import Relevance

POLICY, VALUE = 0, 1  # positions among the network's outputs
ONE: Final = torch.ones(1, dtype=torch.float64)  # the weight of one sample


def explain_many(
    model: Model,
    boards: Sequence[Board],
    targets: Sequence[Target],
    *,
    composite: str = DEFAULT_COMPOSITE,
    bias: str = DEFAULT_BIAS,
    layers: bool = False,
    symmetric: bool = False,
) -> list[Explanation]:
    """Explanations of many positions in one batch; the targets are all `value` or all `policy`, one a position.

    symmetric: explain the mean of the target over the board's eight symmetries instead, with the maps turned back.
    """
    if model.size != boards[0].size:
        raise ParseError(
            f"a {boards[0].size}×{boards[0].size} board, but the checkpoint plays {model.size}×{model.size}"
        )
    turns = SYMMETRIES if symmetric else SYMMETRIES[:1]
    images, asked = [], []
    for board, target in zip(boards, targets):
        images += [transform_board(board, turn) for turn in turns]
        asked += [target.turned(turn) for turn in turns]
    relevance = attribute(model, planes_of(model, images), asked, composite, bias)
    weighted = _weighted(model) if layers else None
    evenly = torch.full((len(turns),), 1 / len(turns), dtype=torch.float64)
    found = []
    for place, (board, target) in enumerate(zip(boards, targets)):
        about = labels(model, board, target, composite, bias)
        rows = slice(place * len(turns), (place + 1) * len(turns))
        found.append(
            Explanation.of(
                relevance, evenly, rows=rows, layers=weighted, symmetric=symmetric, **about
            )
        )
    return found


def labels(model: Model, board: Board, target: Target, composite: str, bias: str) -> dict[str, Any]:
    """What `Explanation.of` and `Explanation.zero` want to know besides numbers."""
    return {
        "names": plane_names(model),
        "board": board,
        "target": target,
        "composite": composite,
        "bias_mode": bias,
        "checkpoint": model.sha256,
    }


def planes_of(model: Model, boards: Sequence[Board]) -> Tensor:
    """The network's input [B, C, N, N] for these positions."""
    own = np.array([board.own for board in boards], np.uint64)
    opp = np.array([board.opp for board in boards], np.uint64)
    return encode_words(model, own, opp)


def attribute(
    model: Model, planes: Tensor, targets: Sequence[Target], composite: str, bias: str
) -> Relevance | Attributed:
    """The relevance of a batch whose targets are all values or all policy logits (or differences of them)."""
    method = method_of(model, composite, bias)
    if targets[0].kind == "value":
        return method.attribute(planes, None, output=VALUE, layers=True)
    moves = torch.tensor([target.action for target in targets])
    if all(target.against is None for target in targets):
        return method.attribute(planes, moves, output=POLICY, layers=True)
    others = torch.tensor(
        [target.action if target.against is None else target.against for target in targets]
    )
    sign = torch.tensor([0.0 if target.against is None else -1.0 for target in targets])

    def difference(logits: Tensor) -> Tensor:
        first = logits.gather(1, moves[:, None]) + sign[:, None] * logits.gather(1, others[:, None])
        return first[:, 0]

    return method.attribute(planes, difference, output=POLICY, layers=True)


def _weighted(model: Model) -> tuple[str, ...]:
    """The names of the layers that a rule applies to."""
    modules = model.network.named_modules()
    return tuple(name for name, part in modules if isinstance(part, (nn.Conv2d, nn.Linear)))
