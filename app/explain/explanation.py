"""`Explanation`: where one number comes from, square by square, as an element of a vector space.

target = squares + bias + stabilizer (+ given, what no map can show) + closure (rounding).  Relevance is linear in what
it starts from, so the explanation of a sum is the sum of the explanations: differences, means over a search tree and
means over symmetries are written with + and ·.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.explain.targets import Target
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, action_map

if TYPE_CHECKING:
    from lrp import Relevance

Map = NDArray[np.float64]
OTHER_SIDE: Final = {  # planes that change places when the other side looks at them
    "own": "opponent",
    "opponent": "own",
    "legal": "opponent_legal",
    "opponent_legal": "legal",
}
_NUMBERS: Final = ("value", "squares", "stabilizer")
_FAMILIES: Final = ("planes", "bias", "bias_maps", "given", "layers")  # numbers or maps by name


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

    def __add__(self, other: LayerAccount) -> LayerAccount:
        return LayerAccount(
            self.name,
            self.relevance + other.relevance,
            self.bias + other.bias,
            self.stabilizer + other.stabilizer,
            self.closure + other.closure,
            self.weights or other.weights,
        )

    def __rmul__(self, factor: float) -> LayerAccount:
        return replace(
            self,
            relevance=factor * self.relevance,
            bias=factor * self.bias,
            stabilizer=factor * self.stabilizer,
            closure=factor * self.closure,
        )


@dataclass(frozen=True)
class Attributed:
    """What a method that propagates no relevance says of a batch, in the fields that an explanation reads."""

    inputs: tuple[Tensor, ...]  # scores [B, C, N, N] of the planes
    target: Tensor  # [B]
    stabilizer: dict[str, Tensor]  # [B], what its steps leave over
    given: dict[str, Tensor]  # [B], what it puts on no square
    bias: dict[str, Tensor] = field(default_factory=dict)
    layers: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """Where the value of one target comes from; maps are [N, N], row 0 on top, all from the side to move's view.

    They add up and are multiplied by numbers, part by part; a sum keeps the first one's board, target and rules.
    """

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
    given: dict[str, float] = field(default_factory=dict)
    """Shares that no position's map explains: "solved", of finished or solved positions below a searched move, "even
    prior", what every move would get of the exploration bonus, and what `rivals` put on no square."""
    layers: dict[str, Map] = field(default_factory=dict)
    """Relevance at layers that lie on squares, if asked for."""
    accounts: tuple[LayerAccount, ...] = ()  # every layer's, from the input to the output, if asked
    leaves: int = 0  # positions a searched target was averaged over
    symmetric: bool = False  # value and maps are means over the board's eight symmetries
    since: float = 0.0  # the value from which a change counts

    @classmethod
    def zero(cls, names: tuple[str, ...], **about: Any) -> Self:
        """Nothing, in maps of the planes `names`; about: board, target, composite, bias_mode and checkpoint."""
        empty = np.zeros((about["board"].size, about["board"].size))
        return cls(
            value=0.0,
            squares=empty,
            planes=dict.fromkeys(names, empty),
            bias={},
            bias_maps={},
            stabilizer=0.0,
            **about,
        )

    @classmethod
    def of(
        cls,
        relevance: Relevance | Attributed,
        weights: Tensor,
        names: tuple[str, ...],
        *,
        rows: slice | Tensor = slice(None),
        layers: tuple[str, ...] | None = None,
        symmetric: bool = False,
        **about: Any,
    ) -> Self:
        """Σ weights[b] · the explanation of sample b, over the chosen rows of a batch; weights is [rows] in float64.

        names: of the input planes.  layers: names of those with weights, if maps and accounts of layers are wanted.
        symmetric: the rows are the board's eight images, whose maps are turned back.  about: as for `zero`.
        """

        def total(tensor: Tensor) -> Tensor:
            chosen = tensor[rows].double()
            if symmetric and on_squares(chosen, side):
                chosen = _turned_back(chosen)
            summed: Tensor = torch.tensordot(weights, chosen, 1)
            return summed

        side = about["board"].size
        received = total(relevance.inputs[0]).numpy()
        kept = {name: total(tensor) for name, tensor in relevance.bias.items()}
        spatial = [name for name, tensor in relevance.bias.items() if on_squares(tensor, side)]
        return cls(
            value=float(total(relevance.target)),
            squares=received.sum(0),
            planes=dict(zip(names, received)),
            bias={name: float(tensor.sum()) for name, tensor in kept.items()},
            bias_maps={name: kept[name].sum(0).numpy() for name in spatial},
            stabilizer=float(sum(map(total, relevance.stabilizer.values()))),
            symmetric=symmetric,
            **_more(relevance, total, side, layers),
            **about,
        )

    def __add__(self, other: Explanation) -> Self:
        parts: dict[str, Any] = {
            name: getattr(self, name) + getattr(other, name) for name in (*_NUMBERS, "leaves")
        }
        for name in _FAMILIES:
            parts[name] = _added(getattr(self, name), getattr(other, name))
        accounts = _added(_by_name(self.accounts), _by_name(other.accounts))
        return replace(self, **parts, accounts=tuple(accounts.values()))

    def __rmul__(self, factor: float) -> Self:
        parts: dict[str, Any] = {name: factor * getattr(self, name) for name in _NUMBERS}
        for name in _FAMILIES:
            parts[name] = {part: factor * kept for part, kept in getattr(self, name).items()}
        return replace(self, **parts, accounts=tuple(factor * one for one in self.accounts))

    def __neg__(self) -> Self:
        return -1.0 * self

    def __sub__(self, other: Explanation) -> Self:
        return self + -other

    def mirrored(self) -> Self:
        """The same for the other side: what speaks for one speaks against the other, whose own discs these are."""
        planes = {
            name: self.planes.get(OTHER_SIDE.get(name, name), plane)
            for name, plane in self.planes.items()
        }
        return -replace(self, planes=planes)

    @property
    def bias_squares(self) -> Map:
        """The bias relevance that has a square, [N, N]."""
        return sum(self.bias_maps.values(), np.zeros((self.board.size, self.board.size)))

    @property
    def bias_total(self) -> float:
        """All bias relevance, with or without a square."""
        return float(sum(self.bias.values()))

    @property
    def exact(self) -> float:
        """The share of finished or solved positions below a searched move."""
        return self.given.get("solved", 0.0)

    @property
    def given_total(self) -> float:
        """All that is given."""
        return float(sum(self.given.values()))

    @property
    def closure(self) -> float:
        """What the ledger leaves unexplained: rounding."""
        total = float(self.squares.sum())
        return self.value - total - self.bias_total - self.stabilizer - self.given_total

    @property
    def size(self) -> float:
        """Σ|R|: the absolute relevance of squares, biases, stabilizer and what is given."""
        kept = [*self.bias.values(), self.stabilizer, *self.given.values()]
        return float(np.abs(self.squares).sum()) + sum(map(abs, kept))

    @property
    def bias_share(self) -> float:
        """|bias| as a share of |squares| + |bias| + |stabilizer| + |given|, each summed with sign, in [0, 1]."""
        parts = [float(self.squares.sum()), self.bias_total, self.stabilizer, self.given_total]
        whole = sum(map(abs, parts))
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
            "symmetric": self.symmetric,
            "given": dict(self.given),
            **({"leaves": self.leaves} if self.leaves else {}),
        }


