"""All identities of an explanation at once, on networks with random architectures."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

import lrp
from tests.lrp import random_networks
from tests.lrp.test_identities import LONG, QUICK, drawn_network, random_case, same_map, size


def close(found: Tensor, expected: Tensor, scale: Tensor) -> None:
    """Equal to 1e-10 of what the sample moves; scale [B]."""
    error = (
        (found - expected).abs().flatten(1).max(1).values
        if found.dim() > 1
        else (found - expected).abs()
    )
    assert bool((error <= 1e-10 * scale).all()), (error, scale)


def check_ledger(drawn: dict) -> None:
    """Closure and no NaN in every mode; sink and absorb alike bit for bit; what the other modes conserve."""
    explain, x = random_case(drawn)
    found = {mode: explain(drawn["composite"], mode, x) for mode in lrp.bias.MODES}
    for mode, r in found.items():
        everything = [
            r.input,
            r.closure,
            *r.bias.values(),
            *r.stabilizer.values(),
            *r.layers.values(),
        ]
        assert all(bool(torch.isfinite(t).all()) for t in everything), mode
        close(r.closure, torch.zeros_like(r.closure), size(r))
        if mode != "sink":
            assert not r.bias
            close(r.input_total + r.stabilizer_total, r.target, size(r))
    assert torch.equal(found["sink"].input, found["absorb"].input)


def check_without_biases(drawn: dict) -> None:
    """All biases 0: one map in every mode, and exactly no bias relevance."""
    explain, x = random_case(drawn, biased=False)
    sink = explain(drawn["composite"], "sink", x)
    assert all(not bool(t.any()) for t in sink.bias.values())
    for mode in lrp.bias.MODES:
        assert same_map(explain(drawn["composite"], mode, x).input, sink.input)


def biased_modules(net: nn.Module) -> dict[str, nn.Module]:
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
    return {name: module for name, module in net.named_modules() if isinstance(module, kinds)}


def own_bias(module: nn.Module, like: Tensor) -> Tensor:
    """What a module adds at its output at zero input: b, or β − μγ/σ of a BatchNorm; shaped like its output."""
    b = torch.zeros(like.shape[1]) if module.bias is None else module.bias.detach()
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        b = (
            b
            - module.running_mean
            * module.weight.detach()
            / (module.running_var + module.eps).sqrt()
        )
    return b.reshape(-1, *([1] * (like.dim() - 2))).to(like.dtype)


def check_gradients(drawn: dict) -> None:
    """LRP-0 = gradient × input and, with sink, R_bias = b·∂f/∂z per unit (FullGrad), by autograd as the oracle."""
    explain, x = random_case(drawn)
    net = random_networks.network(drawn["architecture"])
    r = explain("Zero", "sink", x)
    outputs: dict[str, Tensor] = {}
    source: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        def hook(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
            source[name], outputs[name] = given[0], made

        return hook

    handles = [m.register_forward_hook(keep(name)) for name, m in biased_modules(net).items()]  # type: ignore[arg-type]
    leaf = x.clone().requires_grad_(True)
    y = net(leaf)[:, drawn["target"]]
    for handle in handles:
        handle.remove()
    names = list(outputs)
    gradients = torch.autograd.grad(y.sum(), [leaf, *(outputs[name] for name in names)])
    scale = size(r)
    close(r.input, x * gradients[0], scale)
    expected: dict[str, Tensor] = {}
    for name, gradient in zip(names, gradients[1:], strict=True):
        kept = own_bias(net.get_submodule(name), gradient) * gradient
        folded = next((other for other in names if outputs[other] is source[name]), None)
        layer = folded if name not in r.layers and folded is not None else name
        expected[layer] = expected[layer] + kept if layer in expected else kept
    for name, kept in expected.items():
        close(r.bias.get(name, torch.zeros_like(kept)), kept, scale)
    assert set(r.bias) <= set(expected)


def check_scaling(drawn: dict, factor: float) -> None:
    """x → t·x and b → t·b scales every map of LRP-0 by t: powers of two, which break no tie of a maximum."""
    explain, x = random_case(drawn)
    before = explain("Zero", "sink", x)
    with torch.no_grad():
        for module in biased_modules(random_networks.network(drawn["architecture"])).values():
            for name in ("bias", "running_mean"):
                held = getattr(module, name, None)
                if held is not None:
                    held.mul_(factor)
    after = explain("Zero", "sink", x * factor)
    close(after.input, before.input * factor, size(before) * factor)
    for name, kept in before.bias.items():
        close(after.bias[name], kept * factor, size(before) * factor)


def check_all(drawn: dict) -> None:
    check_ledger(drawn)
    check_without_biases(drawn)
    check_gradients(drawn)
    check_scaling(drawn, [0.25, 4.0, 1024.0][drawn["seed"] % 3])


@given(drawn=drawn_network(architectures=4))
@settings(QUICK, max_examples=6)
def test_every_identity_holds_on_random_networks(drawn: dict) -> None:
    check_all(drawn)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(drawn=drawn_network(architectures=random_networks.ARCHITECTURES))
@LONG
def test_every_identity_holds_on_a_thousand_random_networks(drawn: dict) -> None:
    check_all(drawn)


@pytest.mark.long
@pytest.mark.timeout(14400)
@given(drawn=drawn_network(architectures=random_networks.ARCHITECTURES))
@settings(LONG, max_examples=100_000, database=None)
def test_the_ledger_closes_on_a_hundred_thousand_random_networks(drawn: dict) -> None:
    explain, x = random_case(drawn)
    mode = lrp.bias.MODES[drawn["seed"] % len(lrp.bias.MODES)]
    r = explain(drawn["composite"], mode, x)
    assert bool(torch.isfinite(r.input).all()), mode
    close(r.closure, torch.zeros_like(r.closure), size(r))
