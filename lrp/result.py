"""Relevance and its ledger: where every unit of the explained value went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from lrp.errors import LRPError
from lrp.ops.affine import AffineStep
from lrp.ops.context import Execution, Step
from lrp.propagate import Runs
from lrp.tracing.calls import Call
from lrp.tracing.graph import Graph

Value = TypeVar("Value")


class LayerMap(Mapping[str, Value]):
    """Something for each of some layers, a tensor or several, computed when it is read."""

    def __init__(
        self,
        names: Iterable[str],
        read: Callable[[str], Value],
        lean: bool = False,
    ) -> None:
        self._known: dict[str, Value | None] = dict.fromkeys(names)
        self._read, self._lean = read, lean

    def held(self) -> LayerMap[Value]:
        """The same without a way to make what is not there: of an explanation that holds its layers, all is there."""
        other: LayerMap[Value] = LayerMap(self, not_held, lean=True)
        other._known = dict(self._known) if self._lean else dict(self)
        return other

    def __getitem__(self, name: str) -> Value:
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


def not_held(name: str) -> Any:
    """Raises LRPError for what an explanation does not hold."""
    raise LRPError(
        f"this explanation does not hold the relevance at {name!r}: ask for it with attribute(..., layers=True)"
    )


@dataclass(frozen=True)
class Account:
    """Which inputs relevance reaches; by layer: what its bias keeps, what that is made of, and what rounding leaves."""

    inputs: tuple[bool, ...]
    totals: Mapping[str, Tensor]
    parts: LayerMap[dict[str, Tensor]]
    closures: LayerMap[Tensor]


class Relevance:
    """Where the relevance of one target went: target = input + bias + stabilizer + closure, per sample.

    input: relevance of the inputs, like the inputs: a tensor, a tuple of tensors, or {name: tensor} of a call by
        keywords. inputs: the same as a tuple of all tensors in the order of the call.
    target: [B] the explained value. bias: {layer: relevance its bias keeps, at the layer's output}.
    stabilizer: {layer: [B] relevance its stabilizer swallowed, or that its rule cannot conserve}.
    layers: {layer: relevance at the layer's output}. From `attribute_each` every tensor has a leading [T].
    Unless it was made with `layers=True` it holds the inputs' maps and the sums of the ledger alone: maps at layers are
    made by a second explanation when one is read; LRPError is raised where that gives another result.
    """

    def __init__(
        self,
        input: Any,
        inputs: tuple[Tensor, ...],
        target: Tensor,
        bias: LayerMap[Tensor],
        stabilizer: Mapping[str, Tensor],
        layers: LayerMap[Tensor],
        account: Account,
    ) -> None:
        self.input, self.inputs, self.target = input, inputs, target
        self.bias, self.stabilizer = bias, stabilizer
        self.layers, self._account = layers, account

    def __getstate__(self) -> dict[str, Any]:
        """Everything that is held, as tensors, so that a result can be pickled or cached."""
        known = self._account
        closures = known.closures.held()
        account = Account(known.inputs, dict(known.totals), known.parts.held(), closures)
        held = {"bias": self.bias.held(), "layers": self.layers.held(), "_account": account}
        return {**self.__dict__, **held}

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


def gather(
    runs: Sequence[Execution],
    steps: tuple[Step, ...],
    graph: Graph,
    target: Tensor,
    call: Call,
    each: bool,
    again: Callable[[], Relevance],
) -> Relevance:
    """The result of one run, or of several runs that carried parts of the targets of `attribute_each`.

    again: the same explanation with its layers, for a lean run.
    """
    found, first = Runs(runs, each), runs[0]
    inputs = tuple(_own(found.received(index, target)) for index in graph.inputs)
    target = _own(target)
    carry = tuple(any(index in run.flows for run in runs) for index in graph.inputs)
    second = _Second(again, target, inputs) if first.lean else None
    held = _Held(found, {step.node.name: step for step in steps})
    bias, layers, account = held.parts(carry) if second is None else held.sums(carry, second)
    return Relevance(
        input=call.like(inputs, graph.input_names),
        inputs=inputs,
        target=target,
        bias=bias,
        stabilizer={name: _own(found.column("stabilizer", name)) for name in first.stabilizer},
        layers=layers,
        account=account,
    )


class _Second:
    """The same explanation with its layers, made when it is first asked for."""

    def __init__(
        self,
        again: Callable[[], Relevance],
        target: Tensor,
        inputs: tuple[Tensor, ...],
    ) -> None:
        self.again, self.target, self.inputs = again, target, inputs
        self.made: Relevance | None = None

    def __call__(self) -> Relevance:
        """Raises LRPError where it is another one by now."""
        if self.made is None:
            made = self.again()
            if not all(map(_near, (made.target, *made.inputs), (self.target, *self.inputs))):
                raise LRPError(
                    "the model or its inputs have changed since this explanation was made: ask for maps at layers "
                    "with attribute(..., layers=True)"
                )
            self.made = made
        return self.made


def _near(now: Tensor, then: Tensor) -> bool:
    """Whether two results are equal up to rounding."""
    if now.shape != then.shape or not then.numel():
        return now.shape == then.shape
    return float((now - then).abs().max()) <= 1e-3 * float(then.abs().max())


def _own(t: Tensor) -> Tensor:
    """The tensor without the rest of a larger one that it lies in."""
    return t.clone() if t.untyped_storage().nbytes() > t.nbytes else t


class _Held:
    """What a result holds of the ledger, and how the rest is made."""

    def __init__(
        self,
        found: Runs,
        named: dict[str, Step],
    ) -> None:
        self.found, self.named, first = found, named, found.runs[0]
        self.bias = tuple(first.bias)
        self.reached = [name for name, step in named.items() if step.node.index in first.flows]
        folded = {name: step for name, step in named.items() if isinstance(step, AffineStep)}
        self.folded = {name: step for name, step in folded.items() if step.bias_parts}

    def parts(self, carry: tuple[bool, ...]) -> tuple[LayerMap[Tensor], LayerMap[Tensor], Account]:
        """Every map, made from the runs when it is read."""
        found, named = self.found, self.named
        laid = {name: _laid(step) for name, step in self.folded.items()}
        kept = {name: found.column("bias", name) for name in self.bias}

        def total(name: str) -> Tensor:
            return found.joined(lambda run: run.per_sample(named[name].node, run.bias[name]))

        account = Account(
            carry,
            LayerMap(self.bias, total),
            LayerMap(laid, laid.__getitem__),
            LayerMap(self.reached, lambda name: found.closure(named[name])),
        )
        layers = LayerMap(self.reached, lambda name: found.at(named[name].node.index))
        return LayerMap(kept, kept.__getitem__), layers, account

    def sums(
        self, carry: tuple[bool, ...], second: _Second
    ) -> tuple[LayerMap[Tensor], LayerMap[Tensor], Account]:
        """Sums over each sample; every map is the second explanation's."""
        totals = {name: _own(self.found.column("bias", name)) for name in self.bias}
        account = Account(
            carry,
            totals,
            LayerMap(self.folded, lambda name: second()._account.parts[name], lean=True),
            LayerMap(self.reached, lambda name: second().closure_of(name), lean=True),
        )
        bias = LayerMap(self.bias, lambda name: second().bias[name], lean=True)
        return bias, LayerMap(self.reached, lambda name: second().layers[name], lean=True), account


def _laid(step: AffineStep) -> dict[str, Tensor]:
    """The parts of a folded bias, shaped so that they broadcast against the layer's output."""
    dims = step.layer.weight.dim()
    return {name: step.layer.at_output(part, dims) for name, part in step.bias_parts.items()}
