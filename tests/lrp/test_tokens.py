"""Models over token ids: a token's relevance is the sum over its vector; other integers are constants."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp import baselines


class Text(nn.Module):
    """Token and position embeddings, an encoder layer with padding masked, the first token's head."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(5, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        self.head, self.batch_first = nn.Linear(8, 3), batch_first

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        x = x if self.batch_first else x.transpose(0, 1)
        x = self.block(x, src_key_padding_mask=ids == 0)
        return self.head(x[:, 0] if self.batch_first else x[0])


@pytest.mark.parametrize("batch_first", [True, False], ids=["batch first", "sequence first"])
def test_tokens_receive_the_sum_over_their_vectors(batch_first: bool) -> None:
    torch.manual_seed(0)
    model = Text(batch_first).double().eval()
    ids = torch.randint(1, 11, (3, 5))
    ids[0, 3:] = 0
    explainer = lrp.LRP(model, "EpsilonPlus", ids)
    r = explainer.attribute(ids, 1)
    torch.testing.assert_close(r.target, model(ids)[:, 1].detach())
    torch.testing.assert_close(r.input, r.layers["tokens"].sum(-1))
    assert r.input.shape == ids.shape and r.closure.abs().max() < 1e-12
    assert not bool(r.input[0, 3:].any()) and bool(r.input[1:].all())
    torch.testing.assert_close(explainer.attribute_each(ids, [2, 1]).input[1], r.input)
    torch.testing.assert_close(explainer.attribute(ids[1:2], 1).input[0], r.input[1])


def written(ids: Tensor) -> Tensor:
    """Ids shifted to the right behind a start token, as encoder-decoders shift them."""
    found = ids.new_zeros(ids.shape)
    found[:, 1:] = ids[:, :-1].clone()
    found[:, 0] = 1
    return found


WAYS = {
    "written behind a start": written,
    "taken apart": lambda ids: torch.stack(ids.unbind(1), 1),
    "in pairs": lambda ids: (3 * ids + ids.roll(1, 1)) % 12,
    "reshaped": lambda ids: ids.view(-1, ids.shape[-1]),
    "transposed twice": lambda ids: ids.t().contiguous().t(),
    "with an offset": lambda ids: ids + 2,
    "clamped": lambda ids: ids.clamp(max=6),
    "cast": lambda ids: ids.int().long(),
    "shifted right": lambda ids: nn.functional.pad(ids[:, :-1], (1, 0)),
    "masked": lambda ids: ids.masked_fill(ids == 3, 0),
}


