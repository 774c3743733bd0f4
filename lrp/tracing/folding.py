"""BatchNorm folded into the convolution or linear layer before it: w' = wγ/σ, b' = (b − μ)γ/σ + β."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lrp.tracing.canonizers import Writer, alive
from lrp.tracing.graph import Graph, Node, Ref, leaves

WEIGHTED = ("aten.linear.", "aten.conv1d.", "aten.conv2d.", "aten.conv3d.", "aten.conv_transpose")
NORMS = ("aten.batch_norm.default", "aten._native_batch_norm_legit_no_training.default")


def folded(graph: Graph) -> Graph:
    """The graph in which no BatchNorm follows a layer with weights that only it reads."""
    fixed: set[int] = set()
    for node in graph.nodes:
        if node.operation != "input" and fixed.issuperset(node.refs):
            fixed.add(node.index)
    readers, writer, aliases = graph.consumers(), Writer(graph), dict(graph.aliases)
    for node in graph.nodes:
        before = _before(graph, node, fixed)
        alone = before is not None and readers[before.index] == [node.index]
        if before is None or not alone or before.index in graph.outputs:
            writer.ref[node.index] = writer.copy(node)
        else:
            writer.ref[node.index] = _joined(writer, before, node)
            aliases[node.name] = before.name
    return alive(replace(writer.graph_of(graph), aliases=aliases))


def _before(graph: Graph, norm: Node, fixed: set[int]) -> Node | None:
    """The layer with weights that a BatchNorm with running statistics normalises channel by channel, or None."""
    if norm.operation not in NORMS or not isinstance(norm.args[0], Ref):
        return None
    trains = norm.operation == NORMS[0] and norm.args[5]
    known = all(isinstance(leaf, Ref) is False or leaf.index in fixed for leaf in norm.args[1:5])
    layer = graph.nodes[norm.args[0].index]
    if trains or not known or norm.args[3] is None or not layer.operation.startswith(WEIGHTED):
        return None
    parameters = [leaf.index for leaf in leaves(layer.args[1:]) if isinstance(leaf, Ref)]
    flat = layer.operation.startswith("aten.linear") and len(layer.shape or ()) != 2
    return layer if fixed.issuperset(parameters) and not flat else None


def _joined(writer: Writer, layer: Node, norm: Node) -> Ref:
    """The layer with changed weights in the BatchNorm's place, under the layer's name."""
    args = list(writer.moved(layer.args))
    kwargs = dict(writer.moved(layer.kwargs))
    bias = args[2] if len(args) > 2 else kwargs.pop("bias", None)
    gamma, beta, mean, var = writer.moved(norm.args[1:5])
    eps = norm.args[7] if norm.operation == NORMS[0] else norm.args[6]

    def emit(name: str, function: Callable[..., Tensor], *given: Any) -> Ref:
        return writer.emit(norm, name, f"lrp.{name}", given, None, function)

    scale = emit("scale", _scale, gamma, var, eps)
    parts = {"mean": emit("mean", lambda m, s: -m * s, mean, scale)}
    parts["shift"] = emit("shift", _shift, beta, mean)
    if bias is not None:
        parts["layer"] = emit("layer", torch.mul, bias, scale)
    grouped = layer.args[6] if "transpose" in layer.operation and len(layer.args) > 6 else 1
    of = _of_transposed if "transpose" in layer.operation else _of_plain
    weight = emit("weight", of, args[1], scale, grouped)
    whole = emit("bias", _total, list(parts.values()))

    def function(*values: Any, bias_parts: Any, **named: Any) -> Any:
        return layer.function(*values, **named)

    new = replace(
        norm,
        index=len(writer.nodes),
        name=layer.name,
        operation=layer.operation,
        function=function,
        args=(args[0], weight, whole, *args[3:]),
        kwargs={**kwargs, "bias_parts": parts},
        module=layer.module,
        module_type=layer.module_type,
    )
    writer.nodes.append(new)
    return Ref(new.index)


def _scale(gamma: Tensor | None, var: Tensor, eps: float) -> Tensor:
    scale = (var + eps).rsqrt()
    return scale if gamma is None else scale * gamma


def _shift(beta: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if beta is None else beta


def _total(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)


def _of_plain(weight: Tensor, scale: Tensor, groups: int) -> Tensor:
    return weight * scale.reshape(-1, *([1] * (weight.dim() - 1)))


def _of_transposed(weight: Tensor, scale: Tensor, groups: int) -> Tensor:
    """Weight [J, K / groups, …] with the channels K of the output scaled."""
    blocks = weight.reshape(groups, -1, *weight.shape[1:])
    factor = scale.reshape(groups, 1, -1, *([1] * (weight.dim() - 2)))
    return (blocks * factor).reshape(weight.shape)
