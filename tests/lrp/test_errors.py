"""Bad input is refused with a typed error that says what was wrong and what is accepted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp import rules
from tests.lrp import networks


@pytest.fixture(scope="module")
def model() -> networks.PostActivation:
    return networks.PostActivation()


@pytest.fixture(scope="module")
def explainer(model: networks.PostActivation) -> lrp.LRP:
    return lrp.LRP(model, "EpsilonPlus", torch.rand(1, 2, 4, 4))


GOOD = torch.rand(2, 2, 4, 4)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (torch.rand(2, 4, 4), r"shape \[B, 2, 4, 4\], not \[2, 4, 4\]"),
        (torch.rand(2, 3, 4, 4), r"shape \[B, 2, 4, 4\]"),
        (torch.zeros(0, 2, 4, 4), "batch is empty"),
        (torch.ones(2, 2, 4, 4, dtype=torch.int64), "floating point"),
        (torch.rand(2, 2, 4, 4).double(), "float32, not torch.float64"),
        (GOOD.clone().fill_(torch.nan), "NaN or Inf"),
        (GOOD.clone().fill_(torch.inf), "NaN or Inf"),
        ((GOOD, GOOD), "takes 1 inputs, not 2"),
        ("start", "tensor"),
        ([], "tensor"),
    ],
)
def test_inputs_of_another_shape_type_or_not_finite_are_refused(
    explainer: lrp.LRP, inputs: object, says: str
) -> None:
    with pytest.raises(lrp.InvalidInput, match=says):
        explainer.attribute(inputs, 0, output=0)


@pytest.mark.parametrize(
    ("target", "output", "says"),
    [
        (5, 0, "out of range"),
        (-6, 0, "out of range"),
        (torch.tensor([0, 9]), 0, "out of range"),
        (torch.tensor([0, 1, 2]), 0, r"shape \[2\], not \[3\]"),
        (torch.rand(2, 4), 0, "shape"),
        (torch.full((2, 5), torch.nan), 0, "NaN"),
        (None, 0, "give a target"),
        (True, 0, "not bool"),
        ("best", 0, "not str"),
        (0, None, "2 outputs"),
        (0, 2, "no output 2"),
        (0, "polcy", "no output 'polcy'"),
        (lambda y: y.sum(), 0, "one number a sample"),
        (lambda y: torch.zeros(2), 0, "does not depend"),
        (lambda y: y[:, 0] * y[:, 1], 0, "not linear"),
        (lambda y: y[:, 0] + 1, 0, "not linear"),
    ],
)
def test_targets_that_cannot_be_explained_are_refused(
    explainer: lrp.LRP, target: object, output: object, says: str
) -> None:
    with pytest.raises(lrp.InvalidTarget, match=says):
        explainer.attribute(GOOD, target, output=output)


@pytest.mark.parametrize("indices", [[5], [-6], [], [0.5], torch.rand(2), [[0]]])
def test_attribute_each_refuses_indices_that_are_not_there(
    explainer: lrp.LRP, indices: object
) -> None:
    with pytest.raises(lrp.InvalidTarget):
        explainer.attribute_each(GOOD, indices, output=0)


@pytest.mark.parametrize(
    "through", [{"conv9": [0]}, {"conv1": [5]}, {"conv1": torch.ones(3, 3, dtype=torch.bool)}]
)
def test_conditions_on_layers_or_channels_that_do_not_exist_are_refused(
    explainer: lrp.LRP, through: dict
) -> None:
    with pytest.raises(lrp.InvalidTarget):
        explainer.attribute(GOOD, 0, output=0, through=through)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: rules.AlphaBeta(2.0, 2.0), "alpha − beta must be 1"),
        (lambda: rules.AlphaBeta(0.0, -1.0), "both ≥ 0"),
        (lambda: rules.Epsilon(epsilon=-1e-6), "epsilon"),
        (lambda: rules.Epsilon(epsilon=float("nan")), "epsilon"),
        (lambda: rules.Gamma(-0.1), "gamma"),
        (lambda: rules.ZBox(1.0, 0.0), "low"),
        (lambda: rules.ZBox(0.0, float("inf")), "low"),
        (lambda: rules.ZPlus(bias="keep"), "unknown bias mode 'keep'; known: sink"),
        (lambda: lrp.composites.EpsilonPlus(bias="drop"), "unknown bias mode"),
    ],
)
def test_impossible_rules_are_refused(make: object, says: str) -> None:
    with pytest.raises(lrp.RuleError, match=says):
        make()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: lrp.Composite(("conv9", rules.ZPlus())),
            "no layer is named 'conv9'; layers: stem",
        ),
        (lambda: lrp.Composite(("maxpool", rules.AsAverage())), "matches none"),
        (lambda: "EpsilonPlos", "unknown composite 'EpsilonPlos'; known: EpsilonPlus"),
        (lambda: lrp.Composite((nn.Conv2d, "z+")), "rules or composites"),
        (lambda: lrp.Composite((3, rules.ZPlus())), "a selector is"),
        (lambda: 3, "a composite is"),
    ],
)
def test_composites_that_match_nothing_are_refused(
    model: nn.Module, make: object, says: str
) -> None:
    with pytest.raises(lrp.CompositeError, match=says):
        lrp.LRP(model, make(), GOOD)


def test_a_rule_that_does_not_fit_its_layer_is_refused(model: nn.Module) -> None:
    with pytest.raises(lrp.RuleError, match="no rule for the affine layer stem: its output"):
        lrp.LRP(model, lrp.Composite(("stem", rules.Pass())), GOOD)
    with pytest.raises(lrp.RuleError, match="Stop is no rule for the affine layer conv1"):
        lrp.LRP(model, lrp.Composite(("conv1", rules.Stop())), GOOD)


def test_an_empty_batch_is_refused(explainer: lrp.LRP) -> None:
    for call in (
        lambda: lrp.LRP(nn.Linear(2, 2), rules.Zero(), torch.rand(0, 2)),
        lambda: explainer.attribute(GOOD[:0], 0, output=0),
    ):
        with pytest.raises(lrp.InvalidInput, match="the batch is empty"):
            call()


def test_random_numbers_refuse_only_the_outputs_that_need_them() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x * 2, x + torch.rand(2).detach()

    explainer = lrp.LRP(Noisy(), rules.Zero(), torch.rand(1, 2))
    assert float(explainer.attribute(torch.ones(1, 2), 1, output=0).target) == 2
    with pytest.raises(lrp.UnsupportedOperation, match="it is random"):
        explainer.attribute(torch.ones(1, 2), 1, output=1)


def test_weights_that_are_not_finite_are_refused() -> None:
    model = nn.Linear(2, 2)
    explainer = lrp.LRP(model, rules.Zero(), torch.rand(1, 2))
    with torch.no_grad():
        model.weight[0, 0] = torch.nan
    with pytest.raises(lrp.InvalidInput, match="parameter weight contains NaN"):
        explainer.attribute(torch.rand(1, 2), 0)


def test_an_unknown_operation_is_named_with_its_place_and_the_remedy() -> None:
    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.special.bessel_j0(x)

    with pytest.raises(
        lrp.UnsupportedOperation, match=r"special_bessel_j0.* in 1.*register_operation"
    ):
        lrp.LRP(nn.Sequential(nn.Linear(2, 2), Inner()), rules.Zero(), torch.rand(1, 2))


def test_control_flow_that_reads_the_data_is_refused() -> None:
    class Branch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if x.sum() > 0 else x

    with pytest.raises(lrp.UnsupportedOperation, match="Branch") as caught:
        lrp.LRP(Branch(), rules.Zero(), torch.rand(1, 2))
    assert "register_operation" not in str(caught.value)
    assert "test_errors.py, line" in str(caught.value) and "x.sum() > 0" in str(caught.value)


def test_an_operation_that_no_rule_could_mend_is_refused_without_that_advice() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.rand_like(x).relu()

    class Mixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum(0, keepdim=True)

    for model, says in ((Mixed(), "mixes the samples"), (Noisy(), "random")):
        with pytest.raises(lrp.UnsupportedOperation, match=says) as caught:
            lrp.LRP(model, rules.Zero(), torch.rand(2, 2))
        assert "register_operation" not in str(caught.value)


class TwoHeads(nn.Module):
    """A linear head, and one of a function that has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.linear(x), torch.special.bessel_j0(x)


