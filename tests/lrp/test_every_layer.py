"""At every layer of a network ΣR_out = ΣR_in + bias + stabilizer, to 1e-12 of Σ|R_out| in float64, 1e-5 in float32."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import lrp
from tests.lrp import random_networks
from tests.lrp.test_identities import LONG, QUICK, drawn_network, random_case

GATES = {torch.float64: 1e-12, torch.float32: 1e-5}


def sizes(r: lrp.Relevance, name: str) -> Tensor:
    """[B]: Σ|R| at a layer's output."""
    return r.layers[name].abs().reshape(len(r.target), -1).sum(1)


def check_every_layer(r: lrp.Relevance, gate: float, counts: Counter[str]) -> None:
    """The gate at each layer; where its outputs all but cancel, a tenth of it on the most any layer moves."""
    moved = (
        torch.stack([r.input.abs().flatten(1).sum(1), *(sizes(r, name) for name in r.layers)])
        .max(0)
        .values
    )
    for name in r.layers:
        closure, size = r.closure_of(name).abs(), sizes(r, name)
        strict = closure <= gate * size
        assert bool(torch.isfinite(closure).all()), name
        assert bool((strict | (closure <= 0.1 * gate * moved)).all()), (name, closure, size, moved)
        counts["layers"] += strict.numel()
        counts["strict"] += int(strict.sum())
    counts["networks"] += 1


def check_drawn(drawn: dict, dtype: torch.dtype, counts: Counter[str]) -> None:
    explain, x = random_case(drawn, dtype)
    check_every_layer(explain(drawn["composite"], drawn["mode"], x), GATES[dtype], counts)


@pytest.mark.parametrize("dtype", GATES, ids=str)
def test_every_layer_of_random_networks_accounts_for_its_relevance(dtype: torch.dtype) -> None:
    counts: Counter[str] = Counter()

    @given(drawn=drawn_network(architectures=4))
    @settings(QUICK, max_examples=10)
    def check(drawn: dict) -> None:
        check_drawn(drawn, dtype, counts)

    check()
    assert counts["strict"] >= 0.99 * counts["layers"] > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("dtype", GATES, ids=str)
def test_every_layer_of_a_thousand_random_networks_accounts_for_its_relevance(
    dtype: torch.dtype,
) -> None:
    counts: Counter[str] = Counter()

    @given(drawn=drawn_network(architectures=random_networks.ARCHITECTURES))
    @LONG
    def check(drawn: dict) -> None:
        check_drawn(drawn, dtype, counts)

    check()
    print(dict(counts))
    assert counts["networks"] >= 1000
    assert counts["strict"] >= 0.999 * counts["layers"]


@given(seed=st.integers(0, 2**31))
@settings(QUICK, max_examples=3)
def test_the_layers_of_each_target_at_once_close_like_one_at_a_time(seed: int) -> None:
    net = random_networks.network(1)
    random_networks.weigh(net, seed)
    x = torch.randn(
        2,
        *random_networks.SHAPE,
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float64,
    )
    each = lrp.LRP(net, "EpsilonPlus", x).attribute_each(x, [2, 0], through={"0": [0, 1]})
    for name, at in each.layers.items():
        assert each.closure_of(name).shape == (2, 2)
        assert bool((each.closure_of(name).abs() <= 1e-12 * at.abs().sum()).all())
