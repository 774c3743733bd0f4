"""Concepts: which channels of a layer carry an output over a data set, and which samples show what a channel sees.

Achtibat et al. 2023 (concept relevance propagation): a channel's relevance in a sample is the sum over its positions,
its activation the largest one; reference samples are those where either is largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lrp.errors import InvalidInput, InvalidTarget
from lrp.explainer import LRP
from lrp.propagate import forward
from lrp.result import Relevance
from lrp.targets import Target, channel_dim
from lrp.tracing.calls import Call

CHUNK = 64
"""Samples of a batch that is cut from a tensor of all samples."""


@dataclass(frozen=True)
class References:
    """samples: [K, top] places in the data set, best first (fewer of a smaller one); values: what chose them."""

    samples: Tensor
    values: Tensor


@dataclass(frozen=True)
class Channels:
    """The channels of one layer over a data set of `count` samples: target = Σ relevance + bias + rest.

    relevance: [K], summed over samples and positions, float64. target: the explained values, summed over samples.
    bias: what biases above the layer keep. rest: what stabilizers above it swallow and what passes beside it.
    by_relevance, by_activation: each channel's reference samples.
    """

    explainer: LRP
    layer: str
    explained: Target | str
    output: int | str | None
    count: int
    relevance: Tensor
    target: float
    bias: float
    rest: float
    by_relevance: References
    by_activation: References

    @property
    def ranking(self) -> list[int]:
        """Channels, the most relevant first."""
        return self.relevance.argsort(descending=True, stable=True).tolist()  # type: ignore[no-any-return]

    def map(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        channel: int,
        target: Target = None,
    ) -> Relevance:
        """The relevance of inputs [B, ...] that passes through one channel: where the channel's concept is.

        target: None takes the data set's. Raises InvalidInput, InvalidTarget.
        """
        chosen = self.explained if target is None else target
        if isinstance(chosen, str):
            raise InvalidTarget("the targets came with the data set: give those of these inputs")
        through = {self.layer: [channel]}
        return self.explainer.attribute(inputs, chosen, output=self.output, through=through)


def channels(
    explainer: LRP,
    batches: Iterable[Any] | Tensor,
    layer: str,
    target: Target | str = None,
    *,
    output: int | str | None = None,
    top: int = 8,
) -> Channels:
    """The channels of `layer` [B, K, ...] (sequences: [B, L, K]) ranked over a data set, one batch in memory at a time.

    batches: any iterable, read once; a batch is what `attribute` takes, or a list that begins with it, as data loaders
        give (inputs, labels). A tensor of all samples is cut into batches.
    target: as in `attribute`, or "label": the tensor behind the inputs of each batch.
    top: how many reference samples are kept for each channel.
    Raises InvalidInput (an empty data set too), InvalidTarget.

    >>> import torch, lrp
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    >>> x = torch.rand(100, 4)
    >>> found = lrp.concepts.channels(lrp.LRP(model, "EpsilonPlus", x[:1]), x, "0", target=1, top=3)
    >>> found.by_relevance.samples.shape, found.map(x[found.by_relevance.samples[5]], 5).input.shape
    (torch.Size([6, 3]), torch.Size([3, 4]))
    """
    if top < 1:
        raise InvalidInput(f"top is at least 1, not {top}")
    totals: _Totals | None = None
    for inputs, wanted in _split(explainer, batches, target):
        part = _Part.of(explainer, explainer.checked(inputs), layer, wanted, output)
        totals = _Totals.start(part, top) if totals is None else totals
        totals.add(part)
    if totals is None:
        raise InvalidInput("the data set is empty: no batch came out of it")
    kept = {name: value for name, value in vars(totals).items() if name != "top"}
    return Channels(explainer, layer, target, output, **kept)


def _split(
    explainer: LRP,
    batches: Iterable[Any] | Tensor,
    target: Target | str,
) -> Iterator[tuple[tuple[Tensor, ...], Target]]:
    """The inputs and the target of every batch."""
    if isinstance(target, str) and target != "label":
        raise InvalidTarget(f"a target that comes with the data is called 'label', not {target!r}")
    wanted = len(explainer.graph.inputs)
    for batch in torch.split(batches, CHUNK) if isinstance(batches, Tensor) else batches:
        parts = (batch,) if isinstance(batch, Tensor) else tuple(batch)
        if not isinstance(target, str):
            yield parts[:wanted], target
            continue
        if len(parts) <= wanted:
            raise InvalidTarget(f"a batch of {len(parts)} tensors has no label behind its inputs")
        yield parts[:wanted], parts[wanted]


@dataclass(frozen=True)
class _Part:
    """One batch: relevance and activation [B, K], and the ledger above the layer."""

    relevance: Tensor
    activation: Tensor
    target: float
    bias: float
    rest: float

    @classmethod
    def of(
        cls,
        explainer: LRP,
        call: Call,
        layer: str,
        target: Target,
        output: int | str | None,
    ) -> _Part:
        result = explainer.attribute(call, target, output=output, layers=True)
        plan = explainer.plan(call, output)
        program = plan.program
        index = program.names.get(layer, -1)
        node = program.graph.nodes[index]
        if index < 0 or node.name not in result.layers:
            known = ", ".join(result.layers)
            raise InvalidTarget(f"no relevance reaches a layer {layer!r}; layers: {known}")
        r = result.layers[node.name]
        with torch.no_grad():
            value = forward(program, program.path((index,)), call.tensors, plan.layouts).values[
                index
            ]
        if r.dim() < 2 or len(r) != len(result.target):
            raise InvalidTarget(f"{layer!r} has no channels: its output is {list(r.shape)}")
        dim = channel_dim(node, r)
        each = r.movedim(dim, 1).flatten(2).double() if r.dim() > 2 else r[..., None].double()
        seen = value.movedim(dim, 1).flatten(2) if r.dim() > 2 else value[..., None]
        above = [name for name in result.bias if program.names[name] > index]
        bias = sum(float(result.bias_of(name).double().sum()) for name in above)
        arrived = result.input_total + result.bias_total + result.stabilizer_total
        rest = float(arrived.double().sum()) - bias - float(each.sum())
        value_of_target = float(result.target.double().sum())
        return cls(each.sum(2).cpu(), seen.amax(2).double().cpu(), value_of_target, bias, rest)


@dataclass
class _Totals:
    """What is kept of the batches so far; its size depends on channels and `top` alone."""

    top: int
    relevance: Tensor
    by_relevance: References
    by_activation: References
    target: float = 0.0
    bias: float = 0.0
    rest: float = 0.0
    count: int = 0

    @classmethod
    def start(cls, part: _Part, top: int) -> _Totals:
        width = part.relevance.shape[1]
        none = References(
            torch.zeros(width, 0, dtype=torch.long),
            torch.zeros(width, 0, dtype=torch.float64),
        )
        return cls(top, torch.zeros(width, dtype=torch.float64), none, none)

    def add(self, part: _Part) -> None:
        """Takes one batch in."""
        if part.relevance.shape[1:] != self.relevance.shape:
            raise InvalidInput("the layer's channels differ between batches")
        self.relevance = self.relevance + part.relevance.sum(0)
        self.by_relevance = self._best(self.by_relevance, part.relevance)
        self.by_activation = self._best(self.by_activation, part.activation)
        self.target += part.target
        self.bias += part.bias
        self.rest += part.rest
        self.count += len(part.relevance)

    def _best(self, known: References, values: Tensor) -> References:
        """The best of the known samples and new ones [B, K]; of equals the earlier ones, in any cut into batches."""
        places = torch.arange(self.count, self.count + len(values))
        both = torch.cat([known.values, values.T], 1)
        order = both.sort(dim=1, descending=True, stable=True).indices[:, : self.top]
        samples = torch.cat([known.samples, places.expand(values.shape[1], -1)], 1)
        return References(samples.gather(1, order), both.gather(1, order))


__all__ = ["Channels", "References", "channels"]