def test_an_operation_without_a_rule_refuses_only_the_outputs_that_need_it() -> None:
    model, x = TwoHeads(), torch.randn(2, 4)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    torch.testing.assert_close(explainer.attribute(x, 1, output=0).target, model(x)[0][:, 1])
    r = explainer.attribute(x, lambda ys: ys[0].sum(1))
    torch.testing.assert_close(r.target, model(x)[0].sum(1))
    for output, target in ((1, 0), (None, lambda ys: ys[0].sum(1) + ys[1].sum(1))):
        with pytest.raises(lrp.UnsupportedOperation, match="bessel_j0"):
            explainer.attribute(x, target, output=output)


def test_a_preset_explains_a_model_without_layers_of_its_kinds() -> None:
    x = torch.tensor([[[[1.0, 2.0], [5.0, 6.0]]]])
    r = lrp.LRP(nn.MaxPool2d(2), "EpsilonPlusFlat", x).attribute(x)
    assert r.input.flatten().tolist() == [0, 0, 0, 6]


def test_every_error_is_an_lrp_error_and_a_value_error() -> None:
    for error in (
        lrp.CompositeError,
        lrp.InvalidInput,
        lrp.InvalidTarget,
        lrp.RuleError,
        lrp.UnsupportedOperation,
    ):
        assert issubclass(error, lrp.LRPError) and issubclass(error, ValueError)


def test_an_output_behind_complex_numbers_names_the_operation_and_its_line() -> None:
    class Spectral(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x * 2, torch.linalg.eigvals(x[:, :, None] * x[:, None, :]).real

    x = torch.rand(2, 3)
    explainer = lrp.LRP(Spectral(), lrp.rules.Zero(), x)
    explainer.attribute(x, 1, output=0)
    with pytest.raises(lrp.UnsupportedOperation, match=r"eigvals.*test_errors\.py, line \d+"):
        explainer.attribute(x, 1, output=1)
