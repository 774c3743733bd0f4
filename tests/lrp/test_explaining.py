"""Targets, composites, conditions, results and extensions."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp import baselines, composites, rules
from tests.lrp import networks

SHAPE = networks.PostActivation.shape


@pytest.fixture(scope="module")
def model() -> networks.PostActivation:
    made = networks.PostActivation().double()
    networks.randomise(made, 4)
    return made


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture(scope="module")
def explainer(model: nn.Module, x: Tensor) -> lrp.LRP:
    return lrp.LRP(model, "EpsilonPlusFlat", x)


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_an_index_for_each_sample_is_the_same_as_one_at_a_time(
    explainer: lrp.LRP, x: Tensor
) -> None:
    whole = explainer.attribute(x, torch.tensor([0, 3, -1]), output=0)
    for i, target in enumerate((0, 3, 4)):
        same(explainer.attribute(x[i : i + 1], target, output=0).input[0], whole.input[i])


def test_a_contrast_is_the_explanation_of_a_function_of_the_outputs(
    explainer: lrp.LRP, x: Tensor
) -> None:
    contrast = explainer.attribute(x, lambda y: y[:, 1] - y[:, 2], output=0)
    one, two = (explainer.attribute(x, i, output=0) for i in (1, 2))
    same(contrast.target, one.target - two.target)
    both = explainer.attribute(x, lambda ys: ys[0][:, 1] + 2 * ys[1])
    same(both.target, one.target + 2 * explainer.attribute(x, output=1).target)
    assert both.closure.abs().max() < 1e-10


def test_an_initial_relevance_is_taken_as_it_is(explainer: lrp.LRP, x: Tensor) -> None:
    one = explainer.attribute(x, 1, output=0)
    start = torch.zeros(3, 5, dtype=torch.float64)
    start[:, 1] = one.target
    same(explainer.attribute(x, start, output=0).input, one.input)


@pytest.mark.parametrize("mode", lrp.bias.MODES)
@pytest.mark.parametrize(
    "name", ["EpsilonPlus", "EpsilonPlusFlat", "EpsilonAlpha2Beta1", "EpsilonGammaBox"]
)
def test_each_target_at_once_equals_one_at_a_time(
    model: nn.Module, x: Tensor, name: str, mode: str
) -> None:
    explainer = lrp.LRP(model, composites.PRESETS[name](bias=mode), x)
    each = explainer.attribute_each(x, [4, 0, 2], output=0)
    assert each.input.shape == (3, *x.shape) and each.target.shape == each.closure.shape == (3, 3)
    for t, index in enumerate((4, 0, 2)):
        one = explainer.attribute(x, index, output=0)
        same(each.input[t], one.input)
        same(each.target[t], one.target)
        same(each.stabilizer_total[t], one.stabilizer_total)
        for layer in one.bias:
            same(each.bias[layer][t], one.bias[layer])
        same(each.layers["conv2"][t], one.layers["conv2"])
    same(explainer.attribute_each(x, output=0).input[4], each.input[0])


@pytest.mark.parametrize("kind", [networks.Transformer, networks.Lstm], ids=lambda k: k.__name__)
def test_each_target_at_once_works_where_the_batch_is_not_in_front(kind: type[nn.Module]) -> None:
    model = kind().double()
    x = torch.randn(2, *kind.shape, dtype=torch.float64)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    each = explainer.attribute_each(x, [2, 0])
    for t, index in enumerate((2, 0)):
        one = explainer.attribute(x, index)
        same(each.input[t], one.input)
        same(each.closure[t], one.closure)


def test_relevance_can_start_at_any_layer(explainer: lrp.LRP, x: Tensor) -> None:
    for layer in ("add", "conv1", "relu"):
        r = explainer.attribute(x, (1, 2, 2), output=layer)
        assert r.closure.abs().max() < 1e-10
        assert set(r.layers) < set(explainer.layers)


def test_relevance_at_a_layer_is_conserved_between_layers(explainer: lrp.LRP, x: Tensor) -> None:
    r = explainer.attribute(x, 1, output=0)
    at = {name: t.flatten(1).sum(1) for name, t in r.layers.items()}
    same(at["policy"], r.target)
    same(at["policy"] - r.bias_of("policy") - r.stabilizer["policy"], at["relu#2"])
    same(at["conv2"] - r.bias_of("conv2") - r.stabilizer["conv2"], at["relu#1"])


def test_conditions_split_relevance_into_parts_that_add_up(explainer: lrp.LRP, x: Tensor) -> None:
    whole = explainer.attribute(x, 1, output=0)
    parts = [explainer.attribute(x, 1, output=0, through={"conv1": [c]}) for c in range(5)]
    direct = explainer.attribute(x, 1, output=0, through={"conv1": []})
    same(sum(p.input - direct.input for p in parts) + direct.input, whole.input)
    for part in parts:
        assert part.closure.abs().max() < 1e-10
    mask = torch.zeros(5, 4, 4, dtype=torch.bool)
    mask[2] = True
    same(explainer.attribute(x, 1, output=0, through={"conv1": mask}).input, parts[2].input)


def test_composites_choose_by_type_name_position_and_predicate_and_nest(
    model: nn.Module, x: Tensor
) -> None:
    chosen = lrp.Composite(
        (composites.first, rules.WSquare()),
        ("policy", rules.Zero()),
        (composites.nth(1), rules.Gamma(0.1)),
        (
            nn.Conv2d,
            lrp.Composite(("conv2", rules.AlphaBeta()), (lambda layer: True, rules.ZPlus())),
        ),
    )
    steps = {s.node.name: s for s in lrp.LRP(model, chosen, x).program.steps.values()}
    found = {
        name: type(steps[name].rule).__name__
        for name in ("stem", "conv1", "conv2", "policy", "value")
    }
    assert found == {
        "stem": "WSquare",
        "conv1": "Gamma",
        "conv2": "AlphaBeta",
        "policy": "Zero",
        "value": "Epsilon",
    }


def test_a_bias_mode_can_be_set_for_one_layer(model: nn.Module, x: Tensor) -> None:
    mixed = lrp.Composite(
        ("conv1", rules.ZPlus(bias="uniform")), ("conv", rules.ZPlus()), bias="sink"
    )
    r = lrp.LRP(model, mixed, x).attribute(x, 0, output=0)
    assert "conv1" not in r.bias and "conv2" in r.bias
    assert r.closure.abs().max() < 1e-10


def test_the_architecture_prior_depends_on_no_weight_and_no_board(
    model: nn.Module, x: Tensor
) -> None:
    one = torch.ones(3, 1, dtype=torch.float64) @ torch.eye(5, dtype=torch.float64)[:1]
    prior = lrp.LRP(model, composites.ArchitecturePrior(), x).attribute(x, one, output=0)
    other = networks.PostActivation().double()
    again = lrp.LRP(other, "ArchitecturePrior", x).attribute(torch.zeros_like(x), one, output=0)
    same(prior.input, again.input)
    same(prior.input_total, torch.ones(3, dtype=torch.float64))
    same(prior.input, prior.input.flip(-1))


def test_the_empty_board_is_explained_by_bias_alone(model: nn.Module) -> None:
    empty = torch.zeros(1, *SHAPE, dtype=torch.float64)
    r = lrp.LRP(model, "EpsilonPlus", empty).attribute(empty, 1, output=0)
    assert not bool(r.input.any())
    same(r.bias_total + r.stabilizer_total, r.target)


def test_batch_norm_alone_is_a_layer_with_a_bias() -> None:
    norm = nn.BatchNorm1d(4).double()
    networks.randomise(norm, 1)
    x = torch.randn(2, 4, dtype=torch.float64)
    r = lrp.LRP(norm, rules.Zero(), x).attribute(x, 3)
    sigma = (norm.running_var + norm.eps).sqrt()
    shift = norm.bias.detach() - norm.running_mean * norm.weight.detach() / sigma
    same(r.bias_total, shift[3].expand(2))
    same(r.input[:, 3], x[:, 3] * norm.weight.detach()[3] / sigma[3])


def test_epsilon_can_be_relative_to_the_size_of_the_activations() -> None:
    """The tutorial's ε = 0.1 std: ε·rms(z) of each sample."""
    layer = nn.Linear(3, 4).double()
    x = torch.randn(2, 3, dtype=torch.float64) * torch.tensor([[1.0], [100.0]]).double()
    r = lrp.LRP(layer, rules.Epsilon(epsilon=0.1, relative=True), x).attribute(x, 0)
    z = layer(x).detach()
    s = z[:, 0] / (z[:, 0] + 0.1 * z.square().mean(1).sqrt() * z[:, 0].sign())
    same(r.input, x * layer.weight.detach()[0] * s[:, None])


