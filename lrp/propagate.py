"""The forward pass, the backward pass of relevance, the projection of bias relevance, and runs read as one result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isqrt
from typing import Any, Literal

import torch
from torch import Tensor

from lrp.compiler import Plan, Program, Refused, makes_constants
from lrp.errors import MIXES, UnsupportedOperation
from lrp.ops.context import Execution, Flow, Layout, Sent, Static, Step
from lrp.ops.embedding import Embedding
from lrp.ops.rows import Owned, Rows, rows_of
from lrp.tracing.graph import Node
from lrp.tracing.tokens import tokens


def forward(
    program: Program,
    steps: Sequence[Step],
    inputs: Sequence[Tensor],
    layouts: Mapping[int, Layout],
    spoiled: Mapping[int, Tensor] | None = None,
    lean: bool = False,
    kept: Collection[int] | None = None,
) -> Execution:
    """A run with the values of these steps on inputs [B, ...]; `spoiled`: which tokens' vectors are made NaN.

    kept: where given, only these values and those that pass between stretches of about √steps are kept; `backward`
        computes the others again, one stretch at a time (Chen et al. 2016).
    """
    graph = program.graph
    batch = 1 if program.whole else inputs[0].shape[0]
    run = Execution([None] * len(graph.nodes), batch, layouts=layouts, nodes=graph.nodes, lean=lean)
    for index, constant in program.constants.items():
        run.values[index] = constant
    for index, x in zip(graph.inputs, inputs, strict=True):
        run.values[index] = x
    run.stretches = _stretches(steps) if lean and kept is not None else (steps,)
    passed = set(kept or ()).union(*map(_entering, run.stretches))
    for stretch in run.stretches:
        _compute(run, stretch, spoiled or {})
        for step in stretch if stretch is not run.stretches[-1] else ():
            _forget(run, step.node.index, passed)
    return run


def _compute(run: Execution, steps: Sequence[Step], spoiled: Mapping[int, Tensor]) -> None:
    for step in steps:
        value = run.values[step.node.index] = step.forward(run)
        if step.node.index in spoiled:
            value[spoiled[step.node.index]] = torch.nan


def _stretches(steps: Sequence[Step]) -> tuple[Sequence[Step], ...]:
    """Steps in parts of about √steps."""
    size = max(1, isqrt(len(steps)))
    return tuple(steps[i : i + size] for i in range(0, len(steps), size)) or (steps,)


def _entering(steps: Sequence[Step]) -> set[int]:
    """Nodes that steps read of what comes before them."""
    return {i for step in steps for i in step.reads} - {step.node.index for step in steps}


def _forget(run: Execution, index: int, passed: Collection[int]) -> None:
    """Lets go what can be computed again; integers, which say where samples lie, stay."""
    run.saved.pop(index, None)
    value = run.values[index]
    if index not in passed and isinstance(value, Tensor) and value.is_floating_point():
        run.values[index] = None


def laid(run: Execution, plan: Plan) -> list[Layout]:
    """Where the samples lie in the values that are explained."""
    return [run.layout(run.nodes[index]) for index in plan.chosen]


DONE = Flow()
"""In the place of relevance that has been handed on and is not kept."""


def backward(
    run: Execution,
    starts: Mapping[int, Flow],
    conditions: Mapping[int, Tensor],
) -> None:
    """Sends relevance from `starts` to the inputs; at conditioned nodes only the part under the mask goes on."""
    run.flows.update(starts)
    for stretch in reversed(run.stretches):
        if stretch is not run.stretches[-1] and any(s.node.index in run.flows for s in stretch):
            _compute(run, stretch, {})
        _backward(run, stretch, conditions)


def _backward(run: Execution, steps: Sequence[Step], conditions: Mapping[int, Tensor]) -> None:
    flows = run.flows
    for step in reversed(steps):
        index = step.node.index
        flow = flows.get(index)
        if flow is not None:
            if index in conditions:
                flow = flows[index] = _conditioned(run, step, flow, conditions[index])
            _deliver(flows, step.backward(run, flow))
        if run.lean and not run.project:
            _let_go(run, index)


def _let_go(run: Execution, index: int) -> None:
    """Forgets what only the steps before this one's readers needed."""
    run.values[index] = None
    run.saved.pop(index, None)
    if index in run.flows:
        run.flows[index] = DONE


