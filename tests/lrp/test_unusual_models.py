"""Legal but unusual models and inputs: memory layouts, precisions, wrappers, parametrised weights, writes in place."""

from __future__ import annotations

import copy
import threading
import types
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.ao import quantization
from torch.nn.utils import parametrizations, prune

import lrp
from tests.lrp import networks


@pytest.fixture(scope="module")
def model() -> nn.Module:
    made = networks.VggLike()
    networks.randomise(made, 1)
    return made.eval()


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(3, *networks.VggLike.shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def expected(model: nn.Module, x: Tensor) -> Tensor:
    return explained(model, x).input


def explained(model: nn.Module, x: Tensor) -> lrp.Relevance:
    return lrp.LRP(model, "EpsilonPlusFlat", x).attribute(x, 1)


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "not contiguous": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "a slice of something larger": lambda x: torch.cat([x, x], 1)[:, :2],
    "wanting a gradient": lambda x: x.clone().requires_grad_(True),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_in_any_layout_get_the_same_map_without_history(
    model: nn.Module, x: Tensor, expected: Tensor, layout: str
) -> None:
    found = explained(model, LAYOUTS[layout](x)).input
    same(found, expected)
    assert not found.requires_grad


def test_explanations_work_inside_inference_mode_and_on_its_tensors(
    model: nn.Module, x: Tensor, expected: Tensor
) -> None:
    with torch.inference_mode():
        made = x.clone()
        explainer = lrp.LRP(model, "EpsilonPlusFlat", made)
        same(explainer.attribute(made, lambda y: y[:, 1]).input, expected)
        same(explainer.attribute_each(made, [1]).input[0], expected)
    same(explainer.attribute(made, 1).input, expected)


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "torch.compile": lambda m: torch.compile(m, backend="eager"),  # type: ignore[return-value]
    "DataParallel": nn.DataParallel,
    "channels last": lambda m: m.to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_model_is_explained_under_its_own_names(
    model: nn.Module, x: Tensor, expected: Tensor, wrapper: str
) -> None:
    r = explained(WRAPPERS[wrapper](copy.deepcopy(model)), x)
    same(r.input, expected)
    assert "features.0" in r.layers


@pytest.mark.parametrize(
    ("dtype", "like"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)], ids=str
)
def test_half_precision_gives_the_same_map_as_far_as_it_resolves(
    model: nn.Module, x: Tensor, expected: Tensor, dtype: torch.dtype, like: float
) -> None:
    r = explained(copy.deepcopy(model).to(dtype), x.to(dtype))
    assert r.input.dtype == dtype and bool(torch.isfinite(r.input).all())
    error = (r.input.float() - expected).norm() / expected.norm()
    assert error <= 10 * like


REPARAMETRISED: dict[str, Callable[[nn.Module], object]] = {
    "weight norm": parametrizations.weight_norm,
    "weight norm by a hook": nn.utils.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
}


@pytest.mark.parametrize("how", REPARAMETRISED)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_weight_computed_from_others_is_followed_when_they_change(how: str) -> None:
    layer = nn.Linear(4, 3).double()
    REPARAMETRISED[how](layer)
    layer.eval()
    z = torch.randn(2, 4, dtype=torch.float64)
    explainer = lrp.LRP(layer, lrp.rules.Zero(), z)
    for _ in range(2):
        with torch.no_grad():
            y = layer(z)
        r = explainer.attribute(z, 1)
        torch.testing.assert_close(r.target, y[:, 1])
        torch.testing.assert_close(r.input, z * layer.weight[1].detach())
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.mul_(1.5)


def test_a_weight_used_by_two_layers_and_transposed_is_read_where_it_is() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 6, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.linear(self.a(x).relu(), self.a.weight.t())

    tied, z = Tied(), torch.rand(2, 4)
    explainer = lrp.LRP(tied, lrp.rules.Zero(), z)
    with torch.no_grad():
        tied.a.weight.mul_(2)
    torch.testing.assert_close(explainer.attribute(z, 1).target, tied(z)[:, 1].detach())


class ThroughView(nn.Module):
    """Writes into a view; the whole is read afterwards."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        part = y[:, 1:]
        part.add_(1.0)
        part.relu_()
        return y @ torch.ones(3, 2, dtype=x.dtype)


class ThroughBase(nn.Module):
    """Changes the whole; a view made before is read afterwards."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 1.0
        part = y[:, 1:]
        y.mul_(2)
        y[:, 0] = 7.0
        return part @ torch.ones(2, 2, dtype=x.dtype)


