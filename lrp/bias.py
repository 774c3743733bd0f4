"""What happens to the share of relevance that a layer's bias claims."""

from __future__ import annotations

from typing import Literal, get_args

from lrp.errors import RuleError

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
