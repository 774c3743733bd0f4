"""The left columns of docs/migrating.md, run where the other libraries are installed, against the right ones."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor, nn

from lrp import LRP, Composite, composites, rules
from lrp.baselines import IntegratedGradients

X = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
EYE = torch.eye(5, dtype=torch.float64)


def network() -> nn.Sequential:
    """The page's model, in float64."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    return nn.Sequential(*layers).double().eval()


def agree(ours: Tensor, theirs: Tensor, within: float = 1e-9) -> None:
    size = float(ours.abs().max())
    torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=within * size)


def test_zennits_calls() -> None:
    zennit = pytest.importorskip("zennit.composites")
    theirs, attribution, canonizers = (
        importlib.import_module(f"zennit.{name}") for name in ("rules", "attribution", "canonizers")
    )

    def relevance(composite: object, model: nn.Module) -> Tensor:
        with attribution.Gradient(model, composite) as attributor:
            _, found = attributor(X, EYE[[3, 3]])
        return found  # type: ignore[no-any-return]

    def ours(composite: object, model: nn.Module) -> Tensor:
        return LRP(model, composite, X).attribute(X, EYE[[3, 3]]).input  # type: ignore[arg-type]

    model = network()
    agree(ours("EpsilonPlusFlat", model), relevance(zennit.EpsilonPlusFlat(), model), 1e-6)
    same = composites.EpsilonPlusFlat(stabilizer=1e-6)
    agree(ours(same, model), relevance(zennit.EpsilonPlusFlat(), model))
    by_type = [(nn.Conv2d, theirs.Gamma(0.25)), (nn.Linear, theirs.Epsilon())]
    mine = Composite((nn.Conv2d, rules.Gamma(0.25)), (nn.Linear, rules.Epsilon()))
    agree(ours(mine, model), relevance(zennit.LayerMapComposite(by_type), model))
    by_name = [(["0"], theirs.ZBox(0, 1)), (["3"], theirs.Epsilon())]
    mine = Composite(("0", rules.ZBox(0, 1)), ("3", rules.Epsilon()))
    agree(ours(mine, model), relevance(zennit.NameMapComposite(by_name), model))
    bare = [((nn.Conv2d, nn.Linear), theirs.Epsilon(zero_params="bias"))]
    agree(
        ours(rules.Epsilon(bias="ignore"), model), relevance(zennit.LayerMapComposite(bare), model)
    )
    norm = nn.BatchNorm2d(4, eps=0.0).double().eval()
    norm.running_var.uniform_(0.5, 2.0)
    normed = nn.Sequential(model[0], norm, *model[1:])
    merging = zennit.EpsilonPlus(canonizers=[canonizers.SequentialMergeBatchNorm()])
    agree(ours("EpsilonPlus", normed), relevance(merging, normed))


@pytest.mark.filterwarnings("ignore::UserWarning")  # what Captum says of its own
def test_captums_calls() -> None:
    attr = pytest.importorskip("captum.attr")
    epsilon = importlib.import_module("captum.attr._utils.lrp_rules").EpsilonRule
    gamma = importlib.import_module("captum.attr._utils.lrp_rules").GammaRule

    def ready() -> nn.Sequential:
        model = network()
        model[2].rule = epsilon()  # nn.Flatten has none
        return model

    with pytest.raises(TypeError, match="Flatten"):
        attr.LRP(network()).attribute(X, target=3)
    mine = LRP(network(), rules.Epsilon(epsilon=1e-9), X).attribute(X, target=3)
    found, delta = attr.LRP(ready()).attribute(X, target=3, return_convergence_delta=True)
    agree(mine.input, found, 1e-6)
    agree(mine.target - mine.input_total, delta, 1e-6)
    model = ready()
    agree(mine.layers["0"], attr.LayerLRP(model, model[0]).attribute(X, 3), 1e-6)
    positive = torch.rand_like(X)
    model = ready()
    model[0].weight.data.abs_()
    model[0].bias.data.zero_()  # Captum's γ leaves a bias as it is
    other = Composite(("0", rules.Gamma(epsilon=1e-9)), ("linear", rules.Epsilon(epsilon=1e-9)))
    mine = LRP(model, other, positive).attribute(positive, target=3)
    model[0].rule = gamma()
    agree(mine.input, attr.LRP(model).attribute(positive, target=3), 1e-6)
    own = IntegratedGradients(network(), X).attribute(X, 3).input
    agree(own, attr.IntegratedGradients(network()).attribute(X, target=3))

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(3, 3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x) + x

    x = torch.ones(1, 3)
    seen = LRP(Residual(), rules.Epsilon(), x).attribute(x, 0)
    unseen = attr.LRP(Residual()).attribute(x, target=0)
    assert abs(float(seen.input.sum() - seen.target)) < 1e-5
    assert abs(float(unseen.sum() - seen.target)) > 0.1  # and no error


def test_lxts_calls() -> None:
    pytest.importorskip("lxt")
    pytest.importorskip("transformers")
    said = importlib.import_module("benchmarks.compatibility_oracles").compared(
        "transformers", "llama", None, None
    )
    if said.startswith("LXT fails"):
        pytest.skip(said)
    assert float(said.split()[-1]) < 1e-6, said
