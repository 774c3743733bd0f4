"""Explanations of a position: relevance per square, the bias map and the ledger that adds up to the target.

target = squares + bias + stabilizer (+ exact, the share of solved positions, after a search) + closure (rounding)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.explain.targets import Target
from othello.errors import ParseError
from othello.network.encoding import PLANE_NAMES, encode
from othello.rules.board import Board

if TYPE_CHECKING:
    from app.models import Model
    from lrp import Relevance

Map = NDArray[np.float64]
POLICY, VALUE = 0, 1  # positions among the network's outputs
OTHER_SIDE = {
    "own": "opponent",
    "opponent": "own",
    "legal": "opponent_legal",
    "opponent_legal": "legal",
}  # planes


@dataclass(frozen=True)
class LayerAccount:
    """One layer's part of the ledger: ΣR at its output, what its bias and its stabilizer keep, and what is left over.

    `closure` is the rounding of ΣR = what goes on + bias + stabilizer; `weights` says whether a rule applies here.
    """

    name: str
    relevance: float
    bias: float
    stabilizer: float
    closure: float
    weights: bool


@dataclass(frozen=True)
class Explanation:
    """Where the value of one target comes from; maps are [N, N], row 0 on top, all from the side to move's view."""

    board: Board
    target: Target
    value: float  # of the target
    squares: Map
    planes: dict[str, Map]  # adds up to squares
    bias: dict[str, float]  # every layer's bias relevance
    bias_maps: dict[str, Map]  # of the layers whose units lie on squares, summed over channels
    stabilizer: float
    composite: str
    bias_mode: str
    checkpoint: str  # SHA-256 of the weights
    exact: float = 0.0  # share of finished or solved positions below a searched move
    layers: dict[str, Map] = field(
        default_factory=dict
    )  # relevance at layers that lie on squares, if asked for
    accounts: tuple[
        LayerAccount, ...
    ] = ()  # of every layer from the input to the output, if asked for
    leaves: int = 0  # positions a searched target was averaged over

    @property
    def bias_squares(self) -> Map:
        """The bias relevance that has a square, [N, N]."""
        return sum(self.bias_maps.values(), np.zeros((self.board.size, self.board.size)))

    @property
    def bias_total(self) -> float:
        """All bias relevance, with or without a square."""
        return float(sum(self.bias.values()))

    @property
    def closure(self) -> float:
        """What the ledger leaves unexplained: rounding."""
        return (
            self.value - float(self.squares.sum()) - self.bias_total - self.stabilizer - self.exact
        )

    @property
    def size(self) -> float:
        """Σ|R|: the absolute relevance of squares, biases, stabilizer and solved positions."""
        bias = sum(abs(number) for number in self.bias.values())
        return float(np.abs(self.squares).sum()) + bias + abs(self.stabilizer) + abs(self.exact)

    @property
    def bias_share(self) -> float:
        """|bias| as a share of |squares| + |bias| + |stabilizer| + |exact|, each summed with sign, in [0, 1]."""
        parts = [float(self.squares.sum()), self.bias_total, self.stabilizer, self.exact]
        whole = sum(abs(part) for part in parts)
        return abs(self.bias_total) / whole if whole else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON wants it."""
        return {
            "target": self.value,
            "squares": self.squares.tolist(),
            "planes": {name: plane.tolist() for name, plane in self.planes.items()},
            "bias": dict(self.bias),
            "bias_squares": self.bias_squares.tolist(),
            "stabilizer": self.stabilizer,
            "closure": self.closure,
            "exact": self.exact,
            "of": str(self.target),
            "position": str(self.board),
            "composite": self.composite,
            "bias_mode": self.bias_mode,
            "bias_share": self.bias_share,
            "checkpoint": self.checkpoint,
            **({"leaves": self.leaves} if self.leaves else {}),
        }


def explain(
    model: Model,
    board: Board,
    target: Target | str = "value",
    *,
    composite: str = DEFAULT_COMPOSITE,
    bias: str = DEFAULT_BIAS,
    simulations: int = 100,
    layers: bool = False,
) -> Explanation:
    """Explain one target of one position; `simulations` are spent where the target is a Q after search.

    Raises ParseError for a target that does not fit the position, LRPError for an unknown composite or bias mode.
    """
    target = Target.parse(target, board.size) if isinstance(target, str) else target
    target.check(board)
    if target.kind == "q":
        from app.explain.search import explain_search

        return explain_search(model, board, target, simulations, composite=composite, bias=bias)
    if target.kind == "change":
        from app.explain.move_effect import explain_change

        assert target.action is not None
        return explain_change(model, board, target.action, composite=composite, bias=bias).change
    return explain_many(model, [board], [target], composite=composite, bias=bias, layers=layers)[0]


def explain_many(
    model: Model,
    boards: Sequence[Board],
    targets: Sequence[Target],
    *,
    composite: str = DEFAULT_COMPOSITE,
    bias: str = DEFAULT_BIAS,
    layers: bool = False,
) -> list[Explanation]:
    """Explanations of many positions in one batch; the targets are all `value` or all `policy`, one a position."""
    if model.size != boards[0].size:
        raise ParseError(
            f"a {boards[0].size}×{boards[0].size} board, but the checkpoint plays {model.size}×{model.size}"
        )
    relevance = attribute(model, planes_of(model, boards), targets, composite, bias)
    return [
        _one(model, relevance, row, board, target, composite, bias, layers)
        for row, (board, target) in enumerate(zip(boards, targets))
    ]


def planes_of(model: Model, boards: Sequence[Board]) -> Tensor:
    """The network's input [B, C, N, N] for these positions."""
    own = np.array([board.own for board in boards], np.uint64)
    opp = np.array([board.opp for board in boards], np.uint64)
    return encode_words(model, own, opp)


