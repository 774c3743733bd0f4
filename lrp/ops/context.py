"""What every step works with: relevance on its way (`Flow`), one explanation (`Execution`), the step itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from lrp.tracing.agreement import is_finite
from lrp.tracing.graph import Node, Ref, leaves, rewrite


@dataclass(frozen=True, slots=True)
class Flow:
    """Relevance of a value `a`: R = a · gain + rest; either part may be absent.

    Rules that give an input a share proportional to its activation produce a `gain`, which a ReLU only masks
    and an addition only copies, so that no activation is divided by itself; rules that do not look at the
    activation (flat, w²) produce a `rest`. `rectified` says that nothing arrives where the value is below 0.
    """

    gain: Tensor | None = None
    rest: Tensor | None = None
    rectified: bool = False

    def relevance(self, value: Tensor) -> Tensor:
        """R, of the shape of `value` (with a longer batch when several targets are explained at once)."""
        if self.gain is None:
            return self.rest if self.rest is not None else value.new_zeros(value.shape)
        product = self.gain * value
        return product if self.rest is None else product + self.rest

    def map(self, change: Callable[[Tensor], Tensor]) -> Flow:
        """Both parts through a linear function."""
        return Flow(
            None if self.gain is None else change(self.gain),
            None if self.rest is None else change(self.rest),
        )

    def __add__(self, other: Flow) -> Flow:
        return Flow(
            added(self.gain, other.gain),
            added(self.rest, other.rest),
            self.rectified and other.rectified,
        )


def added(x: Tensor | None, y: Tensor | None) -> Tensor | None:
    """x + y, where None is 0."""
    if x is None:
        return y
    return x if y is None else x + y


Sent = Iterable[tuple[int, Flow]]
"""Pairs of a source's index and the relevance it receives."""


class Stabilizer(Protocol):
    """A rule's ε: a number, or with `relative` a multiple of rms(z) of each sample."""

    @property
    def epsilon(self) -> float: ...

    @property
    def relative(self) -> bool: ...


