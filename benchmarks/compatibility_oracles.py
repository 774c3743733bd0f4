"""Maps of Zennit, Captum and LXT beside ours, in float64; and why a library does not see a model's operations."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

import lrp
from benchmarks.compatibility_models import Case, transformer
from lrp import rules
from lrp.composites import Layer

LXT = {"bert": "bert", "gpt2": "gpt2", "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""Models of the table that LXT's package has a patch for, and the module of transformers that it patches."""
TINY = 1e-14
"""ε where another library has none (LXT), or has it in max pooling too, where ours has none (Captum)."""


def compared(group: str, name: str, case: Case, explainer: lrp.LRP) -> str:
    """What the other libraries' maps say of a model, in words: the distance, or why there is none."""
    if group == "transformers":
        return _lxt(name) if name in LXT else "no oracle has a patch for it"
    seen = unseen(explainer)
    if seen:
        return f"Zennit, Captum: {seen}"
    pictures = case.args[0].double()
    model = deepcopy(case.model).double()
    found = _zennit(_exactly_merged(model), pictures, int(case.target))
    return f"Zennit {found:.0e}, {_captum(model, pictures, int(case.target))}"


def _exactly_merged(model: nn.Module) -> nn.Module:
    """The same function with every BatchNorm's ε inside its variance: Zennit merges norms but leaves their ε, twice."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            module.running_var += module.eps
            module.eps = 0.0
    return model


def unseen(explainer: lrp.LRP) -> str:
    """What a library that hooks modules does not see of a model; "" where it sees all."""
    for layer in explainer.program.layers:
        reason = _unseen(layer)
        if reason:
            return f"{reason} ({layer.name})"
    return ""


def _unseen(layer: Layer) -> str:
    kind = type(layer.module)
    if layer.kind == "sum" and kind.__module__ != "torchvision.models.resnet":
        return "a sum by function is not seen"
    if layer.kind in ("product", "matmul", "softmax"):
        return "a product by function is not seen"
    if layer.kind == "norm":
        return "no rule for this norm"
    if layer.kind == "average" and "AvgPool" not in kind.__name__:
        return "an average by function is not seen"
    return ""


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference of two maps, of the largest number of ours."""
    return float((ours - theirs).abs().max() / ours.abs().max())


def _zennit(model: nn.Module, x: Tensor, target: int) -> float:
    zennit = importlib.import_module("zennit.composites")
    canonizers = importlib.import_module("zennit.torchvision")
    attribution = importlib.import_module("zennit.attribution")
    composite = zennit.EpsilonPlus(canonizers=[canonizers.ResNetCanonizer()])
    with torch.no_grad():
        start = torch.zeros_like(model(x))
    start[:, target] = model(x)[:, target].detach()
    with attribution.Gradient(model=model, composite=composite) as attributor:
        _, theirs = attributor(x.clone().requires_grad_(True), start)
    mine = lrp.composites.EpsilonPlus(stabilizer=1e-6)
    return distance(lrp.LRP(model, mine, x).attribute(x, target).input, theirs)


def _captum(model: nn.Module, x: Tensor, target: int) -> str:
    """LRP-ε in every layer; to Captum BatchNorm is a layer of its own, and it refuses modules that it does not know."""
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        return "Captum: BatchNorm is a layer of its own"
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # its hooks fail on what is written in place
    attr = importlib.import_module("captum.attr")
    epsilon = importlib.import_module("captum.attr._utils.lrp_rules").EpsilonRule
    for module in model.modules():
        if not list(module.children()) and not isinstance(module, nn.ReLU | nn.Dropout):
            module.rule = epsilon(TINY)
    try:
        theirs = attr.LRP(model).attribute(x.clone().requires_grad_(True), target=target)
    except Exception as error:
        return f"Captum: {' '.join(str(error).split())[:60]}"
    ours = lrp.LRP(model, rules.Epsilon(epsilon=TINY), x).attribute(x, target).input
    return f"Captum {distance(ours, theirs.detach()):.0e}"


def _lxt(name: str) -> str:
    """LXT changes the library's classes for good, so it works in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.compatibility_oracles", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return f"LXT fails: {done.stderr.strip().splitlines()[-1][:100]}"
    theirs = torch.tensor(json.loads(done.stdout.splitlines()[-1]), dtype=torch.float64)
    case = transformer(name)
    model = case.model.double()
    rule = lrp.composites.AttnLRP(epsilon=TINY)
    explainer = lrp.LRP(model, rule, **case.batch)
    ours = explainer.attribute(**case.batch, target=case.target, output="logits")
    return f"LXT {distance(ours.input['input_ids'].double(), theirs):.0e}"


def _by_lxt(name: str) -> list[Any]:
    """The relevance of each token, by LXT."""
    patch: Callable[..., None] = importlib.import_module("lxt.efficient").monkey_patch
    part = LXT[name]
    patch(importlib.import_module(f"transformers.models.{part}.modeling_{part}"))
    case = transformer(name)
    model, batch = case.model.double(), dict(case.batch)
    ids = batch.pop("input_ids")
    vectors = model.get_input_embeddings()(ids).detach().requires_grad_(True)  # type: ignore[operator]
    model.requires_grad_(False)
    logits = model(inputs_embeds=vectors, **batch).logits
    place = case.target if isinstance(case.target, tuple) else (case.target,)
    logits[(slice(None), *place)].sum().backward()
    assert vectors.grad is not None
    return (vectors * vectors.grad).sum(-1).tolist()  # type: ignore[no-any-return]


if __name__ == "__main__":
    print(json.dumps(_by_lxt(sys.argv[1])))
