"""Models called as their users call them: keywords, dicts, None, masks, caches; dataclasses come back."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lrp


class Cache:
    """Keys and values of the tokens so far, kept in lists that begin with empty tensors."""

    def __init__(self, layers: int) -> None:
        self.keys = [torch.tensor([]) for _ in range(layers)]
        self.values = [torch.tensor([]) for _ in range(layers)]

    def update(self, key: Tensor, value: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """The tokens so far, with new ones at the end."""
        self.keys[layer] = torch.cat([self.keys[layer], key], dim=-2)
        self.values[layer] = torch.cat([self.values[layer], value], dim=-2)
        return self.keys[layer], self.values[layer]


@dataclass
class Output(OrderedDict):
    """What is not None, by key, by place and by attribute."""

    logits: Tensor | None = None
    loss: Tensor | None = None
    past_key_values: Cache | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) is not None:
                self[field.name] = getattr(self, field.name)


class Attention(nn.Module):
    """Causal attention of one head over the cache and the tokens that are not padding."""

    def __init__(self, width: int, layer: int) -> None:
        super().__init__()
        self.layer, self.qkv, self.out = layer, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        if cache is not None:
            k, v = cache.update(k, v, self.layer)
        with torch.autocast("cpu", enabled=False):
            scores = (q @ k.transpose(-1, -2)) * x.shape[-1] ** -0.5
        seen = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).tril(k.shape[1] - q.shape[1])
        if mask is not None:
            seen = seen & mask[:, None].bool()
        return self.out(scores.masked_fill(~seen, -1e9).softmax(-1) @ v)


class Language(nn.Module):
    """Next-token logits over ids or vectors, written in the manner of model libraries."""

    def __init__(self, width: int = 8, words: int = 20) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(words, width), nn.Embedding(32, width)
        self.blocks = nn.ModuleList(Attention(width, i) for i in range(2))
        self.head = nn.Linear(width, words)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool = True,
        return_dict: bool = True,
    ) -> Any:
        x = (
            self.table(input_ids.view(-1, input_ids.shape[-1]))
            if inputs_embeds is None
            else inputs_embeds
        )
        cache = (past_key_values or Cache(2)) if use_cache else None
        with torch.no_grad():
            places = torch.arange(x.shape[1], device=x.device)
        x = x + self.places(places)
        for block in self.blocks:
            x = x + block(x, attention_mask, cache)
        logits = self.head(x)
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        if not return_dict:
            return (logits, cache)
        return Output(logits=logits, loss=loss, past_key_values=cache)


IDS, MASK = torch.tensor([[3, 5, 7, 2], [4, 4, 9, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.fixture(scope="module")
def model() -> Language:
    torch.manual_seed(0)
    return Language().double().eval()


@pytest.fixture(scope="module")
def explainer(model: Language) -> lrp.LRP:
    return lrp.LRP(model, "AttnLRP", input_ids=IDS, attention_mask=MASK)


def test_keywords_with_masks_and_caches_are_explained(model: Language, explainer: lrp.LRP) -> None:
    batch = {"input_ids": IDS, "attention_mask": MASK}
    r = explainer.attribute(**batch, target=(2, 11))
    torch.testing.assert_close(r.target, model(**batch).logits[:, 2, 11].detach())
    assert list(r.input) == list(batch) and r.input["input_ids"].shape == IDS.shape
    assert not r.input["attention_mask"].any() and not r.input["input_ids"][1, 3]
    assert float(r.closure.abs().max()) < 1e-12
    assert r.inputs[0] is r.input["input_ids"]


def test_another_way_to_call_the_model_is_captured_when_it_is_first_seen(
    model: Language, explainer: lrp.LRP
) -> None:
    vectors = model.table(IDS).detach()
    whole = explainer.attribute(input_ids=IDS, target=(2, 11))
    r = explainer.attribute(inputs_embeds=vectors, use_cache=False, target=(2, 11))
    torch.testing.assert_close(r.input["inputs_embeds"].sum(-1), whole.input["input_ids"])
    assert list(r.input) == ["inputs_embeds"]


def test_a_cache_that_is_given_is_an_input_and_stays_as_it_was(model: Language) -> None:
    with torch.no_grad():
        past = model(IDS, MASK).past_key_values
    given = {"input_ids": IDS[:, :1], "past_key_values": past}
    before = [x.clone() for x in past.keys + past.values]
    r = lrp.LRP(model, "AttnLRP", **given).attribute(**given, target=(0, 3))
    assert all(torch.equal(a, b) for a, b in zip(before, past.keys + past.values, strict=True))
    kept = r.input["past_key_values"]
    assert kept["keys"][1].shape == past.keys[1].shape and bool(kept["values"][1].any())
    assert float(r.closure.abs().max()) < 1e-12


def test_a_function_of_several_outputs_finds_them_by_name_and_place(model: Language) -> None:
    explainer = lrp.LRP(model, "AttnLRP", input_ids=IDS, labels=IDS)
    targets = (lambda y: y.logits[:, 2, 5], lambda y: y["logits"][:, 2, 5], lambda y: y[0][:, 2, 5])
    found = [explainer.attribute(input_ids=IDS, labels=IDS, target=t) for t in targets]
    expected = explainer.attribute(input_ids=IDS, labels=IDS, target=(2, 5), output="logits")
    for r in found:
        torch.testing.assert_close(r.input["input_ids"], expected.input["input_ids"])
    with pytest.raises(lrp.InvalidTarget, match="no output 'scores': outputs are logits, loss"):
        explainer.attribute(input_ids=IDS, labels=IDS, target=lambda y: y.scores[:, 0, 0])


class OfParts(nn.Module):
    """Takes a dict of parts with a list in it, an option and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, parts: dict[str, Any], extra: Tensor | None, scale: float = 1.0) -> Tensor:
        h = self.a(parts["left"]) * scale + sum(self.b(x) for x in parts["right"])
        return h if extra is None else h + extra