@dataclass(frozen=True)
class Layout:
    """Where the batch lies in a tensor: the middle factor of dimension `dim`, whose last factor is `inner`.

    [B, C, N, N] is (0, 1); a sequence-first [L, B, H] is (1, 1); [L·B, H] is (0, 1); [B·H, L, D] is (0, H).
    """

    dim: int = 0
    inner: int = 1

    def sum(self, t: Tensor, batch: int) -> Tensor:
        """[B]: the sum over everything that belongs to each sample."""
        if batch == 1:
            return t.sum().reshape(1)
        if self.dim == 0 and t.shape[0] == batch:
            return t if t.dim() == 1 else t.sum(tuple(range(1, t.dim())))
        split = t.reshape(*t.shape[: self.dim], -1, batch, self.inner, *t.shape[self.dim + 1 :])
        return split.movedim(self.dim + 1, 0).flatten(1).sum(1)

    def at(self, run: Execution) -> Layout:
        """The layout in one run; that of rows which the run puts in order depends on it."""
        return self

    def spread(self, v: Tensor, like: Tensor) -> Tensor:
        """[B] values laid over a tensor shaped like `like`, so that they broadcast against it."""
        if v.shape[0] == 1:
            return v.reshape([1] * like.dim())
        along = v.repeat_interleave(self.inner) if self.inner > 1 else v
        along = along.repeat(like.shape[self.dim] // along.shape[0])
        return along.reshape([-1 if d == self.dim else 1 for d in range(like.dim())])


@dataclass
class Execution:
    """One forward pass and one or more backward passes over it.

    `fold` is the number of targets explained at once: relevance then has the batch [T·B], activations have [B].
    `lean`: of the ledger only sums over each sample are kept, and what no earlier step reads is let go.
    `shared`: the values are another run's too. `stretches`: the steps in the parts in which they are computed.
    """

    values: list[Any]
    batch: int
    fold: int = 1
    saved: dict[int, Any] = field(default_factory=dict)
    flows: dict[int, Flow] = field(default_factory=dict)
    bias: dict[str, Tensor] = field(default_factory=dict)
    stabilizer: dict[str, Tensor] = field(default_factory=dict)
    project: dict[int, Tensor] = field(default_factory=dict)
    layouts: Mapping[int, Layout] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    lean: bool = False
    shared: bool = False
    stretches: tuple[Sequence[Step], ...] = ()

    def anew(self, fold: int = 1) -> Execution:
        """Another backward pass over the same values, with a ledger of its own."""
        values, saved = list(self.values), dict(self.saved)
        own: dict[str, Any] = {part: {} for part in ("flows", "bias", "stabilizer", "project")}
        return replace(self, values=values, fold=fold, saved=saved, shared=True, **own)

    def lift(self, t: Tensor) -> Tensor:
        """An activation [B, ...] shaped so that it broadcasts against relevance [T·B, ...]."""
        if self.fold == 1 or t.dim() == 0 or t.shape[0] != self.batch or self.batch == 1:
            return t
        return t.repeat(self.fold, *([1] * (t.dim() - 1)))

    def shape(self, t: Tensor) -> tuple[int, ...]:
        """The shape of relevance for the activation `t`."""
        return tuple(t.shape) if self.fold == 1 else (self.fold * self.batch, *t.shape[1:])

    def resolve(self, tree: Any) -> Any:
        """Arguments with every reference replaced by its value."""
        return rewrite(
            tree, lambda leaf: self.values[leaf.index] if isinstance(leaf, Ref) else leaf
        )

    def layout(self, node: Node) -> Layout:
        """The batch layout of this node's value."""
        return self.layouts.get(node.index, _BATCH_FIRST).at(self)

    def epsilon_of(self, node: Node, rule: Stabilizer, d: Tensor) -> float | Tensor:
        """The rule's ε for this node's denominators d: a number, or ε·rms(d) of each sample, to broadcast."""
        if not rule.relative or rule.epsilon == 0:
            return float(rule.epsilon)
        layout = self.layout(node)
        count = layout.sum(d.new_ones(()).expand(d.shape), self.batch)
        rms = (layout.sum(d.square(), self.batch) / count).sqrt()
        return layout.spread(rms * rule.epsilon, d)

    def per_sample(self, node: Node, t: Tensor) -> Tensor:
        """[T·B]: sums over each sample."""
        return self.layout(node).sum(t, self.batch * self.fold)

    def dot(self, node: Node, u: Tensor, v: Tensor) -> Tensor:
        """[T·B]: Σ u·v over each sample."""
        samples = self.batch * self.fold
        if (
            u.shape == v.shape
            and u.dim() == 4
            and u.shape[0] == samples
            and self.layout(node) == _BATCH_FIRST
        ):
            flat = [t.permute(0, 2, 3, 1).reshape(samples, -1) for t in (u, v)]
            return torch.bmm(flat[0].unsqueeze(1), flat[1].unsqueeze(2)).reshape(samples)
        return self.per_sample(node, u * v)

    def by_channel(self, node: Node, t: Tensor, channel: int) -> Tensor | None:
        """[T·B, K]: sums over each sample's places, of K channels; None where the batch is not in front."""
        if self.layout(node) != _BATCH_FIRST or t.shape[0] != self.batch * self.fold or t.dim() < 2:
            return None
        places = [d for d in range(1, t.dim()) if d != channel % t.dim()]
        return t.sum(places) if places else t

    def book_bias(self, node: Node, t: Tensor) -> None:
        """Adds relevance that this layer's bias keeps, at the layer's output."""
        self.book_kept(node, self.per_sample(node, t) if self.lean else t)

    def book_kept(self, node: Node, t: Tensor) -> None:
        """Adds what this layer's bias keeps, as it is to be kept: [T·B] where lean."""
        old = self.bias.get(node.name)
        self.bias[node.name] = t if old is None else old + t

    def book_projection(self, node: Node, t: Tensor) -> None:
        """Adds relevance of this layer's bias that goes on to the input through the flat rule."""
        old = self.project.get(node.index)
        self.project[node.index] = t if old is None else old + t

    def book_stabilizer(self, node: Node, t: Tensor) -> None:
        """Adds relevance [.. like the layer's output ..] that the stabilizer swallowed, summed per sample."""
        self.book_lost(node, self.per_sample(node, t))

    def book_lost(self, node: Node, t: Tensor) -> None:
        """Adds relevance [T·B] that no input, no bias received."""
        old = self.stabilizer.get(node.name)
        self.stabilizer[node.name] = t if old is None else old + t

    def vjp(
        self,
        function: Callable[[Tensor], Tensor],
        x: Tensor,
        s: Tensor,
    ) -> Tensor:
        """The adjoint of a linear function of x [B, ...] applied to s [T·B, ...]."""
        create = torch.is_grad_enabled()
        with torch.enable_grad():
            leaf = x.detach() if x.is_floating_point() else x.to(s.dtype)
            out = function(leaf.requires_grad_(True))
        if self.fold == 1:
            return torch.autograd.grad(out, leaf, s.expand(out.shape), create_graph=create)[0]
        parts = torch.split(s.expand(self.fold * self.batch, *s.shape[1:]), self.batch)
        return torch.cat(
            [torch.autograd.grad(out, leaf, part, retain_graph=True)[0] for part in parts]
        )


_BATCH_FIRST = Layout()


def stabilised(d: Tensor, epsilon: float | Tensor) -> Tensor:
    """S(d) = d + ε·sgn(d) with sgn(0) = +1."""
    if isinstance(epsilon, float) and epsilon == 0:
        return d
    return torch.where(d < 0, d - epsilon, d + epsilon)


def divided(r: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """r / d where that is finite, else 0; and what was dropped, r there and 0 elsewhere."""
    s = r / d
    zero = torch.zeros((), dtype=s.dtype, device=s.device)
    if is_finite(s):
        return s, zero
    fine = torch.isfinite(s)
    return torch.where(fine, s, zero), torch.where(fine, zero, r)


def fitted(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sums over the dimensions that broadcasting added or stretched."""
    return t if tuple(t.shape) == shape else t.sum_to_size(shape)


def divided_at(run: Execution, node: Node, r: Tensor, d: Tensor) -> Tensor:
    """r / d where that is finite, else 0; what is dropped is booked with the node's stabilizer."""
    s, dropped = divided(r, d)
    if dropped.dim():
        run.book_stabilizer(node, dropped)
    return s


def gain_at(
    run: Execution,
    node: Node,
    flow: Flow,
    z: Tensor,
    rule: Stabilizer,
) -> Tensor:
    """R / S(z): the gain itself where ε = 0; books the stabilizer's share."""
    gain, rest = flow.gain, flow.rest
    epsilon = run.epsilon_of(node, rule, z)
    d = run.lift(stabilised(z, epsilon))
    exact = isinstance(epsilon, float) and epsilon == 0
    if gain is not None and not exact:
        gain = gain * run.lift(z) / d
        run.book_stabilizer(node, gain * (d - run.lift(z)))
    if rest is None:
        assert gain is not None
        return gain
    s = divided_at(run, node, rest, d)
    if not exact:
        run.book_stabilizer(node, s * (d - run.lift(z)))
    return s if gain is None else gain + s


class Step(ABC):
    """One compiled operation, a node together with its rule: computes its value, then sends relevance to its sources.

    Holds parameters derived from the model, no state of any explanation.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.reads: tuple[int, ...] = node.refs
        self._refs = tuple((i, a.index) for i, a in enumerate(node.args) if isinstance(a, Ref))
        nested = [a for a in node.args if isinstance(a, (tuple, list, dict))]
        self._direct = not node.kwargs and not any(isinstance(leaf, Ref) for leaf in leaves(nested))

    def forward(self, run: Execution) -> Any:
        """The node's value, from the values of earlier nodes."""
        if not self._direct:
            return self.node.function(*run.resolve(self.node.args), **run.resolve(self.node.kwargs))
        args = list(self.node.args)
        for place, index in self._refs:
            args[place] = run.values[index]
        return self.node.function(*args)

    @abstractmethod
    def backward(self, run: Execution, flow: Flow) -> Sent:
        """What each source receives; what nobody receives is booked in the ledger."""


class Static(Step):
    """A value that depends on no input (sizes, masks, constants shaped by the batch): receives no relevance."""

    def backward(self, run: Execution, flow: Flow) -> Sent:
        return ()


class Unary(Step):
    """A step whose relevance goes to one source."""

    def __init__(self, node: Node, source: int) -> None:
        super().__init__(node)
        self.source = source


class Linear1(Unary):
    """A linear operation of one tensor argument, through torch's own adjoint."""

    def function(self, run: Execution) -> Callable[[Tensor], Tensor]:
        """The operation as a function of the source alone."""
        node = self.node

        def call(x: Tensor) -> Tensor:
            def value(leaf: Any) -> Any:
                if not isinstance(leaf, Ref):
                    return leaf
                return x if leaf.index == self.source else run.values[leaf.index]

            return node.function(*rewrite(node.args, value), **rewrite(node.kwargs, value))  # type: ignore[no-any-return]

        return call

    def pull(self, run: Execution, s: Tensor) -> Tensor:
        """The adjoint applied to s."""
        return run.vjp(self.function(run), run.values[self.source], s)