def _deliver(flows: dict[int, Flow], sent: Sent) -> None:
    for source, flow in sent:
        old = flows.get(source)
        flows[source] = flow if old is None else old + flow


def _conditioned(run: Execution, step: Step, flow: Flow, mask: Tensor) -> Flow:
    value = run.lift(run.values[step.node.index])
    run.book_stabilizer(step.node, flow.relevance(value) * ~mask)
    return flow.map(lambda t: t * mask)


def project(run: Execution, steps: Sequence[Step], flat: Program) -> None:
    """Sends booked bias relevance to the inputs through the flat rule of its own layer and of those below it."""
    flows = {index: Flow(rest=r) for index, r in run.project.items()}
    for step in reversed(steps):
        flow = flows.get(step.node.index)
        if flow is not None:
            _deliver(flows, flat.steps[step.node.index].backward(run, flow))
    for index in flat.graph.inputs:
        if index in flows:
            _deliver(run.flows, [(index, flows[index])])


def probe(
    program: Program, examples: Sequence[Tensor]
) -> tuple[dict[int, Layout], dict[int, Step]]:
    """Where the batch lies in every node's value, if not whole in front, found by making one sample NaN.

    Also, refused, the steps whose value mixes the samples of a batch.
    """
    batch = examples[0].shape[0]
    mixing: dict[int, Step] = {}
    if batch == 1 or program.whole:
        return {}, mixing
    steps = program.path(tuple(program.graph.outputs))
    clean = forward(program, steps, examples, {})
    run, spoiled = _spoiled(program, steps, examples, clean, 0)
    layouts: dict[int, Layout] = {}
    owners: dict[int, int | None] = {}
    for index, numbers in spoiled.items():
        layout = rows_of(run.nodes[index], layouts, run, numbers) or _layout(numbers, batch)
        if layout is None:
            owners[index] = 0
        else:
            layouts[index] = layout
    owners = {i: own for i, own in owners.items() if not clean.values[i].isnan().any()}
    if owners and not program.graph.batch_symbols:
        for sample in range(1, batch):
            found = _spoiled(program, steps, examples, clean, sample)[1]
            for index in found.keys() - layouts.keys():
                owners[index] = None if index in owners else sample
    for index in program.graph.outputs:
        rows = layouts.get(index)
        if isinstance(rows, Rows) and len(rows.owners(run)) == batch:
            del layouts[index]
            if rows.moves(run):
                owners[index] = None
    for index, owner in owners.items():
        node = run.nodes[index]
        if owner is None or program.graph.batch_symbols:
            error = UnsupportedOperation(node.operation, node.module, MIXES, registrable=False)
            mixing[index] = Refused(node, error.at(node.line))
        else:
            layouts[index] = Owned(owner=torch.tensor([owner]))
    return {i: layout for i, layout in layouts.items() if layout != Layout()}, mixing


class _Known(Static):
    """A value that is known before."""

    def __init__(self, node: Node, value: Any) -> None:
        super().__init__(node)
        self.value = value

    def forward(self, run: Execution) -> Any:
        return self.value


def mixes(program: Program) -> bool:
    """Whether steps mix samples, as all do that read a fixed number of them from a free batch."""
    refused = (step.error for step in program.steps.values() if isinstance(step, Refused))
    return any(error.of_batch for error in refused)