def test_a_result_prints_its_ledger_and_becomes_json(explainer: lrp.LRP, x: Tensor) -> None:
    r = explainer.attribute(x, 1, output=0)
    text = r.summary()
    assert all(name in text for name in ("policy", "conv1", "closure", "input"))
    assert "target" in repr(r) and "closure" in repr(r)
    found = json.loads(json.dumps(r.to_dict()))
    assert found["target"] == r.target.tolist() and set(found["bias"]) == set(r.bias)


def test_the_bias_of_a_folded_batch_norm_splits_into_its_parts(x: Tensor) -> None:
    """LRP-0: every part is its own constant times the gradient, so the parts scale like the constants."""
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)
    ).double()
    networks.randomise(model, 2)
    r = lrp.LRP(model, rules.Zero(), x).attribute(x, 1)
    parts = r.bias_parts("0")
    assert set(parts) == {"layer", "mean", "shift"} and set(r.bias_parts("4")) == {"layer"}
    same(sum(parts.values()), r.bias["0"])
    norm = model[1]
    sigma = (norm.running_var + norm.eps).sqrt()
    ratio = (model[0].bias * norm.weight / sigma / norm.bias).detach()[:, None, None]
    same(parts["layer"], parts["shift"] * ratio)


def test_a_result_can_be_pickled(explainer: lrp.LRP, x: Tensor) -> None:
    r = explainer.attribute(x, 1, output=0, layers=True)
    again = copy.deepcopy(r)
    same(again.closure, r.closure)
    same(again.layers["conv1"], r.layers["conv1"])
    assert pickle.loads(pickle.dumps(r)).summary() == r.summary()


