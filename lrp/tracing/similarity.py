"""Similarities of two tensors written out as products: the cosine, and a bilinear form."""

from __future__ import annotations

from typing import Any

from lrp.tracing.canonizers import EXPANSIONS, Writer
from lrp.tracing.graph import Node


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


EXPANSIONS["aten.cosine_similarity.default"] = _cosine
EXPANSIONS["aten.bilinear.default"] = _bilinear