def _spoiled(
    program: Program,
    steps: Sequence[Step],
    examples: Sequence[Tensor],
    clean: Execution,
    sample: int,
) -> tuple[Execution, dict[int, Tensor]]:
    """A run with one sample made NaN, and which numbers turned NaN of those steps' values where any did.

    What no relevance passes through, of which NaN may make anything, is as in the `clean` run.
    """
    held = [step for step in steps if isinstance(step, Refused) or makes_constants(step)]
    known = {step: _Known(step.node, clean.values[step.node.index]) for step in held}
    read = [known.get(step, step) for step in steps]
    others = [x.clone() for x in examples]
    for x in others:
        if x.is_floating_point():
            x[sample] = torch.nan
    looked_up = _ids_of(program, read, examples, clean, sample)
    run = forward(program, read, others, {}, looked_up)
    found = {}
    for step in steps:
        value = run.values[step.node.index]
        if isinstance(value, Tensor) and value.is_floating_point():
            numbers = value.isnan()
            if numbers.any():
                found[step.node.index] = numbers
    return run, found


def _ids_of(
    program: Program,
    steps: Sequence[Step],
    examples: Sequence[Tensor],
    clean: Execution,
    sample: int,
) -> dict[int, Tensor]:
    """Which ids that an embedding looks up are one sample's: those that change when its tokens do."""
    tables = [step for step in steps if isinstance(step, Embedding)]
    if not tables:
        return {}
    ids = tokens(program.graph)
    others = [x.clone() for x in examples]
    for index, x in zip(program.graph.inputs, others, strict=True):
        if index in ids:
            x[sample] = (x[sample] == 0).to(x.dtype)
    then = forward(program, steps, others, {})
    found = {}
    for step in tables:
        changed = clean.values[step.source] != then.values[step.source]
        found[step.node.index] = changed
    return found


def _layout(spoiled: Tensor, batch: int) -> Layout | None:
    """The layout in which exactly one of `batch` samples may be spoiled."""
    for dim in range(spoiled.dim()):
        size = spoiled.shape[dim]
        if size % batch:
            continue
        line = spoiled.movedim(dim, 0).flatten(1).any(1) if spoiled.dim() > 1 else spoiled
        for inner in range(1, size // batch + 1):
            if (size // batch) % inner:
                continue
            first = line.reshape(-1, batch, inner)
            if not bool(first[:, 1:].any()) and bool(first[:, 0].any()):
                return Layout(dim, inner)
    return None


class Runs:
    """Several runs that carried parts of the targets of `attribute_each`, or one run, read as one."""

    def __init__(self, runs: Sequence[Execution], each: bool) -> None:
        self.runs = runs
        self.each = each

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

    def column(self, column: Literal["bias", "stabilizer"], name: str) -> Tensor:
        """One layer's entry in one column of the ledger."""
        return self.joined(lambda run: getattr(run, column)[name])

    def closure(self, step: Step) -> Tensor:
        """What rounding leaves of the relevance at one step's value."""
        return self.joined(lambda run: _closure(run, step))


def _closure(run: Execution, step: Step) -> Tensor:
    """[T·B]: ΣR_out − ΣR_in − bias − stabilizer of one step, which is run once more with a ledger of its own."""
    own = run.anew(run.fold)
    node = step.node
    flow = run.flows[step.node.index]
    with torch.no_grad():
        rest = run.per_sample(node, flow.relevance(run.lift(run.values[node.index])))
        for source, sent in step.backward(own, flow):
            value = run.values[source]
            r = _fold(run, sent.relevance(run.lift(value)), value)
            rest = rest - run.per_sample(run.nodes[source], r)
        for kept in (*own.bias.values(), *own.project.values()):
            rest = rest - run.per_sample(node, kept)
        return rest - sum(own.stabilizer.values(), torch.zeros_like(rest))


def _fold(run: Execution, r: Tensor, value: Tensor) -> Tensor:
    """Relevance of a value that no flow reached, or that is not folded yet, as [T·B, ...]."""
    return (
        r
        if r.shape == run.shape(value)
        else r.expand(run.fold, *value.shape).reshape(run.shape(value))
    )