def test_an_operation_of_ones_own_can_be_registered() -> None:
    class Shrink(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.special.i1e(x).sum(1)

    x = torch.randn(2, 3)
    with pytest.raises(lrp.UnsupportedOperation, match=r"aten\.special_i1e"):
        lrp.LRP(Shrink(), rules.Zero(), x)
    lrp.register_operation("aten.special_i1e.default", lrp.activation, kind="activation")
    same(lrp.LRP(Shrink(), rules.Zero(), x).attribute(x).input, torch.special.i1e(x))


def test_a_module_of_ones_own_can_be_registered() -> None:
    class Strange(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.matrix_exp(torch.diag_embed(self.inner(x))).diagonal(0, 1, 2)

    lrp.register_module(Strange, lambda inputs, output, relevance: [relevance / 2])
    model = nn.Sequential(nn.Linear(3, 3), Strange(), nn.Linear(3, 2)).double()
    x = torch.randn(2, 3, dtype=torch.float64)
    r = lrp.LRP(model, rules.Zero(), x).attribute(x, 1)
    same(r.stabilizer["1"], r.layers["1"].sum(1) / 2)
    assert r.closure.abs().max() < 1e-10


def test_several_inputs_are_explained_together() -> None:
    class Two(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (a * 2 + b).sum(1)

    a, b = torch.rand(2, 3), torch.rand(2, 3)
    r = lrp.LRP(Two(), rules.Zero(), (a, b)).attribute((a, b))
    same(r.input[0], a * 2)
    same(r.input[1], b)


def test_named_outputs_are_found_by_name() -> None:
    r = lrp.LRP(networks.Reused(), rules.Zero(), torch.rand(1, 4)).attribute(
        torch.rand(2, 4), 0, output="half"
    )
    assert r.target.shape == (2,)


def test_baselines_answer_the_same_call(model: nn.Module, x: Tensor) -> None:
    zero = lrp.LRP(model, rules.Zero(), x).attribute(x, 1, output=0)
    same(baselines.GradientTimesInput(model, x).attribute(x, 1, output=0).input, zero.input)
    same(baselines.FullGrad(model, x).attribute(x, 1, output=0).bias_total, zero.bias_total)
    pytest.importorskip("captum")
    nothing = lrp.LRP(model, rules.Zero(), x).attribute(torch.zeros_like(x), 1, output=0).target
    path = baselines.IntegratedGradients(model, x, steps=200).attribute(x, 1, output=0)
    torch.testing.assert_close(
        path.input.flatten(1).sum(1), zero.target - nothing, rtol=2e-2, atol=2e-2
    )
    hidden = baselines.Occlusion(model, x).attribute(x, 1, output=0)
    assert hidden.input.shape == x.shape
    gone = x.clone()
    gone[:, :, 0, 0] = 0
    after = lrp.LRP(model, rules.Zero(), x).attribute(gone, 1, output=0).target
    torch.testing.assert_close(hidden.input[:, 0, 0, 0], zero.target - after, rtol=1e-5, atol=1e-6)
    noisy = [
        baselines.SmoothGrad(model, x, seed=3).attribute(x, torch.tensor([1, 0, 2]), output=0).input
        for _ in "ab"
    ]
    assert torch.equal(noisy[0], noisy[1])