@pytest.mark.parametrize("kind", [ThroughView, ThroughBase], ids=lambda kind: kind.__name__)
def test_writes_in_place_that_a_view_shares_are_seen(kind: type[nn.Module]) -> None:
    z = torch.randn(4, 3, dtype=torch.float64)
    r = lrp.LRP(kind(), lrp.rules.Zero(), z).attribute(z, 0)
    torch.testing.assert_close(r.target, kind()(z)[:, 0])
    assert r.closure.abs().max() < 1e-12


def test_a_model_that_fixes_its_batch_size_is_captured_again_for_another() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.take_along_dim(x, torch.tensor([[0, 1]]).expand(x.shape[0], -1), 1)

    z = torch.randn(3, 5)
    explainer = lrp.LRP(Fixed(), lrp.rules.Zero(), z[:1])
    for batch in (3, 1, 2):
        torch.testing.assert_close(explainer.attribute(z[:batch], 1).input[:, 1], z[:batch, 1])


@pytest.mark.parametrize(
    ("forward", "says"),
    [
        (lambda x: x + torch.rand(x.shape[0], 3), "it is random"),
        (lambda x: nn.functional.dropout(x, 0.5, True), "dropout.*it is random"),
        (lambda x: torch.fft.rfft(x).abs(), "complex numbers"),
        (lambda x: x - x.mean(), "mixes the samples"),
        (
            lambda x: torch.einsum("bi,bi,bi->bi", x, x, x),
            "einsum of 3 tensors.*register_operation",
        ),
    ],
)
def test_what_cannot_be_explained_is_refused_by_name(
    forward: Callable[[Tensor], Tensor], says: str
) -> None:
    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return forward(x)

    with pytest.raises(lrp.UnsupportedOperation, match=says):
        lrp.LRP(Model(), lrp.rules.Zero(), torch.rand(2, 3))


def test_what_torch_vmap_computes_is_captured() -> None:
    """Models of transformers 4.5x make their attention masks so."""

    class Masked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            places = torch.arange(x.shape[1])
            inner = torch.vmap(lambda i, j: j <= i, (None, 0))
            mask = torch.vmap(inner, (0, None))(places, places)
            return torch.where(mask, x[:, None], 0.0).sum(2)

    x = torch.rand(2, 3)
    r = lrp.LRP(Masked(), lrp.rules.Zero(), x).attribute(x, 1)
    torch.testing.assert_close(r.input, x * torch.tensor([1.0, 1.0, 0.0]))


def test_an_output_that_no_relevance_can_leave_is_refused() -> None:
    class Counts(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x > 0).float().sum(1, keepdim=True)

    with pytest.raises(lrp.InvalidTarget, match="depends on no input"):
        lrp.LRP(Counts(), lrp.rules.Zero(), torch.rand(2, 3)).attribute(torch.rand(2, 3), 0)


def test_a_model_may_hold_what_cannot_be_copied() -> None:
    class Locked(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 2)
            self.lock, self.library = threading.Lock(), torch.nn.functional
            self.settings = {"view": types.MappingProxyType({"scale": 2.0})}

        def forward(self, x: Tensor) -> Tensor:
            with self.lock:
                return self.library.relu(super().forward(x)) * self.settings["view"]["scale"]

    model, x = Locked(), torch.rand(2, 3)
    r = lrp.LRP(model, lrp.rules.Zero(), x).attribute(x, 1)
    torch.testing.assert_close(r.target, model(x)[:, 1].detach())


class Quantised(nn.Module):
    """A convolution and a linear layer between the stubs that static quantisation needs."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.linear = nn.Conv2d(1, 2, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.linear(self.conv(self.enter(x)).flatten(1)))


@pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="no engine for integers here"
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("static", [False, True])
def test_a_quantised_module_is_named_and_what_is_explained_instead(static: bool) -> None:
    model, x = Quantised().eval(), torch.randn(2, 1, 4, 4)
    if static:
        model.qconfig = quantization.get_default_qconfig("fbgemm")
        prepared = quantization.prepare(model)
        prepared(x)
        other = quantization.convert(prepared)
    else:
        other = quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    named = r"Quantize in enter" if static else r"Linear in linear"
    with pytest.raises(
        lrp.UnsupportedOperation, match=f"quantized.*{named} .*explain the floating point model"
    ):
        lrp.LRP(other, "EpsilonPlus", x)
    assert torch.allclose(lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1).target, model(x)[:, 1])


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_model_that_asks_for_gradients_is_explained_as_it_is_without(create_graph: bool) -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) * (2.0 if torch.is_grad_enabled() else 1.0)

    model, x = Asking().eval(), torch.randn(2, 4)
    with torch.no_grad():
        wanted = model(x)[:, 1]
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            explainer = lrp.LRP(model, "EpsilonPlus", x)
            found = explainer.attribute(x, 1, create_graph=create_graph)
            assert torch.allclose(found.target, wanted)
            assert float(found.closure.detach().abs().max()) < 1e-6