def test_nested_arguments_come_back_in_their_own_form() -> None:
    model = OfParts().double().eval()
    left, right = torch.randn(2, 3).double(), [torch.randn(2, 3).double() for _ in range(2)]
    call = ({"left": left, "right": right, "note": "x"}, None)
    explainer = lrp.LRP(model, lrp.rules.Zero(), *call, scale=2.0)
    r = explainer.attribute(*call, 1, scale=2.0)
    torch.testing.assert_close(r.target, model(*call, scale=2.0)[:, 1].detach())
    torch.testing.assert_close(r.input["parts"]["left"], 2 * left * model.a.weight[1].detach())
    torch.testing.assert_close(r.input["parts"]["right"][1], right[1] * model.b.weight[1].detach())
    r = explainer.attribute(*call, target=1, scale=3.0)
    torch.testing.assert_close(r.target, model(*call, scale=3.0)[:, 1].detach())


class Mixed(nn.Module):
    """A linear layer in a region of lower precision behind a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            h = torch.relu(self.a(x))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = torch.relu(self.b(h)) + 1
        with torch.enable_grad():
            return self.c(h.float())


def test_regions_of_autocast_and_gradient_modes_are_part_of_the_model() -> None:
    torch.manual_seed(0)
    model, x = Mixed().eval(), torch.randn(3, 4)
    r = lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1)
    torch.testing.assert_close(r.target, model(x)[:, 1].detach(), atol=1e-6, rtol=1e-5)
    moved = r.input.abs().sum() + sum(b.abs().sum() for b in r.bias.values())
    assert float(r.closure.abs().max()) < 1e-2 * float(moved) and bool(r.input.any())


def test_hooks_that_look_on_see_real_tensors_and_others_are_part_of_the_model() -> None:
    torch.manual_seed(0)
    model, x, seen = (
        nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).eval(),
        torch.randn(2, 4),
        [],
    )
    model[0].register_forward_hook(lambda m, args, out: seen.append(out.numpy().sum()))
    model[1].register_forward_pre_hook(lambda m, args: seen.append(args[0].tolist()))
    model[2].register_forward_hook(lambda m, args, out: 2 * out)
    r = lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1)
    with torch.no_grad():
        torch.testing.assert_close(r.target, model(x)[:, 1])
    assert seen


def test_other_names_of_an_operation_are_that_operation() -> None:
    class Spelled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = torch.subtract(torch.multiply(x, 3.0), torch.divide(x, torch.tensor(2.0)))
            return torch.concat([torch.negative(y), y.clip(0.0)], 1).multiply_(2)

    x = torch.randn(2, 3)
    r = lrp.LRP(Spelled(), lrp.rules.Zero(), x).attribute(x, 4)
    torch.testing.assert_close(r.target, 5 * x[:, 1].clamp(0))
    torch.testing.assert_close(r.input[:, 1], r.target)


def test_an_operation_without_a_rule_is_refused_with_its_line() -> None:
    class Gamma(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return torch.special.gammaln(x) + y

    x = torch.randn(2, 3, 4)
    with pytest.raises(
        lrp.UnsupportedOperation, match=r"test_calls\.py, line \d+, `return torch.special.gammaln"
    ):
        lrp.LRP(Gamma(), "EpsilonPlus", x, x)


def test_calls_without_a_tensor_or_with_too_much_are_refused(explainer: lrp.LRP) -> None:
    with pytest.raises(lrp.InvalidInput, match="a tensor among it"):
        lrp.LRP(nn.Linear(2, 2), lrp.rules.Zero(), "x", use_cache=True)
    with pytest.raises(lrp.InvalidInput, match="takes 0 inputs, not 2"):
        explainer.attribute(IDS, 3, attention_mask=MASK)
    with pytest.raises(lrp.InvalidInput, match="the model does not take inputs like these"):
        explainer.attribute(attention_mask=MASK, no_such_word=1, target=1)


class Lazy(dict):
    """A mapping that imports what it names when its values are asked for, and cannot."""

    def values(self) -> Any:
        raise ValueError("no such module")


class WithLazyMapping(nn.Module):
    """A model that holds one, as models of large libraries do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.known = Lazy(scale=2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) * self.known["scale"]


def test_a_mapping_that_computes_its_values_is_seen_as_it_is_stored() -> None:
    model, x = WithLazyMapping().double(), torch.randn(2, 3, dtype=torch.float64)
    before = lrp.LRP(model, "EpsilonPlus", x).attribute(x, 0)
    model.known["scale"] = 4.0
    after = lrp.LRP(model, "EpsilonPlus", x).attribute(x, 0)
    assert torch.allclose(after.target, 2 * before.target)