class Relabelled(nn.Module):
    """Ids that are changed on their way to the table."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.table, self.head = way, nn.Embedding(12, 4), nn.Linear(4, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(torch.relu(self.table(WAYS[self.way](ids)))).mean(1)


@pytest.mark.parametrize("way", WAYS)
def test_ids_may_be_moved_and_relabelled_on_their_way_to_the_table(way: str) -> None:
    torch.manual_seed(1)
    model = Relabelled(way).double().eval()
    ids = torch.randint(1, 9, (3, 5))
    r = lrp.LRP(model, "EpsilonPlus", ids).attribute(ids, 1)
    vectors = r.layers["table"].sum(-1)
    torch.testing.assert_close(r.target, model(ids)[:, 1].detach())
    assert r.input.shape == ids.shape and r.closure.abs().max() < 1e-12
    expected = vectors
    if way == "in pairs":
        expected = (vectors + vectors.roll(-1, 1)) / 2
    if way in ("shifted right", "written behind a start"):
        expected = torch.cat([vectors[:, 1:], torch.zeros(3, 1, dtype=vectors.dtype)], 1)
    if way == "masked":
        expected = vectors.masked_fill(ids == 3, 0.0)
    torch.testing.assert_close(r.input, expected)


class SequenceFirst(nn.Module):
    """Ids transposed before they are looked up; `fixed`: with a batch size that the model knows."""

    def __init__(self, fixed: int | None) -> None:
        super().__init__()
        self.table, self.head, self.fixed = nn.Embedding(12, 4), nn.Linear(4, 3), fixed

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = torch.relu(self.table(ids.transpose(0, 1).contiguous()))
        if self.fixed is not None:
            x = x.reshape(5, self.fixed, 4)
        return self.head(x).mean(0)


@pytest.mark.parametrize("fixed", [None, 3], ids=["free", "fixed"])
def test_ids_may_be_looked_up_with_the_sequence_first(fixed: int | None) -> None:
    torch.manual_seed(0)
    model = SequenceFirst(fixed).double().eval()
    ids = torch.randint(0, 12, (3, 5))
    mask = torch.ones_like(ids)
    explainer = lrp.LRP(model, "EpsilonPlus", ids, mask)
    r = explainer.attribute(ids, mask, 1)
    torch.testing.assert_close(r.target, model(ids, mask)[:, 1].detach())
    torch.testing.assert_close(r.inputs[0], r.layers["table"].sum(-1).T)
    assert float(r.closure.abs().max()) < 1e-12 and not bool(r.inputs[1].any())


class Averaged(nn.Module):
    """The mean over the tokens that an integer mask shows, with places counted by it."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.places, self.head = nn.Embedding(9, 4), nn.Embedding(6, 4), nn.Linear(4, 2)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self.table(ids) + self.places(mask.cumsum(1))
        return self.head((torch.relu(x) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def test_an_integer_mask_is_a_constant_without_relevance() -> None:
    torch.manual_seed(0)
    model = Averaged().double().eval()
    ids, mask = torch.randint(0, 9, (2, 5)), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    r = lrp.LRP(model, "EpsilonPlus", (ids, mask)).attribute((ids, mask), 1)
    torch.testing.assert_close(r.target, model(ids, mask)[:, 1].detach())
    assert r.inputs[1].shape == mask.shape and not bool(r.inputs[1].any())
    assert not bool(r.inputs[0][1, 3:].any()) and bool(r.inputs[0][0].all())
    assert float(r.closure.abs().max()) < 1e-12


def test_prompts_of_several_lengths_are_explained_by_one_explainer() -> None:
    torch.manual_seed(0)
    model = Text().double().eval()
    model.places = nn.Embedding(20, 8).double()
    explainer = lrp.LRP(model, "EpsilonPlus", torch.randint(1, 11, (2, 5)))
    for length in (5, 7, 3, 7):
        ids = torch.randint(1, 11, (2, length))
        r = explainer.attribute(ids, 1)
        assert r.input.shape == (2, length)
        torch.testing.assert_close(r.target, model(ids)[:, 1].detach())
    with pytest.raises(lrp.InvalidInput, match=r"shape \[B, 5\], not \[2, 30\]: the model says"):
        explainer.attribute(torch.randint(1, 11, (2, 30)), 1)


def test_what_stops_a_model_over_ids_is_named_and_not_blamed_on_the_ids() -> None:
    class Reading(Text):
        def forward(self, ids: Tensor) -> Tensor:
            return super().forward(ids) if ids.sum() > 3 else -super().forward(ids)

    with pytest.raises(lrp.UnsupportedOperation, match=r"ids\.sum\(\) > 3"):
        lrp.LRP(Reading(), "EpsilonPlus", torch.ones(2, 5, dtype=torch.long))


def test_token_ids_outside_the_table_are_refused() -> None:
    explainer = lrp.LRP(Text(), "EpsilonPlus", torch.ones(2, 5, dtype=torch.long))
    with pytest.raises(lrp.InvalidInput, match="token ids of tokens are 0 to 10"):
        explainer.attribute(torch.full((2, 5), 11), 0)
    with pytest.raises(lrp.InvalidInput, match=r"not torch\.float32"):
        explainer.attribute(torch.rand(2, 5), 0)


def test_integers_that_no_embedding_looks_up_are_refused() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.float() * 2

    with pytest.raises(lrp.InvalidInput, match="look them up in an embedding"):
        lrp.LRP(Scaled(), lrp.rules.Zero(), torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(lrp.InvalidInput, match="inputs are floating point"):
        lrp.LRP(nn.Conv2d(1, 2, 1), lrp.rules.Zero(), torch.ones(2, 1, 3, 3, dtype=torch.long))


def test_a_baseline_refuses_tokens() -> None:
    ids = torch.ones(2, 5, dtype=torch.long)
    with pytest.raises(lrp.InvalidInput, match="changed a little"):
        baselines.GradientTimesInput(Text(), ids).attribute(ids, 0)
