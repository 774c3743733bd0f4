"""Relevance and its ledger: where every unit of the explained value went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lrp.ops.affine import AffineStep
from lrp.ops.flow import Flow
from lrp.ops.run import Layout, Run
from lrp.ops.step import Step
from lrp.tracing.graph import Graph


class LayerMap(Mapping[str, Tensor]):
    """Relevance at each layer's output, computed when it is read."""

    def __init__(self, entries: Mapping[str, Callable[[], Tensor]]) -> None:
        self._entries = dict(entries)
        self._known: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._known:
            self._known[name] = self._entries[name]()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<relevance at {len(self)} layers: {', '.join(self)}>"


class Relevance:
    """Where the relevance of one target went: target = input + bias + stabilizer + closure, per sample.

    input: relevance of the inputs, like the inputs (a tensor, or a tuple of tensors).
    target: [B] the explained value. bias: {layer: relevance its bias keeps, at the layer's output}.
    stabilizer: {layer: [B] relevance its stabilizer swallowed, or that its rule cannot conserve}.
    layers: {layer: relevance at the layer's output}. From `attribute_each` every tensor has a leading [T].
    """

    def __init__(
        self,
        input: Tensor | tuple[Tensor, ...],
        target: Tensor,
        bias: Mapping[str, Tensor],
        stabilizer: Mapping[str, Tensor],
        layers: Mapping[str, Tensor],
        totals: Callable[[str], Tensor],
        parts: Mapping[str, Mapping[str, Tensor]] | None = None,
        closures: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.input, self.target, self.bias, self.stabilizer, self.layers = (
            input,
            target,
            bias,
            stabilizer,
            layers,
        )
        self._totals, self._parts, self._closures = totals, parts or {}, closures or {}

    def __getstate__(self) -> dict[str, Any]:
        """Everything as tensors, layers included, so that a result can be pickled or cached."""
        totals = {name: self.bias_of(name) for name in self.bias}
        lazy = {"layers": dict(self.layers), "_closures": dict(self._closures)}
        return {**self.__dict__, **lazy, "_totals": totals.__getitem__}

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Relevance of every input, as a tuple also when there is one."""
        return self.input if isinstance(self.input, tuple) else (self.input,)

    def _sum(self, t: Tensor) -> Tensor:
        return t.reshape(*self.target.shape, -1).sum(-1)

    @property
    def input_total(self) -> Tensor:
        """[B]: the relevance that reached the inputs."""
        return torch.stack([self._sum(t) for t in self.inputs]).sum(0)

    def bias_of(self, layer: str) -> Tensor:
        """[B]: the relevance that this layer's bias keeps."""
        return self._totals(layer)

    def bias_parts(self, layer: str) -> dict[str, Tensor]:
        """R_bias of a layer with a folded BatchNorm, split in proportion to what its bias is made of.

        The folded bias is b·γ/σ ("layer") − μ·γ/σ ("mean") + β ("shift"); the parts sum to `.bias[layer]`.
        A layer without BatchNorm has the one part "layer".
        """
        kept = self.bias[layer]
        parts = self._parts.get(layer)
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
        return self._closures[layer]

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
            at = (
                self._sum(self.layers[name])
                if name in self.layers and self._countable(name)
                else None
            )
            bias = self.bias_of(name) if name in self.bias else None
            own = (at, bias, self.stabilizer.get(name), self._closures.get(name))
            lines.append(f"{name:<{width}}  " + "  ".join(cell(t) for t in own))
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


def gather(
    runs: list[Run], steps: tuple[Step, ...], graph: Graph, target: Tensor, single: bool, each: bool
) -> Relevance:
    """The result of one run, or of several runs that carried parts of the targets of `attribute_each`."""
    nodes = {step.node.name: step.node for step in steps}

    def joined(parts: list[Tensor]) -> Tensor:
        """[T, B, ...] from parts [T·B, ...]."""
        if not each:
            return parts[0]
        shaped = [t.reshape(run.fold, -1, *t.shape[1:]) for t, run in zip(parts, runs, strict=True)]
        return torch.cat(shaped)

    def received(index: int) -> Tensor:
        value = runs[0].values[index]
        if not value.is_floating_point() and all(index not in run.flows for run in runs):
            return torch.zeros(target.shape[:-1] + value.shape, device=value.device)
        return joined(
            [
                _fold(run, run.flows.get(index, Flow()).relevance(run.lift(value)), value)
                for run in runs
            ]
        )

    def at(index: int) -> Callable[[], Tensor]:
        def read() -> Tensor:
            value = runs[0].values[index]
            return joined(
                [torch.nan_to_num(run.flows[index].relevance(run.lift(value)), 0.0) for run in runs]
            )

        return read

    def closing(step: Step) -> Callable[[], Tensor]:
        return lambda: joined([_closure(run, step) for run in runs])

    inputs = tuple(received(index) for index in graph.inputs)
    reached = [step for step in steps if step.node.index in runs[0].flows]
    layers = {step.node.name: at(step.node.index) for step in reached}
    return Relevance(
        input=inputs[0] if single else inputs,
        target=target,
        bias={name: joined([run.bias[name] for run in runs]) for name in runs[0].bias},
        stabilizer={
            name: joined([run.stabilizer[name] for run in runs]) for name in runs[0].stabilizer
        },
        layers=LayerMap(layers),
        totals=lambda name: joined([run.per_sample(nodes[name], run.bias[name]) for run in runs]),
        parts={
            step.node.name: _laid(step)
            for step in steps
            if isinstance(step, AffineStep) and step.bias_parts
        },
        closures=LayerMap({step.node.name: closing(step) for step in reached}),
    )


def _closure(run: Run, step: Step) -> Tensor:
    """[T·B]: ΣR_out − ΣR_in − bias − stabilizer of one step, which is run once more with a ledger of its own."""
    own = replace(run, flows={}, bias={}, stabilizer={}, project={})
    node, flow = step.node, run.flows[step.node.index]
    with torch.no_grad():
        rest = run.per_sample(node, flow.relevance(run.lift(run.values[node.index])))
        for source, sent in step.backward(own, flow):
            value = run.values[source]
            r = _fold(run, sent.relevance(run.lift(value)), value)
            rest = rest - run.layouts.get(source, Layout()).sum(r, run.batch * run.fold)
        for kept in (*own.bias.values(), *own.project.values()):
            rest = rest - run.per_sample(node, kept)
        return rest - sum(own.stabilizer.values(), torch.zeros_like(rest))


def _laid(step: AffineStep) -> dict[str, Tensor]:
    """The parts of a folded bias, shaped so that they broadcast against the layer's output."""
    dims = step.layer.weight.dim()
    return {name: step.layer.at_output(part, dims) for name, part in step.bias_parts.items()}


def _fold(run: Run, r: Tensor, value: Tensor) -> Tensor:
    """Relevance of a value that no flow reached, or that is not folded yet, as [T·B, ...]."""
    return (
        r
        if r.shape == run.shape(value)
        else r.expand(run.fold, *value.shape).reshape(run.shape(value))
    )