def on_squares(relevance: Tensor, side: int) -> bool:
    """Whether a tensor [B, K, N, N] has a unit, or several, on every square of the board."""
    return relevance.dim() == 4 and tuple(relevance.shape[2:]) == (side, side)


def _turned_back(images: Tensor) -> Tensor:
    """Maps [8, K, N, N] of a board's eight images, each turned back to the board's own."""
    side = images.shape[-1]
    places = np.stack([action_map(symmetry, side)[:-1] for symmetry in SYMMETRIES])
    index = torch.from_numpy(places)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).reshape(images.shape)


def _added(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The sums of two families of numbers, maps or accounts; a part that one does not have is nothing."""
    both = {name: part + theirs[name] if name in theirs else part for name, part in mine.items()}
    return {**theirs, **both}


def _by_name(accounts: tuple[LayerAccount, ...]) -> dict[str, LayerAccount]:
    return {account.name: account for account in accounts}


def _more(
    relevance: Relevance | Attributed,
    total: Callable[[Tensor], Tensor],
    side: int,
    layers: tuple[str, ...] | None,
) -> dict[str, Any]:
    """What is given, of a method without rules; else the maps and accounts of layers if they are wanted."""
    if isinstance(relevance, Attributed):
        return {"given": {name: float(total(part)) for name, part in relevance.given.items()}}
    if layers is None:
        return {}
    return {
        "layers": _layer_maps(relevance, total, side),
        "accounts": _accounts(relevance, total, layers),
    }


def _layer_maps(
    relevance: Relevance, total: Callable[[Tensor], Tensor], side: int
) -> dict[str, Map]:
    return {
        name: total(tensor).sum(0).numpy()
        for name, tensor in relevance.layers.items()
        if on_squares(tensor, side)
    }


def _accounts(
    relevance: Relevance, total: Callable[[Tensor], Tensor], weighted: tuple[str, ...]
) -> tuple[LayerAccount, ...]:
    def number(tensor: Tensor | None) -> float:
        return 0.0 if tensor is None else float(total(tensor).sum())

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
