"""Relevance on its way through the graph: R = a · gain + rest, so that no activation is divided by itself."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Flow:
    """Relevance of a value `a`: R = a · gain + rest; either part may be absent.

    Rules that give an input a share proportional to its activation produce a `gain`, which a ReLU only masks
    and an addition only copies; rules that do not look at the activation (flat, w²) produce a `rest`.
    """

    gain: Tensor | None = None
    rest: Tensor | None = None

    def relevance(self, value: Tensor) -> Tensor:
        """R, of the shape of `value` (with a longer batch when several targets are explained at once)."""
        if self.gain is None:
            return self.rest if self.rest is not None else value.new_zeros(value.shape)
        product = self.gain * value
        return product if self.rest is None else product + self.rest

    def __add__(self, other: Flow) -> Flow:
        return Flow(_sum(self.gain, other.gain), _sum(self.rest, other.rest))


def _sum(x: Tensor | None, y: Tensor | None) -> Tensor | None:
    if x is None:
        return y
    return x if y is None else x + y
