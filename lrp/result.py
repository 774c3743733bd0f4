"""Relevance and its ledger: where every unit of the explained value went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from lrp.ops.affine import AffineStep
from lrp.ops.context import Execution, Flow, Step
from lrp.tracing.calls import Call
from lrp.tracing.graph import Graph


class LayerMap(Mapping[str, Tensor]):
    """A tensor for each of some layers, computed when it is read."""

    def __init__(
        self,
        names: Iterable[str],
        read: Callable[[str], Tensor],
    ) -> None:
        self._known: dict[str, Tensor | None] = dict.fromkeys(names)
        self._read = read

    def __getitem__(self, name: str) -> Tensor:
        found = self._known[name]
        if found is None:
            found = self._known[name] = self._read(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"<relevance at {len(self)} layers: {', '.join(self)}>"


@dataclass(frozen=True)
class Account:
    """Which inputs relevance reaches; by layer: what its bias keeps, what that is made of, and what rounding leaves."""

    inputs: tuple[bool, ...]
    totals: Mapping[str, Tensor]
    parts: Mapping[str, Mapping[str, Tensor]]
    closures: Mapping[str, Tensor]


class Relevance:
    """Where the relevance of one target went: target = input + bias + stabilizer + closure, per sample.

    input: relevance of the inputs, like the inputs: a tensor, a tuple of tensors, or {name: tensor} of a call by
        keywords. inputs: the same as a tuple of all tensors in the order of the call.
    target: [B] the explained value. bias: {layer: relevance its bias keeps, at the layer's output}.
    stabilizer: {layer: [B] relevance its stabilizer swallowed, or that its rule cannot conserve}.
    layers: {layer: relevance at the layer's output}. From `attribute_each` every tensor has a leading [T].
    """

    def __init__(
        self,
        input: Any,
        inputs: tuple[Tensor, ...],
        target: Tensor,
        bias: Mapping[str, Tensor],
        stabilizer: Mapping[str, Tensor],
        layers: Mapping[str, Tensor],
        account: Account,
    ) -> None:
        self.input, self.inputs, self.target = input, inputs, target
        self.bias, self.stabilizer = bias, stabilizer
        self.layers, self._account = layers, account

    def __getstate__(self) -> dict[str, Any]:
        """Everything as tensors, layers included, so that a result can be pickled or cached."""
        known = self._account
        account = Account(known.inputs, dict(known.totals), known.parts, dict(known.closures))
        return {**self.__dict__, "layers": dict(self.layers), "_account": account}

    def _sum(self, t: Tensor) -> Tensor:
        return t.reshape(*self.target.shape, -1).sum(-1)

    @property
    def input_total(self) -> Tensor:
        """[B]: the relevance that reached the inputs."""
        total = torch.zeros_like(self.target)
        for t, reached in zip(self.inputs, self._account.inputs, strict=True):
            if reached:
                total = total + self._sum(t)
        return total

    def bias_of(self, layer: str) -> Tensor:
        """[B]: the relevance that this layer's bias keeps."""
        return self._account.totals[layer]

    def bias_parts(self, layer: str) -> dict[str, Tensor]:
        """R_bias of a layer with a folded BatchNorm, split in proportion to what its bias is made of.

        The folded bias is b·γ/σ ("layer") − μ·γ/σ ("mean") + β ("shift"); the parts sum to `.bias[layer]`.
        A layer without BatchNorm has the one part "layer".
        """
        kept = self.bias[layer]
        parts = self._account.parts.get(layer)
        if not parts:
            return {"layer": kept}
        whole = torch.stack(list(parts.values())).sum(0)
        share = torch.where(whole == 0, 0.0, 1.0 / torch.where(whole == 0, 1.0, whole))
        return {name: kept * (part * share) for name, part in parts.items()}

    @property
    def bias_total(self) -> Tensor:
        """[B]: the relevance that all biases keep."""
        return sum((self.bias_of(name) for name in self.bias), torch.zeros_like(self.target))

    @property
    def stabilizer_total(self) -> Tensor:
        """[B]: the relevance that all stabilizers swallowed."""
        return sum(self.stabilizer.values(), torch.zeros_like(self.target))

    @property
    def closure(self) -> Tensor:
        """[B]: target − input − bias − stabilizer; only rounding is left."""
        return self.target - self.input_total - self.bias_total - self.stabilizer_total

    def closure_of(self, layer: str) -> Tensor:
        """[B]: ΣR at this layer's output − what it sends to its inputs − what its bias and its stabilizer take.

        Only rounding is left. What mode `project` sends on from here counts as the bias's.
        """
        return self._account.closures[layer]

    def summary(self) -> str:
        """A table of batch means: for each layer ΣR at its output, its bias, its stabilizer, its closure."""
        names = list(dict.fromkeys([*self.layers, *self.bias, *self.stabilizer]))
        width = max([len(name) for name in names] + [5])
        lines = [
            f"{'layer':<{width}}  {'relevance':>12}  {'bias':>12}  {'stabilizer':>12}  {'closure':>12}"
        ]

        def cell(t: Tensor | None) -> str:
            return f"{'':>12}" if t is None else f"{t.mean().item():>+12.5g}"

        for name in reversed(names):
            counted = name in self.layers and self._countable(name)
            at = self._sum(self.layers[name]) if counted else None
            bias = self.bias_of(name) if name in self.bias else None
            own = (at, bias, self.stabilizer.get(name), self._account.closures.get(name))
            lines.append(f"{name:<{width}}  " + "  ".join(map(cell, own)))
        totals = (self.input_total, self.bias_total, self.stabilizer_total)
        lines.append(f"{'input':<{width}}  " + "  ".join(cell(t) for t in totals))
        lines.append(
            f"{'target':<{width}}  {cell(self.target)}  {'':>12}  {'':>12}  {cell(self.closure)}"
        )
        return "\n".join(lines)

    def _countable(self, name: str) -> bool:
        return self.layers[name].numel() % max(self.target.numel(), 1) == 0

    def to_dict(self) -> dict[str, Any]:
        """The input relevance and the ledger as numbers and lists, ready for JSON."""
        return {
            "target": self.target.tolist(),
            "input": [t.tolist() for t in self.inputs],
            "input_total": self.input_total.tolist(),
            "bias": {name: self.bias_of(name).tolist() for name in self.bias},
            "stabilizer": {name: t.tolist() for name, t in self.stabilizer.items()},
            "closure": self.closure.tolist(),
        }

    def __repr__(self) -> str:
        shapes = ", ".join(str(list(t.shape)) for t in self.inputs)
        parts = {
            "target": self.target,
            "input": self.input_total,
            "bias": self.bias_total,
            "stabilizer": self.stabilizer_total,
            "closure": self.closure,
        }
        if self.target.numel() == 1:
            text = ", ".join(f"{k} {v.item():+.4g}" for k, v in parts.items())
        else:
            text = (
                ", ".join(f"{k} {v.mean().item():+.4g}" for k, v in parts.items()) + " on average"
            )
        return f"<Relevance of inputs {shapes}: {text}>"


class _Runs:
    """Several runs that carried parts of the targets of `attribute_each`, or one run, read as one."""

    def __init__(self, runs: Sequence[Execution], each: bool) -> None:
        self.runs, self.each = runs, each

    def joined(self, part: Callable[[Execution], Tensor]) -> Tensor:
        """[T, B, ...] from each run's [T·B, ...]; of one explanation [B, ...]."""
        if not self.each:
            return part(self.runs[0])
        parts = []
        for run in self.runs:
            t = part(run)
            parts.append(t.reshape(run.fold, -1, *t.shape[1:]))
        return torch.cat(parts)

    def received(self, index: int, target: Tensor) -> Tensor:
        """The relevance of an input."""
        value = self.runs[0].values[index]
        if not value.is_floating_point() and all(index not in run.flows for run in self.runs):
            return target.new_zeros(target.shape[:-1] + value.shape)
        return self.joined(
            lambda run: _fold(run, run.flows.get(index, Flow()).relevance(run.lift(value)), value)
        )

    def at(self, index: int) -> Tensor:
        """The relevance of a node's value."""
        value = self.runs[0].values[index]
        return self.joined(
            lambda run: torch.nan_to_num(run.flows[index].relevance(run.lift(value)), 0.0)
        )


def gather(
    runs: Sequence[Execution],
    steps: tuple[Step, ...],
    graph: Graph,
    target: Tensor,
    call: Call,
    each: bool,
) -> Relevance:
    """The result of one run, or of several runs that carried parts of the targets of `attribute_each`."""
    found, first = _Runs(runs, each), runs[0]
    named = {step.node.name: step for step in steps}
    reached = {name: step for name, step in named.items() if step.node.index in first.flows}
    inputs = tuple(found.received(index, target) for index in graph.inputs)
    carry = tuple(any(index in run.flows for run in runs) for index in graph.inputs)

    def total(name: str) -> Tensor:
        return found.joined(lambda run: run.per_sample(named[name].node, run.bias[name]))

    def closure(name: str) -> Tensor:
        return found.joined(lambda run: _closure(run, named[name]))

    def at(name: str) -> Tensor:
        return found.at(named[name].node.index)

    parts = {
        name: _laid(step)
        for name, step in named.items()
        if isinstance(step, AffineStep) and step.bias_parts
    }
    return Relevance(
        input=call.like(inputs, graph.input_names),
        inputs=inputs,
        target=target,
        bias={name: found.joined(_of(name, "bias")) for name in first.bias},
        stabilizer={name: found.joined(_of(name, "stabilizer")) for name in first.stabilizer},
        layers=LayerMap(reached, at),
        account=Account(carry, LayerMap(first.bias, total), parts, LayerMap(reached, closure)),
    )


def _of(name: str, column: Literal["bias", "stabilizer"]) -> Callable[[Execution], Tensor]:
    """One layer's entry in one column of a run's ledger."""
    return lambda run: getattr(run, column)[name]  # type: ignore[no-any-return]


def _closure(run: Execution, step: Step) -> Tensor:
    """[T·B]: ΣR_out − ΣR_in − bias − stabilizer of one step, which is run once more with a ledger of its own."""
    own = replace(run, flows={}, bias={}, stabilizer={}, project={})
    node, flow = step.node, run.flows[step.node.index]
    with torch.no_grad():
        rest = run.per_sample(node, flow.relevance(run.lift(run.values[node.index])))
        for source, sent in step.backward(own, flow):
            value = run.values[source]
            r = _fold(run, sent.relevance(run.lift(value)), value)
            rest = rest - run.per_sample(run.nodes[source], r)
        for kept in (*own.bias.values(), *own.project.values()):
            rest = rest - run.per_sample(node, kept)
        return rest - sum(own.stabilizer.values(), torch.zeros_like(rest))


def _laid(step: AffineStep) -> dict[str, Tensor]:
    """The parts of a folded bias, shaped so that they broadcast against the layer's output."""
    dims = step.layer.weight.dim()
    return {name: step.layer.at_output(part, dims) for name, part in step.bias_parts.items()}


def _fold(run: Execution, r: Tensor, value: Tensor) -> Tensor:
    """Relevance of a value that no flow reached, or that is not folded yet, as [T·B, ...]."""
    return (
        r
        if r.shape == run.shape(value)
        else r.expand(run.fold, *value.shape).reshape(run.shape(value))
    )
