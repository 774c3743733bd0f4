"""Attention and gated linear units written out as products, a softmax and gates (Ali et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lrp.errors import UnsupportedOperation
from lrp.tracing.canonizers import EXPANSIONS, Writer
from lrp.tracing.graph import Node, Ref

CAUSAL = "lrp.causal"
"""The operation of a causal mask, which depends on nothing but sizes."""


def _attention(writer: Writer, node: Node) -> Any:
    """softmax(q kᵀ · scale + mask) v as separate nodes; with grouped queries each key and value serves several."""
    names = ["query", "key", "value", "attn_mask", "dropout_p", "is_causal"]
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    if given.get("dropout_p"):
        raise UnsupportedOperation(
            node.operation, node.module, "dropout that stays on in eval mode is random"
        )
    q, k, v = (writer.moved(given[name]) for name in names[:3])
    mask = writer.moved(given.get("attn_mask"))
    scale = given.get("scale")
    if given.get("enable_gqa"):
        k, v = (
            _repeated(writer, node, label, part, q) for label, part in (("key", k), ("value", v))
        )
    shape_q, shape_k = writer.shape(q), writer.shape(k)
    width, long, wide = shape_q[-1], shape_k[-2], shape_q[-2]
    flipped = writer.emit(
        node,
        "keys",
        "aten.transpose.int",
        (k, -2, -1),
        (*shape_k[:-2], shape_k[-1], long),
    )
    shape = (*shape_q[:-1], long)
    scores = writer.emit(node, "scores", "aten.matmul", (q, flipped), shape)
    factor = float(scale) if scale is not None else float(int(width)) ** -0.5
    scores = writer.emit(node, "scaled", "aten.mul.Scalar", (scores, factor), shape)
    if given.get("is_causal"):
        known = isinstance(wide, int) and isinstance(long, int)
        function = _causal(int(wide), int(long)) if known else _causal_for
        mask = writer.emit(node, "mask", CAUSAL, () if known else (scores,), None, function)
    if mask is not None:
        scores = writer.emit(node, "masked", "lrp.masked", (scores, mask), shape, masked)
    weights = writer.emit(node, "softmax", "aten.softmax.int", (scores, -1), shape)
    out = (*shape[:-1], writer.shape(v)[-1])
    return writer.emit(node, "values", "aten.matmul", (weights, v), out)


def _repeated(
    writer: Writer,
    node: Node,
    label: str,
    part: Ref,
    q: Ref,
) -> Ref:
    """Keys or values [..., H, L, E] once for each of the query's heads."""
    shape = writer.shape(part)
    heads = int(writer.shape(q)[-3])
    times = heads // int(shape[-3])
    if times == 1:
        return part
    wide = (*shape[:-3], heads, *shape[-2:])
    return writer.emit(
        node,
        label,
        "aten.repeat_interleave.self_int",
        (part, times, len(shape) - 3),
        wide,
    )


def _causal_for(scores: Tensor) -> Tensor:
    return torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()


def _causal(rows: int, columns: int) -> Callable[[], Tensor]:
    return lambda: torch.ones(rows, columns, dtype=torch.bool).tril()


def masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores with an attention mask: added if it holds numbers, −∞ where it is False, as they are where none is."""
    if mask.dtype == torch.bool:
        if mask.all():
            return scores
        return scores.masked_fill(~mask.to(scores.device), -torch.inf)
    return scores + mask


def _baddbmm(writer: Writer, node: Node) -> Any:
    """β·c + α·(a b) as a product and a sum."""
    c, a, b = (writer.moved(argument) for argument in node.args[:3])
    alpha = node.kwargs.get("alpha", 1)
    beta = node.kwargs.get("beta", 1)
    shape = node.shape
    z = writer.emit(node, "product", "aten.matmul", (a, b), shape)
    if alpha != 1:
        z = writer.emit(node, "scaled", "aten.mul.Scalar", (z, float(alpha)), shape)
    if beta == 0:
        return z
    if beta != 1:
        c = writer.emit(node, "offset", "aten.mul.Scalar", (c, float(beta)), None)
    return writer.emit(node, "masked", "lrp.masked", (z, c), shape, masked)


def _glu(writer: Writer, node: Node) -> Any:
    """The first half of a dimension times the sigmoid of the second."""
    x, dim = (
        writer.moved(node.args[0]),
        node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", -1),
    )
    half = int((node.shape or ())[dim])
    signal, gate = (
        writer.emit(
            node,
            name,
            "aten.narrow",
            (x, dim, start, half),
            node.shape,
        )
        for name, start in (("signal", 0), ("gate", half))
    )
    gate = writer.emit(node, "sigmoid", "aten.sigmoid", (gate,), node.shape)
    return writer.emit(node, "gated", "lrp.gated", (signal, gate), node.shape, torch.mul)


EXPANSIONS["aten.scaled_dot_product_attention.default"] = _attention
EXPANSIONS["aten.baddbmm.default"] = _baddbmm
EXPANSIONS["aten.glu.default"] = _glu
