"""Operations that are several in one, written out: some by hand, the others as PyTorch computes them."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from lrp.tracing.canonizers import EXPANSIONS, RULES, Expansion, Writer
from lrp.tracing.graph import Node, Param, Ref, leaves


def written_out(fx: Any) -> Any:
    """The module of an operation without a rule that PyTorch makes of others that have one; None of any other."""
    target = fx.target
    if _explained(fx) or not target._can_decompose():
        return None
    given = [x.meta["val"] for x in fx.all_input_nodes]
    if any(isinstance(x, Tensor) and x.is_complex() for x in given):
        return None

    def parts(*values: Any) -> Any:
        known = dict(zip(fx.all_input_nodes, values, strict=True))
        args, kwargs = torch.fx.node.map_arg((fx.args, fx.kwargs), known.__getitem__)
        return target.decompose(*args, **kwargs)

    try:
        module = make_fx(parts, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*given)
    except Exception:
        return None
    for inner in module.graph.nodes:
        inner.meta = {**fx.meta, "val": inner.meta.get("val")}
    return module if all(map(_explained, module.graph.nodes)) else None


def _explained(fx: Any) -> bool:
    """Whether an operation has a rule, or makes nothing that relevance could pass through."""
    if not isinstance(fx.target, torch._ops.OpOverload):
        return True
    values = leaves(fx.meta.get("val"))
    signal = any(isinstance(x, Tensor) and x.is_floating_point() for x in values)
    name = str(fx.target)
    return not signal or name in RULES or name in EXPANSIONS or name == "aten.detach.default"


def _cosine(writer: Writer, node: Node) -> Any:
    """Σ (x / ‖x‖) (y / ‖y‖) along a dimension, no norm smaller than ε."""
    given = {"dim": 1, "eps": 1e-8, **node.kwargs}
    given.update(zip(("x1", "x2", "dim", "eps"), node.args, strict=False))
    rank = len(node.shape or ()) + 1
    dim = given["dim"] % rank - rank
    units = []
    for name in ("x1", "x2"):
        tensor = writer.moved(given[name])
        norm = writer.emit(node, "norm", "aten.linalg_vector_norm", (tensor, 2, [dim], True), None)
        size = writer.emit(node, "size", "aten.clamp_min", (norm, float(given["eps"])), None)
        unit = writer.emit(node, "unit", "aten.div.Tensor", (tensor, size), None)
        units.append(unit)
    z = writer.emit(node, "product", "aten.mul.Tensor", units, None)
    return writer.emit(node, "cosine", "aten.sum.dim_IntList", (z, [dim]), node.shape)


def _bilinear(writer: Writer, node: Node) -> Any:
    """Σ_ij x_i w_kij y_j + b_k."""
    x, y, weight, *bias = (writer.moved(argument) for argument in node.args)
    first = writer.emit(node, "first", "aten.einsum", ("...i,kij->...kj", [x, weight]), None)
    parts = ("...kj,...j->...k", [first, y])
    z = writer.emit(node, "second", "aten.einsum", parts, node.shape)
    if not bias or bias[0] is None:
        return z
    return writer.emit(node, "sum", "aten.add.Tensor", (z, bias[0]), node.shape)


def _addmm(writer: Writer, node: Node) -> Any:
    """β·c + α·(a b); one node where it is a layer with its bias."""
    alpha, beta = (float(node.kwargs.get(name, 1)) for name in ("alpha", "beta"))
    if alpha == beta == 1 and isinstance(node.args[0], Param):
        return writer.copy(node)
    c, a, b = writer.moved(node.args)
    z = writer.emit(node, "product", "aten.matmul", (a, b), node.shape)
    if beta == 0:
        return writer.emit(node, "scaled", "aten.mul.Scalar", (z, alpha), node.shape)
    c = writer.emit(node, "offset", "aten.mul.Scalar", (c, beta), None)
    return writer.emit(node, "sum", "aten.add.Tensor", (c, z), node.shape, alpha=alpha)


def _with_added(operation: str) -> Expansion:
    """Expansion of x + value · (a ∘ b) for the operation ∘."""

    def expand(writer: Writer, node: Node) -> Any:
        x, a, b = writer.moved(node.args)[:3]
        factor = float(node.kwargs.get("value", 1))
        z = writer.emit(node, "product", operation, (a, b), node.shape)
        return writer.emit(node, "sum", "aten.add.Tensor", (x, z), node.shape, alpha=factor)

    return expand


def _lerp(writer: Writer, node: Node) -> Any:
    """(1 − w) x + w y for a number w or a tensor."""
    x, y, weight = writer.moved(node.args)
    rest: Any
    if isinstance(weight, int | float):
        product, rest = "aten.mul.Scalar", 1 - weight
    else:
        product = "aten.mul.Tensor"
        rest = writer.emit(node, "rest", "aten.rsub.Scalar", (weight, 1), None)
    first = writer.emit(node, "first", product, (x, rest), node.shape)
    second = writer.emit(node, "second", product, (y, weight), node.shape)
    return writer.emit(node, "sum", "aten.add.Tensor", (first, second), node.shape)


def _cdist(writer: Writer, node: Node) -> Any:
    """‖x_i − y_j‖ for every row of either."""
    x, y, *power = writer.moved(node.args)
    first = writer.emit(node, "first", "aten.unsqueeze", (x, -2), None)
    second = writer.emit(node, "second", "aten.unsqueeze", (y, -3), None)
    z = writer.emit(node, "difference", "aten.sub.Tensor", (first, second), None)
    parts = (z, power[0] if power else 2.0, [-1])
    return writer.emit(node, "norm", "aten.linalg_vector_norm", parts, node.shape)


EXPANSIONS["aten.cosine_similarity.default"] = _cosine
EXPANSIONS["aten.bilinear.default"] = _bilinear
EXPANSIONS["aten.addmm.default"] = _addmm
EXPANSIONS["aten.addcmul.default"] = _with_added("aten.mul.Tensor")
EXPANSIONS["aten.addcdiv.default"] = _with_added("aten.div.Tensor")
EXPANSIONS["aten.lerp.Scalar"] = EXPANSIONS["aten.lerp.Tensor"] = _lerp
EXPANSIONS["aten.cdist.default"] = _cdist


SUM, MEAN, MAX = range(3)
"""The modes of torch's embedding_bag, by number."""