def encode_words(model: Model, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Tensor:
    """As `planes_of`, from words [B]; a foreign network brings its own encoding."""
    foreign = getattr(model.network, "encode", None)
    planes = (
        foreign(own, opp)
        if foreign
        else encode(own, opp, model.size, model.network.architecture.planes)
    )
    return torch.from_numpy(np.ascontiguousarray(planes))


def plane_names(model: Model) -> tuple[str, ...]:
    """The names of the network's input planes."""
    return (
        ("discs",)
        if hasattr(model.network, "encode")
        else PLANE_NAMES[: model.network.architecture.planes]
    )


def attribute(
    model: Model, planes: Tensor, targets: Sequence[Target], composite: str, bias: str
) -> Relevance:
    """The relevance of a batch whose targets are all values or all policy logits (or differences of them)."""
    explainer = model.explainer(composite, bias)
    if targets[0].kind == "value":
        return explainer.attribute(planes, None, output=VALUE)
    moves = torch.tensor([target.action for target in targets])
    if all(target.against is None for target in targets):
        return explainer.attribute(planes, moves, output=POLICY)
    others = torch.tensor(
        [target.action if target.against is None else target.against for target in targets]
    )
    sign = torch.tensor([0.0 if target.against is None else -1.0 for target in targets])

    def difference(logits: Tensor) -> Tensor:
        first = logits.gather(1, moves[:, None]) + sign[:, None] * logits.gather(1, others[:, None])
        return first[:, 0]

    return explainer.attribute(planes, difference, output=POLICY)


def on_squares(relevance: Tensor, side: int) -> bool:
    """Whether a tensor [B, K, N, N] has a unit, or several, on every square of the board."""
    return relevance.dim() == 4 and tuple(relevance.shape[2:]) == (side, side)


def _one(
    model: Model,
    relevance: Relevance,
    row: int,
    board: Board,
    target: Target,
    composite: str,
    bias: str,
    layers: bool,
) -> Explanation:
    received = relevance.inputs[0][row].double().numpy()
    kept = {name: tensor[row].double() for name, tensor in relevance.bias.items()}
    spatial = {name for name, tensor in relevance.bias.items() if on_squares(tensor, board.size)}
    return Explanation(
        board=board,
        target=target,
        value=float(relevance.target[row]),
        squares=received.sum(0),
        planes={name: received[index] for index, name in enumerate(plane_names(model))},
        bias={name: float(tensor.sum()) for name, tensor in kept.items()},
        bias_maps={name: kept[name].sum(0).numpy() for name in kept if name in spatial},
        stabilizer=float(sum(tensor[row].double() for tensor in relevance.stabilizer.values())),
        composite=composite,
        bias_mode=bias,
        checkpoint=model.sha256,
        layers={
            name: tensor[row].double().sum(0).numpy()
            for name, tensor in relevance.layers.items()
            if on_squares(tensor, board.size)
        }
        if layers
        else {},
        accounts=_accounts(model, relevance, row) if layers else (),
    )


def _accounts(model: Model, relevance: Relevance, row: int) -> tuple[LayerAccount, ...]:
    weighted = {
        name
        for name, module in model.network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }

    def number(tensor: Tensor | None) -> float:
        return 0.0 if tensor is None else float(tensor[row].double().sum())

    return tuple(
        LayerAccount(
            name,
            number(tensor),
            number(relevance.bias.get(name)),
            number(relevance.stabilizer.get(name)),
            number(relevance.closure_of(name)),
            name in weighted or name in relevance.bias,
        )
        for name, tensor in relevance.layers.items()
    )
