"""Similarities of two tensors written out as products: the cosine, and a bilinear form."""

from __future__ import annotations

from typing import Any

from lrp.tracing.canonizers import EXPANSIONS, Size, Writer
from lrp.tracing.graph import Node, Ref


def _cosine(writer: Writer, node: Node) -> Any:
    """Σ (x / ‖x‖) (y / ‖y‖) along a dimension, no norm smaller than ε."""
    given = {**dict(zip(("x", "y", "dim", "eps"), node.args, strict=False)), **node.kwargs}
    x, y = (
        writer.moved(given.get("x", given.get("x1"))),
        writer.moved(given.get("y", given.get("x2"))),
    )
    rank = len(node.shape or ()) + 1
    dim = given.get("dim", 1) % rank - rank
    units, wide = [], (node.shape or ())
    for tensor in (x, y):
        shape = writer.shape(tensor) if isinstance(tensor, Ref) else None
        one: tuple[Size, ...] | None = None
        if shape is not None:
            before = len(shape) + dim
            one = (*shape[:before], 1, *shape[before + 1 :])
            wide = _with(node.shape or (), dim, shape[dim])
        norm = writer.emit(node, "norm", "aten.linalg_vector_norm", (tensor, 2, [dim], True), one)
        least = float(given.get("eps", 1e-8))
        norm = writer.emit(node, "size", "aten.clamp_min", (norm, least), one)
        units.append(writer.emit(node, "unit", "aten.div.Tensor", (tensor, norm), shape))
    z = writer.emit(node, "product", "aten.mul.Tensor", tuple(units), wide)
    return writer.emit(node, "cosine", "aten.sum.dim_IntList", (z, [dim]), node.shape)


def _with(shape: tuple[Size, ...], dim: int, size: Size) -> tuple[Size, ...]:
    """A shape with one more dimension, at the negative place `dim`."""
    place = len(shape) + 1 + dim
    return (*shape[:place], size, *shape[place:])


def _bilinear(writer: Writer, node: Node) -> Any:
    """Σ_ij x_i w_kij y_j + b_k."""
    x, y, weight, *bias = (writer.moved(argument) for argument in node.args)
    shape = node.shape or ()
    half = None
    if isinstance(y, Ref):
        half = (*shape, writer.shape(y)[-1])
    first = writer.emit(node, "first", "aten.einsum", ("...i,kij->...kj", [x, weight]), half)
    z = writer.emit(node, "second", "aten.einsum", ("...kj,...j->...k", [first, y]), shape)
    if not bias or bias[0] is None:
        return z
    return writer.emit(node, "sum", "aten.add.Tensor", (z, bias[0]), shape)


EXPANSIONS["aten.cosine_similarity.default"] = _cosine
EXPANSIONS["aten.bilinear.default"] = _bilinear
