"""The identities that every explanation must satisfy, on random networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import lrp
from lrp.composites import PRESETS
from tests.lrp import networks, random_networks

COMPOSITES = ("EpsilonPlus", "EpsilonPlusFlat", "EpsilonAlpha2Beta1Flat", "EpsilonGammaBox", "Zero")
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def model(kind: type[nn.Module], dtype: torch.dtype) -> nn.Module:
    return kind().to(dtype).eval()


@cache
def explainer(kind: type[nn.Module], dtype: torch.dtype, composite: str, mode: str) -> lrp.LRP:
    return lrp.LRP(
        model(kind, dtype), composed(composite, mode), torch.zeros(2, *kind.shape, dtype=dtype)
    )


def composed(composite: str, mode: str) -> lrp.Composite:
    """A preset, or LRP-0 in every layer with weights."""
    if composite != "Zero":
        return PRESETS[composite](bias=mode)
    return lrp.Composite(
        (lambda layer: layer.kind in ("conv", "linear", "norm"), lrp.rules.Zero()), bias=mode
    )


def inputs(kind: Any, dtype: torch.dtype, seed: int, scale: float, flavour: str) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(
        3, *getattr(kind, "shape", random_networks.SHAPE), generator=generator, dtype=dtype
    )
    if flavour == "board":
        x = x.sign() * (x.abs() > 0.7)
    if flavour == "zero":
        x = torch.zeros_like(x)
    if flavour == "one sample dead":
        x[1] = 0
    return x * scale


def explain(
    kind: type[nn.Module],
    composite: str,
    mode: str,
    x: Tensor,
    target: int = 0,
    dtype: torch.dtype = torch.float64,
) -> lrp.Relevance:
    names = explainer(kind, dtype, composite, mode).graph.output_names
    return explainer(kind, dtype, composite, mode).attribute(
        x, target, output=names[0], layers=True
    )


def size(r: lrp.Relevance) -> Tensor:
    """[B]: |target| or, where that is larger, the relevance that was moved at all (it may cancel)."""
    moved = torch.stack(
        [t.abs().flatten(1).sum(1) for t in r.layers.values() if t.shape[0] == len(r.target)]
    )
    return torch.maximum(r.target.abs(), moved.max(0).values) + 1e-30


network = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(networks.RECTIFIED),
        "seed": st.integers(0, 2**31),
        "flavour": st.sampled_from(["mixed", "board", "zero", "one sample dead"]),
        "scale": st.sampled_from([1.0, 1e-6, 1e6]),
        "weights": st.sampled_from([1.0, 1.0, 1e-3, 1e3]),
        "composite": st.sampled_from(COMPOSITES),
    }
)


def drawn_network(architectures: int) -> st.SearchStrategy[dict]:
    """A random architecture with random weights, some units dead, inputs and weights of any size."""
    return st.fixed_dictionaries(
        {
            "architecture": st.integers(0, architectures - 1),
            "seed": st.integers(0, 2**31),
            "flavour": st.sampled_from(["mixed", "board", "zero", "one sample dead"]),
            "scale": st.sampled_from([1.0, 1e-6, 1e6]),
            "weights": st.sampled_from([1.0, 1.0, 1e-3, 1e3]),
            "composite": st.sampled_from(COMPOSITES),
            "mode": st.sampled_from(lrp.bias.MODES),
            "target": st.integers(0, random_networks.OUTPUTS - 1),
        }
    )


Explain = Callable[[str, str, Tensor], lrp.Relevance]


@cache
def explainer_of(architecture: int, dtype: torch.dtype, composite: str, mode: str) -> lrp.LRP:
    net = random_networks.network(architecture, dtype)
    return lrp.LRP(
        net, composed(composite, mode), torch.zeros(2, *random_networks.SHAPE, dtype=dtype)
    )


def random_case(
    drawn: dict, dtype: torch.dtype = torch.float64, biased: bool = True
) -> tuple[Explain, Tensor]:
    """How to explain the drawn network under a composite and a bias mode, and its inputs."""
    net = random_networks.network(drawn["architecture"], dtype)
    random_networks.weigh(net, drawn["seed"], drawn["weights"], biased)
    x = inputs(random_networks, dtype, drawn["seed"], drawn["scale"], drawn["flavour"])

    def explained(composite: str, mode: str, x: Tensor) -> lrp.Relevance:
        return explainer_of(drawn["architecture"], dtype, composite, mode).attribute(
            x, drawn["target"], layers=True
        )

    return explained, x


def prepared(drawn: dict, dtype: torch.dtype = torch.float64, biased: bool = True) -> Tensor:
    networks.randomise(model(drawn["kind"], dtype), drawn["seed"], drawn["weights"], biased)
    return inputs(drawn["kind"], dtype, drawn["seed"], drawn["scale"], drawn["flavour"])


def check_whole_network(drawn: dict, mode: str) -> None:
    x = prepared(drawn)
    r = explain(drawn["kind"], drawn["composite"], mode, x)
    everything = [r.input, r.closure, *r.bias.values(), *r.stabilizer.values(), *r.layers.values()]
    assert all(bool(torch.isfinite(t).all()) for t in everything)
    assert bool((r.closure.abs() <= 1e-10 * size(r)).all()), (r, r.closure / size(r))
    if mode in ("uniform", "proportional", "project", "absorb", "ignore"):
        assert bool((r.bias_total.abs() <= 1e-10 * size(r)).all())


@given(drawn=network, mode=st.sampled_from(lrp.bias.MODES))
@QUICK
def test_the_target_is_input_plus_bias_plus_stabilizer_in_every_bias_mode(
    drawn: dict, mode: str
) -> None:
    check_whole_network(drawn, mode)


@given(drawn=network)
@QUICK
def test_sink_and_absorb_give_bitwise_the_same_map(drawn: dict) -> None:
    x = prepared(drawn)
    sink = explain(drawn["kind"], drawn["composite"], "sink", x)
    absorb = explain(drawn["kind"], drawn["composite"], "absorb", x)
    assert torch.equal(sink.input, absorb.input)
    assert not absorb.bias


def same_map(a: Tensor, b: Tensor) -> bool:
    """Whether two maps are equal but for rounding: 1e-12 of the largest relevance."""
    return bool((a - b).abs().max() <= 1e-12 * b.abs().max())


@given(drawn=network)
@QUICK
def test_without_biases_every_mode_gives_the_same_map_and_no_bias_relevance(drawn: dict) -> None:
    x = prepared(drawn, biased=False)
    found = {mode: explain(drawn["kind"], drawn["composite"], mode, x) for mode in lrp.bias.MODES}
    for r in found.values():
        assert same_map(r.input, found["sink"].input)
        assert all(not bool(t.any()) for t in r.bias.values())


@given(drawn=network, mode=st.sampled_from(["uniform", "proportional", "project"]))
@QUICK
def test_modes_that_send_the_bias_on_keep_nothing_of_it(drawn: dict, mode: str) -> None:
    r = explain(drawn["kind"], drawn["composite"], mode, prepared(drawn))
    rest = r.target - r.input_total - r.stabilizer_total
    assert bool((rest.abs() <= 1e-10 * size(r)).all())


@given(drawn=network)
@QUICK
def test_lrp_zero_equals_gradient_times_input_in_rectified_networks(drawn: dict) -> None:
    x = prepared(drawn)
    r = explain(drawn["kind"], "Zero", "sink", x)
    leaf = x.clone().requires_grad_(True)
    y = model(drawn["kind"], torch.float64)(leaf)
    y = y[0] if isinstance(y, tuple) else y
    expected = x * torch.autograd.grad(y[:, 0].sum(), leaf)[0]
    torch.testing.assert_close(
        r.input, expected, rtol=1e-10, atol=1e-10 * expected.abs().max().item()
    )


@given(drawn=network, factor=st.sampled_from([0.25, 3.0, 1e3]))
@QUICK
def test_scaling_inputs_and_biases_scales_the_map(drawn: dict, factor: float) -> None:
    kind = drawn["kind"]
    x = prepared(drawn)
    before = explain(kind, "Zero", "sink", x)
    with torch.no_grad():
        for module in model(kind, torch.float64).modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.mul_(factor)
            if getattr(module, "bias", None) is not None:
                module.bias.mul_(factor)
    after = explain(kind, "Zero", "sink", x * factor)
    torch.testing.assert_close(
        after.input,
        before.input * factor,
        rtol=1e-9,
        atol=1e-10 * (before.input.abs().max().item() * factor + 1e-300),
    )


@given(
    seed=st.integers(0, 2**31),
    composite=st.sampled_from(COMPOSITES),
    kind=st.sampled_from(networks.RECTIFIED),
)
@settings(QUICK, max_examples=15)
def test_closure_holds_in_float32_at_its_own_gate(
    seed: int, composite: str, kind: type[nn.Module]
) -> None:
    networks.randomise(model(kind, torch.float32), seed)
    r = explain(
        kind,
        composite,
        "sink",
        inputs(kind, torch.float32, seed, 1.0, "mixed"),
        dtype=torch.float32,
    )
    assert bool((r.closure.abs() <= 1e-4 * size(r)).all())


@given(seed=st.integers(0, 2**31), index=st.integers(0, 2))
@example(seed=0, index=0)
@settings(QUICK, max_examples=10)
def test_lrp_zero_with_sink_is_full_gradient_per_unit(seed: int, index: int) -> None:
    """R_bias = b·∂f/∂z (Srinivas and Fleuret 2019), where BatchNorm is folded: b = (0 − μ)γ/σ + β."""
    kind = networks.PostActivation
    net = model(kind, torch.float64)
    networks.randomise(net, seed)
    x = inputs(kind, torch.float64, seed, 1.0, "mixed")
    r = explain(kind, "Zero", "sink", x, index)
    kept: dict[str, Tensor] = {}
    with torch.enable_grad():
        handles = [
            module.register_forward_hook(lambda m, i, o, name=name: kept.setdefault(name, o))
            for name, module in net.named_modules()
            if isinstance(module, (nn.BatchNorm2d, nn.Linear))
        ]
        y = net(x)[0][:, index].sum()
        for handle in handles:
            handle.remove()
        names = [name for name in kept if name != "value"]
        gradients = dict(
            zip(names, torch.autograd.grad(y, [kept[name] for name in names]), strict=True)
        )
    layers = {"norm": "stem", "norm1": "conv1", "norm2": "conv2", "policy": "policy"}
    assert set(r.bias) == set(layers.values())
    for name, layer in layers.items():
        module = net.get_submodule(name)
        b = module.bias.detach()
        if isinstance(module, nn.BatchNorm2d):
            b = (
                b
                - module.running_mean
                * module.weight.detach()
                / (module.running_var + module.eps).sqrt()
            )
            b = b[:, None, None]
        torch.testing.assert_close(r.bias[layer], b * gradients[name], rtol=1e-10, atol=1e-12)
