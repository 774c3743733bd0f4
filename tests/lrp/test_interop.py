"""LRP in the hands of Captum and Quantus, where they are installed."""

from __future__ import annotations

import doctest
import importlib

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp.interop import quantus as ours


def network() -> nn.Sequential:
    torch.manual_seed(0)
    body = (nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(256, 5)).double().eval()


PIXELS = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
CLASSES = torch.tensor([1, 4, 0])


class Gated(nn.Module):
    """Two inputs and a factor."""

    def forward(self, x: Tensor, y: Tensor, factor: float = 1.0) -> Tensor:
        return (x + 2 * y) * factor


def test_noise_tunnel_takes_an_explainer() -> None:
    attr = pytest.importorskip("captum.attr")
    method = importlib.import_module("lrp.interop.captum").CaptumAttribution
    explainer = lrp.LRP(network(), "EpsilonPlus", PIXELS)
    own = explainer.attribute(PIXELS, CLASSES)
    found, delta = method(explainer).attribute(
        PIXELS, target=CLASSES, return_convergence_delta=True
    )
    assert torch.equal(found, own.input)
    torch.testing.assert_close(delta, own.bias_total + own.stabilizer_total)
    still = attr.NoiseTunnel(method(explainer)).attribute(
        PIXELS, target=CLASSES, stdevs=0.0, nt_samples=3
    )
    torch.testing.assert_close(still, own.input)
    torch.manual_seed(0)
    noisy = attr.NoiseTunnel(method(explainer)).attribute(PIXELS, target=CLASSES, stdevs=0.5)
    assert noisy.shape == PIXELS.shape and not torch.allclose(noisy, own.input)


def test_captums_metrics_measure_an_explainer() -> None:
    metrics = pytest.importorskip("captum.metrics")
    method = importlib.import_module("lrp.interop.captum").CaptumAttribution
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 5, bias=False)).double()
    exact = method(lrp.LRP(linear, lrp.rules.Zero(), PIXELS))

    def removed(x: Tensor) -> tuple[Tensor, Tensor]:
        gone = (torch.rand_like(x) < 0.3).to(x)
        return gone, x * (1 - gone)

    share = exact.attribute(PIXELS, target=CLASSES)
    torch.manual_seed(0)
    missed = metrics.infidelity(linear, removed, PIXELS, share, target=CLASSES, normalize=False)
    assert float(missed.max()) < 1e-20
    worse = metrics.infidelity(linear, removed, PIXELS, share.flip(3), target=CLASSES)
    assert float(worse.min()) > 1e-6
    moved = metrics.sensitivity_max(exact.attribute, PIXELS, target=CLASSES)
    assert moved.shape == (3,) and bool((moved > 0).all())


def test_captum_may_give_several_inputs_and_arguments_behind_them() -> None:
    pytest.importorskip("captum.attr")
    method = importlib.import_module("lrp.interop.captum").CaptumAttribution
    x, y = torch.rand(2, 3), torch.rand(2, 3)
    explainer = lrp.LRP(Gated(), lrp.rules.Zero(), x, y, 3.0)
    found = method(explainer).attribute((x, y), target=1, additional_forward_args=3.0)
    wanted = torch.zeros(2, 3)
    wanted[:, 1] = 1.0
    torch.testing.assert_close(found, (3 * x * wanted, 6 * y * wanted))


def test_quantus_calls_lrp_as_its_explain_func() -> None:
    quantus = pytest.importorskip("quantus")
    model = network().float()
    x, y = PIXELS.float().numpy(), CLASSES.numpy()
    own = lrp.LRP(model, "EpsilonPlusFlat", PIXELS.float()).attribute(PIXELS.float(), CLASSES)
    metric = quantus.MaxSensitivity(nr_samples=2, disable_warnings=True)
    asked = {"composite": "EpsilonPlusFlat"}
    scores = metric(model, x, y, device="cpu", explain_func=ours.explain, explain_func_kwargs=asked)
    assert len(scores) == 3 and all(score > 0 for score in scores)
    assert (ours.explain(model, x, y, **asked) == own.input.numpy()).all()


def test_an_array_is_explained_like_a_tensor() -> None:
    model = network()
    found = ours.explain(model, PIXELS.numpy(), CLASSES.numpy(), device="cpu", other=1)
    own = lrp.LRP(model, "EpsilonPlus", PIXELS).attribute(PIXELS, CLASSES)
    assert (found == own.input.numpy()).all()


@pytest.mark.parametrize("name", ["captum", "quantus"])
def test_the_examples_of_interop_run(name: str) -> None:
    if name == "captum":
        pytest.importorskip("captum")
    found = doctest.testmod(importlib.import_module(f"lrp.interop.{name}"))
    assert found.attempted and not found.failed
