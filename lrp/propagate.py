"""The forward pass, the backward pass of relevance, and the projection of bias relevance to the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lrp.compiler import Program, Refused
from lrp.errors import InvalidInput, UnsupportedOperation
from lrp.ops.context import Execution, Flow, Layout, Sent, Step
from lrp.ops.embedding import Embedding
from lrp.ops.rows import rows_of
from lrp.tracing.tokens import tokens


def forward(
    program: Program,
    steps: Sequence[Step],
    inputs: Sequence[Tensor],
    layouts: Mapping[int, Layout],
    spoiled: Mapping[int, Tensor] | None = None,
) -> Execution:
    """A run with the values of these steps on inputs [B, ...]; `spoiled`: which tokens' vectors are made NaN."""
    graph = program.graph
    batch = 1 if program.whole else inputs[0].shape[0]
    run = Execution([None] * len(graph.nodes), batch, layouts=layouts, nodes=graph.nodes)
    values = run.values
    for index, constant in program.constants.items():
        values[index] = constant
    for index, x in zip(graph.inputs, inputs, strict=True):
        values[index] = x
    for step in steps:
        value = values[step.node.index] = step.forward(run)
        if spoiled and step.node.index in spoiled:
            value[spoiled[step.node.index]] = torch.nan
    return run


def backward(
    run: Execution,
    steps: Sequence[Step],
    starts: Mapping[int, Flow],
    conditions: Mapping[int, Tensor],
) -> None:
    """Sends relevance from `starts` to the inputs; at conditioned nodes only the part under the mask goes on."""
    flows = run.flows
    flows.update(starts)
    for step in reversed(steps):
        index = step.node.index
        flow = flows.get(index)
        if flow is None:
            continue
        if index in conditions:
            flow = flows[index] = _conditioned(run, step, flow, conditions[index])
        _deliver(flows, step.backward(run, flow))


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
    """Where the batch lies in every node's value, found by making the first sample NaN and seeing what turns NaN.

    Also, refused, the steps whose value mixes the samples of a batch.
    """
    batch = examples[0].shape[0]
    mixing: dict[int, Step] = {}
    if batch == 1 or program.whole:
        return {}, mixing
    spoiled = [x.clone() for x in examples]
    for x in spoiled:
        if x.is_floating_point():
            x[0] = torch.nan
    steps = program.path(tuple(program.graph.outputs))
    looked_up = _of_first_sample(program, steps, examples)
    run = forward(program, steps, spoiled, {}, looked_up)
    layouts: dict[int, Layout] = {}
    for step in steps:
        value = run.values[step.node.index]
        if isinstance(value, Tensor) and value.is_floating_point() and value.isnan().any():
            layout = rows_of(step.node, layouts, run) or _layout(value.isnan(), batch)
            if layout is None:
                node, reason = step.node, "it mixes the samples of a batch"
                error = UnsupportedOperation(node.operation, node.module, reason, registrable=False)
                mixing[node.index] = Refused(node, error.at(node.line))
            else:
                layouts[step.node.index] = layout
    return layouts, mixing


def _of_first_sample(
    program: Program, steps: Sequence[Step], examples: Sequence[Tensor]
) -> dict[int, Tensor]:
    """Which ids that an embedding looks up are the first sample's: those that change when its tokens do."""
    tables = [step for step in steps if isinstance(step, Embedding)]
    if not tables:
        return {}
    ids, others = tokens(program.graph), [x.clone() for x in examples]
    for index, x in zip(program.graph.inputs, others, strict=True):
        if index in ids:
            x[0] = (x[0] == 0).to(x.dtype)
    now = forward(program, steps, examples, {})
    then = forward(program, steps, others, {})
    found = {}
    for step in tables:
        changed = now.values[step.source] != then.values[step.source]
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


def check_finite(values: Sequence[Tensor]) -> None:
    """Raises InvalidInput if an explained output is not finite."""
    for value in values:
        if not bool(torch.isfinite(value).all()):
            raise InvalidInput(
                "the model's output is not finite for these inputs; nothing can be explained"
            )
