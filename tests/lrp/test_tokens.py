"""Models over token ids: a token's relevance is the sum over its vector; other integers are refused."""

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
