"""What happens to the share of relevance that a bias or another constant claims, and the one place that books it."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from lrp.errors import RuleError
from lrp.ops.context import Execution
from lrp.tracing.graph import Node

BiasMode = Literal["sink", "absorb", "ignore", "uniform", "proportional", "project"]
"""sink: kept per unit in the ledger as R_bias = β·s (the default).
absorb: the same map, but the share is booked with the stabilizer (Bach et al. 2015; most libraries, silently).
ignore: the bias leaves the denominator, z − b; ill-conditioned where z − b ≈ 0.
uniform: every input of the pre-activation takes the same part of it (Arras et al. 2019).
proportional: inputs take it in proportion to the size of their contributions.
project: sink, then each unit's share is sent to the input through the flat rule of the layers below.
"""

MODES: tuple[str, ...] = get_args(BiasMode)


def checked_mode(mode: str | None) -> None:
    """Raises RuleError unless `mode` is a bias mode or None."""
    if mode is not None and mode not in MODES:
        raise RuleError(f"unknown bias mode {mode!r}; known: {', '.join(MODES)}")


def settle(
    run: Execution,
    node: Node,
    claimed: Tensor,
    mode: BiasMode,
) -> Tensor | None:
    """Books what a bias or a constant of `node` claims, at the node's output; returns what its inputs must still take.

    None: nothing is left to hand on. A tensor (modes uniform and proportional): the caller shares it among its inputs.
    """
    if mode in ("uniform", "proportional"):
        return claimed
    if mode == "sink":
        run.book_bias(node, claimed)
    elif mode == "project":
        run.book_projection(node, claimed)
    else:
        run.book_stabilizer(node, claimed)
    return None
