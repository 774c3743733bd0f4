"""Bags of embeddings written out: vectors are looked up, weighted, and each bag takes their sum, mean or maximum."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from lrp.tracing.canonizers import EXPANSIONS, Writer
from lrp.tracing.graph import Node, Ref

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
