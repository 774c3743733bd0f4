"""A rule of your own for the linear layers, beside one of the library: `python examples/own_rule.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

import lrp
from lrp.rules import AffineRule, Side, Term


@dataclass(frozen=True)
class AbsoluteWeights(AffineRule):
    """R_j = Σ_k |w_jk| R_k / Σ_j |w_jk|: in proportion to the size of the weights, whatever the input is."""

    def sides(self, layer: Any, nonnegative: bool) -> Sequence[Side]:
        return (Side((Term("one", layer.weight.abs()),), None, sign=1),)


torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
x = torch.rand(1, 6)
mine = lrp.Composite((lrp.composites.first, AbsoluteWeights()), ("linear", lrp.rules.Epsilon()))
for name, composite in (("mine", mine), ("LRP-0", lrp.rules.Zero())):
    relevance = lrp.LRP(model, composite, x).attribute(x, 1)
    print(f"{name:6}", [round(value, 3) for value in relevance.input[0].tolist()])
    print(" " * 6, relevance)
