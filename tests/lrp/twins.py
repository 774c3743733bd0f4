"""The rules of LRP again, slowly: an affine layer as a dense matrix of contributions, one sample at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def p(t: Tensor) -> Tensor:
    return torch.where(t > 0, t, 0.0)


def n(t: Tensor) -> Tensor:
    return torch.where(t < 0, t, 0.0)


def sgn(t: Tensor) -> Tensor:
    return torch.where(t < 0, -1.0, 1.0).double()


@dataclass
class Dense:
    """A layer as matrices: w[j, k], which (j, k) are connected at all, and the bias b[k]."""

    w: Tensor
    connected: Tensor
    b: Tensor

    @classmethod
    def of(cls, layer: nn.Module, shape: tuple[int, ...]) -> Dense:
        """The matrix of a linear or convolutional layer, by feeding it unit vectors."""
        size = math.prod(shape)
        units = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
        twin = {name: t.detach().clone() for name, t in layer.named_parameters()}
        zero = torch.zeros(1, *shape, dtype=torch.float64)
        call = torch.func.functional_call
        with torch.no_grad():
            b = call(layer, twin, (zero,)).reshape(-1)
            w = call(layer, twin, (units,)).reshape(size, -1) - b
            ones = {
                name: torch.ones_like(t) if name == "weight" else torch.zeros_like(t)
                for name, t in twin.items()
            }
            connected = call(layer, ones, (units,)).reshape(size, -1) > 0.5
        return cls(torch.where(connected, w, 0.0), connected, b)


def sides(dense: Dense, rule: str, a: Tensor, **o: float) -> list[tuple[Tensor, Tensor, Tensor]]:
    """(numerators [j, k], β [k], share [k]): the table of rules, line by line."""
    w, b, a = dense.w, dense.b, a[:, None]
    z = (a * w).sum(0) + b
    one, none = torch.ones_like(b), torch.zeros_like(b)
    if rule in ("Epsilon", "Zero"):
        return [(a * w, b, one)]
    if rule == "ZPlus":
        return [(p(a) * p(w) + n(a) * n(w), p(b), one)]
    if rule == "AlphaBeta":
        return [(p(a * w), p(b), one * o["alpha"]), (n(a * w), n(b), one * -o["beta"])]
    if rule == "Gamma":
        g = o["gamma"]
        above = p(a) * (w + g * p(w)) + n(a) * (w + g * n(w))
        below = p(a) * (w + g * n(w)) + n(a) * (w + g * p(w))
        up = (z >= 0).double()
        return [(above, b + g * p(b), up), (below, b + g * n(b), 1 - up)]
    if rule == "WSquare":
        return [(w**2, none, one)]
    if rule == "Flat":
        return [(dense.connected.double(), none, one)]
    if rule == "ZBox":
        return [(a * w - o["low"] * p(w) - o["high"] * n(w), none, one)]
    raise KeyError(rule)


def explain(
    dense: Dense, rule: str, a: Tensor, r: Tensor, mode: str, **o: float
) -> tuple[Tensor, Tensor, Tensor]:
    """R_j [j], R_bias [k] and what the stabilizer took, for one sample."""
    inputs, kept, lost = (
        torch.zeros_like(a),
        torch.zeros_like(r),
        torch.zeros((), dtype=torch.float64),
    )
    epsilon = o.get("epsilon", 0.0)
    for share, beta, part in sides(dense, rule, a, **o):
        arrived = part * r
        d = share.sum(0) + (0.0 if mode == "ignore" else beta)
        stable = d + epsilon * sgn(d)
        s = torch.where(stable == 0, 0.0, arrived / torch.where(stable == 0, 1.0, stable))
        inputs = inputs + share @ s
        lost = lost + (arrived - s * d).sum()
        if mode == "ignore":
            continue
        claimed = beta * s
        if mode == "sink":
            kept = kept + claimed
        elif mode == "absorb":
            lost = lost + claimed.sum()
        elif mode == "uniform":
            inputs = inputs + (dense.connected.double() / dense.connected.sum(0)) @ claimed
        elif mode == "proportional":
            size = share.abs()
            total = size.sum(0)
            inputs = inputs + (size / torch.where(total == 0, 1.0, total)) @ claimed
            lost = lost + torch.where(total == 0, claimed, 0.0).sum()
        else:
            raise KeyError(mode)
    return inputs, kept, lost


def explain_batch(
    dense: Dense, rule: str, x: Tensor, r: Tensor, mode: str, **o: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same for a batch: relevance like x, bias like r, stabilizer [B]."""
    found = [
        explain(dense, rule, a.reshape(-1), q.reshape(-1), mode, **o)
        for a, q in zip(x, r, strict=True)
    ]
    inputs, kept, lost = (torch.stack(list(t)) for t in zip(*found, strict=True))
    return inputs.reshape(x.shape), kept.reshape(r.shape), lost
