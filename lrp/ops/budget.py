"""How much memory an explainer may hold beside its model, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor

FREE = 16 * 2**20
"""Bytes that may be held of any model; of one whose folded weights need more, these alone are held."""


class Budget:
    """Bytes left for what rules make of weights, once `held`, weights that are not the model's own, are counted."""

    def __init__(self, own: Iterable[Tensor], held: Iterable[Tensor]) -> None:
        places = {t.untyped_storage().data_ptr() for t in own}
        copies = [t for t in held if t.untyped_storage().data_ptr() not in places]
        self.left = FREE - sum(t.nbytes for t in copies)

    def take(self, made: Any, beside: Tensor) -> bool:
        """Whether there is room for the tensors in something made of a weight; if so, it is taken."""
        size = _size(made, beside)
        if size > self.left:
            return False
        self.left -= size
        return True


def _size(made: Any, beside: Tensor) -> int:
    """Bytes of the tensors in nested tuples and records, apart from one that is held anyway."""
    if isinstance(made, Tensor):
        return 0 if made is beside else made.nbytes
    parts = (
        made
        if isinstance(made, (tuple, list))
        else vars(made).values()
        if is_dataclass(made)
        else ()
    )
    return sum(_size(part, beside) for part in parts)
