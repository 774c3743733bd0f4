"""Explaining leaves no trace on the model, and many threads may explain one model at once."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
import torch
from torch import nn

import lrp
from tests.lrp import networks


def trace(model: nn.Module) -> dict[str, object]:
    """Everything about a model that an explanation could change."""
    return {
        "state": {
            name: (t.clone(), t._version, t.data_ptr())
            for name, t in model.state_dict(keep_vars=True).items()
        },
        "hooks": [
            (
                name,
                len(m._forward_hooks),
                len(m._forward_pre_hooks),
                len(m._backward_hooks),
                len(m._backward_pre_hooks),
            )
            for name, m in model.named_modules()
        ],
        "modes": [(name, m.training) for name, m in model.named_modules()],
        "grads": [(name, p.requires_grad, p.grad) for name, p in model.named_parameters()],
        "attributes": [(name, sorted(vars(m))) for name, m in model.named_modules()],
    }


def assert_same(before: dict[str, object], after: dict[str, object]) -> None:
    assert before["state"].keys() == after["state"].keys()
    for name, (t, version, place) in before["state"].items():
        other, version2, place2 = after["state"][name]
        assert torch.equal(t, other) and version == version2 and place == place2
    for key in ("hooks", "modes", "grads", "attributes"):
        assert before[key] == after[key]


@pytest.mark.parametrize(
    "kind", [networks.PostActivation, networks.AlphaZeroGeneralLike, networks.Transformer]
)
def test_nothing_about_the_model_changes(kind: type[nn.Module]) -> None:
    model = kind().train()
    next(iter(model.parameters())).requires_grad_(False)
    x = torch.randn(2, *kind.shape)
    before, rng = trace(model), torch.get_rng_state()
    explainer = lrp.LRP(model, "EpsilonPlusFlat", x)
    explainer.attribute(x, lambda y: y.flatten(1)[:, 0], output=0)
    explainer.attribute_each(x, [0, 1], output=0)
    with pytest.raises(lrp.InvalidTarget):
        explainer.attribute(x, 10_000, output=0)
    with pytest.raises(ZeroDivisionError):
        explainer.attribute(x, lambda y: 1 / 0, output=0)
    assert_same(before, trace(model))
    assert torch.equal(rng, torch.get_rng_state())
    assert not x.requires_grad and torch.is_grad_enabled()


def test_an_operation_without_a_rule_leaves_no_trace_either() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.matrix_exp(self.layer(x).unsqueeze(-1) * x.unsqueeze(-2)).sum(
                (1, 2)
            )

    model = Odd().train()
    before = trace(model)
    with pytest.raises(lrp.UnsupportedOperation):
        lrp.LRP(model, "EpsilonPlus", torch.rand(2, 4))
    assert_same(before, trace(model))


def test_eight_threads_on_one_model_get_the_maps_of_one_thread() -> None:
    model = networks.PostActivation()
    networks.randomise(model, 5)
    before = trace(model)
    torch.manual_seed(0)
    xs = [torch.randn(1, *networks.PostActivation.shape) for _ in range(40)]
    explainers = {
        name: lrp.LRP(model, name, xs[0])
        for name in ("EpsilonPlus", "EpsilonPlusFlat", "EpsilonGammaBox")
    }
    jobs = [(name, i % 5, x) for i, x in enumerate(xs) for name in explainers]

    def job(item: tuple[str, int, torch.Tensor]) -> torch.Tensor:
        name, target, x = item
        return explainers[name].attribute(x, target, output=0).input

    alone = [job(item) for item in jobs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(job, jobs))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    assert_same(before, trace(model))


def test_threads_may_make_explainers_of_one_model_while_others_run_it() -> None:
    model = networks.PostActivation().eval()
    x = torch.randn(2, *networks.PostActivation.shape)
    expected = model(x)[0]

    def make(i: int) -> torch.Tensor:
        if i % 2:
            return model(x)[0].detach()
        example = torch.randn(2 + i, *networks.PostActivation.shape)
        return lrp.LRP(model, "EpsilonPlus", example).attribute(x, 1, output=0).target

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(make, range(8)))
    for i, t in enumerate(found):
        torch.testing.assert_close(t, expected.detach() if i % 2 else expected.detach()[:, 1])


def test_a_changed_weight_is_seen_by_the_next_explanation() -> None:
    model = nn.Linear(3, 1, bias=False)
    explainer = lrp.LRP(model, lrp.rules.Zero(), torch.rand(1, 3))
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 2.0, 3.0]]))
    assert explainer.attribute(torch.ones(1, 3)).input.tolist() == [[1.0, 2.0, 3.0]]
    model.weight = nn.Parameter(torch.tensor([[4.0, 5.0, 6.0]]))
    assert explainer.attribute(torch.ones(1, 3)).input.tolist() == [[4.0, 5.0, 6.0]]


def test_a_function_that_another_thread_compiles_while_a_model_is_traced_is_compiled_right() -> (
    None
):
    numba = pytest.importorskip("numba")

    @numba.njit
    def larger(a: int, b: int) -> int:
        return max(a, b) - min(a, b)

    class Busy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            compilation.append(pool.submit(larger, 5, 3))
            wait(compilation, timeout=0.5)  # until it is finished, or held up by the tracing
            return self.layer(x)

    compilation: list[Future[int]] = []
    with ThreadPoolExecutor(1) as pool:
        lrp.LRP(Busy(), lrp.rules.Zero(), torch.rand(2, 3))
        assert {done.result(timeout=60) for done in compilation} == {2}
