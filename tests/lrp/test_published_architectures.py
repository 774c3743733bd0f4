"""Networks written as their authors write them: captured unmodified, computed right, every unit accounted for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lrp
from tests.lrp import networks
from tests.lrp.sequences import SEQUENCES
from tests.lrp.vision import VISION


@pytest.mark.parametrize("kind", (*VISION, *SEQUENCES), ids=lambda kind: kind.__name__)
def test_a_published_architecture_is_explained_unmodified_and_every_layer_accounts_for_its_relevance(
    kind: type[nn.Module],
) -> None:
    torch.manual_seed(0)
    model = kind().double()
    networks.randomise(model, 1)
    model.eval()
    x = torch.randn(3, *kind.shape, dtype=torch.float64)
    with torch.no_grad():
        y = model(x)
    model.train()
    target = (1,) * (y.dim() - 1)
    composite = "EpsilonPlus" if y.dim() == 2 else lrp.rules.Epsilon()
    explainer = lrp.LRP(model, composite, x[:1])
    r = explainer.attribute(x, target)
    torch.testing.assert_close(r.target, y[(slice(None), *target)], rtol=1e-9, atol=1e-12)
    assert bool(torch.isfinite(r.input).all()) and bool(r.input.flatten(1).any(1).all())
    moved = max(t.abs().sum().item() for t in r.layers.values())
    assert r.closure.abs().max().item() <= 1e-10 * moved
    for name in r.layers:
        assert bool((r.closure_of(name).abs() <= 1e-12 * r.layers[name].abs().sum()).all()), name
    alone = explainer.attribute(x[1:2], target)
    torch.testing.assert_close(alone.input[0], r.input[1], rtol=1e-8, atol=1e-11)
    if y.dim() == 2:
        each = explainer.attribute_each(x, [0, 1])
        torch.testing.assert_close(each.input[1], r.input, rtol=1e-9, atol=1e-11)
    assert model.training