def bagged(
    vectors: Tensor,
    ids: Tensor,
    offsets: Tensor,
    mode: int,
    padding: int | None,
    closed: bool,
) -> Tensor:
    """[bags, D]: what the vectors [M, D] of the ids [M] come to in bags that begin at the offsets.

    padding: an id that is left out. closed: whether the last offset is the end of the last bag.
    """
    count = len(offsets) - closed
    places = torch.arange(len(vectors), device=vectors.device)
    bag = torch.searchsorted(offsets[:count].contiguous(), places, right=True) - 1
    kept = torch.ones_like(ids, dtype=torch.bool) if padding is None else ids != padding
    bags = vectors.new_zeros((count, vectors.shape[1]))
    if mode == MAX:
        index = bag[kept].unsqueeze(1).expand(-1, vectors.shape[1])
        return bags.scatter_reduce(0, index, vectors[kept], "amax", include_self=False)
    total = bags.index_add(0, bag, vectors * kept.unsqueeze(1).to(vectors))
    if mode == SUM:
        return total
    sizes = bags.new_zeros(count).index_add(0, bag, kept.to(vectors))
    return total / sizes.clamp(min=1).unsqueeze(1)


def _embedding_bag(writer: Writer, node: Node) -> Any:
    """(bags, and what only torch's own backward pass needs)."""
    names = "table ids offsets scaled mode sparse weights closed padding"
    given = {**dict(zip(names.split(), node.args, strict=False)), **node.kwargs}
    table, ids, offsets = (writer.moved(given[name]) for name in ("table", "ids", "offsets"))
    mode = given.get("mode", SUM)
    weights = writer.moved(given.get("weights"))
    first = (Ref(node.index), 0)
    shape = next(n.shape for n in writer.graph.nodes if n.args == first) or ()
    rows = writer.shape(ids)
    wide = (*rows, shape[-1])
    vectors = writer.emit(node, "vectors", "aten.embedding", (table, ids), wide)
    if weights is not None:
        column = writer.emit(node, "column", "aten.unsqueeze", (weights, -1), (*rows, 1))
        vectors = writer.emit(node, "weighted", "aten.mul.Tensor", (vectors, column), wide)
    name = "lrp.largest_of_bag" if mode == MAX else "lrp.bag"
    padding = given.get("padding")
    padding = None if padding is None or padding < 0 else padding
    closed = bool(given.get("closed"))
    function = partial(bagged, mode=mode, padding=padding, closed=closed)
    bags = writer.emit(node, "bags", name, (vectors, ids, offsets), shape, function)
    return (bags, None, None, None)


EXPANSIONS["aten.embedding_bag.default"] = _embedding_bag
EXPANSIONS["aten.embedding_bag.padding_idx"] = _embedding_bag
