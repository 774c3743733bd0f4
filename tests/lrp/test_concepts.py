"""Concepts over a data set: the ledger holds, chunks equal the whole, references are what sorting gives."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lrp
from tests.lrp import networks

COUNT = 13


def explained(model: nn.Module, seed: int = 0) -> tuple[lrp.LRP, Tensor]:
    networks.randomise(model, seed)
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(COUNT, *type(model).shape, generator=source, dtype=torch.float64)
    return lrp.LRP(model.double(), lrp.composites.EpsilonPlus(epsilon=0.1), x), x


VGG, VGG_INPUTS = explained(networks.VggLike())


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(1, COUNT - 1), unique=True, max_size=6).map(sorted),
    layer=st.sampled_from(["features.0", "features.4", "head"]),
    top=st.integers(1, COUNT + 3),
)
def test_chunks_equal_the_whole_and_the_ledger_adds_up(
    cuts: list[int], layer: str, top: int
) -> None:
    edges = [0, *cuts, COUNT]
    parts = [VGG_INPUTS[a:b] for a, b in itertools.pairwise(edges)]
    whole = lrp.concepts.channels(VGG, [VGG_INPUTS], layer, 2, top=top)
    found = lrp.concepts.channels(VGG, iter(parts), layer, 2, top=top)
    assert found.count == whole.count == COUNT
    torch.testing.assert_close(found.relevance, whole.relevance, rtol=1e-12, atol=1e-12)
    for mine, theirs in (
        (found.by_relevance, whole.by_relevance),
        (found.by_activation, whole.by_activation),
    ):
        torch.testing.assert_close(mine.values, theirs.values, rtol=1e-12, atol=1e-12)
        assert mine.samples.shape == (len(found.relevance), min(top, COUNT))
    total = float(found.relevance.sum()) + found.bias + found.rest
    assert total == pytest.approx(found.target, rel=1e-10, abs=1e-10)


def test_the_rest_is_what_stabilizers_above_swallow_where_nothing_passes_beside() -> None:
    r = VGG.attribute(VGG_INPUTS, 2)
    found = lrp.concepts.channels(VGG, VGG_INPUTS, "features.4", 2)
    names = ["features.4", "features.0"]
    above = sum(float(t.sum()) for n, t in r.stabilizer.items() if n not in names)
    assert found.rest == pytest.approx(above, abs=1e-10) and abs(above) > 1e-3
    assert found.bias == pytest.approx(float(r.bias["head"].sum()), abs=1e-10)


def test_what_passes_beside_a_layer_is_in_the_rest() -> None:
    explainer, x = explained(networks.PostActivation(), 3)
    found = lrp.concepts.channels(explainer, x, "conv2", 2, output=0)
    r = explainer.attribute(x, 2, output=0)
    assert float(found.relevance.sum()) == pytest.approx(float(r.layers["conv2"].sum()))
    total = float(found.relevance.sum()) + found.bias + found.rest
    assert total == pytest.approx(found.target, rel=1e-10, abs=1e-10)


def test_references_are_the_samples_of_most_relevance_and_of_most_activation() -> None:
    found = lrp.concepts.channels(VGG, VGG_INPUTS.split(4), "features.4", 2, top=5)
    r = VGG.attribute(VGG_INPUTS, 2).layers["features.4"].sum((2, 3))
    norm = VGG.model.features[:6]
    with torch.no_grad():
        seen = norm.eval()(VGG_INPUTS).amax((2, 3))
    torch.testing.assert_close(found.relevance, r.sum(0))
    assert found.ranking == r.sum(0).argsort(descending=True).tolist()
    for references, values in ((found.by_relevance, r), (found.by_activation, seen)):
        wanted = values.T.sort(dim=1, descending=True, stable=True)
        torch.testing.assert_close(references.values, wanted.values[:, :5])
        assert torch.equal(references.samples, wanted.indices[:, :5])


def test_of_equal_samples_the_earlier_ones_are_kept() -> None:
    x = VGG_INPUTS[:1].repeat(9, 1, 1, 1)
    found = lrp.concepts.channels(VGG, [one[None] for one in x], "features.0", 1, top=3)
    assert bool((found.by_relevance.samples == torch.tensor([0, 1, 2])).all())


def test_maps_through_all_channels_add_up_to_the_whole_map() -> None:
    found = lrp.concepts.channels(VGG, VGG_INPUTS, "features.0", 2)
    x = VGG_INPUTS[:3]
    parts = sum(found.map(x, channel).input for channel in range(5))
    torch.testing.assert_close(parts, VGG.attribute(x, 2).input, rtol=1e-10, atol=1e-10)


def test_a_data_loader_brings_its_labels() -> None:
    labels = torch.arange(COUNT) % 4
    loader = DataLoader(TensorDataset(VGG_INPUTS, labels), batch_size=5)
    found = lrp.concepts.channels(VGG, loader, "features.0", "label")
    torch.testing.assert_close(
        found.relevance, VGG.attribute(VGG_INPUTS, labels).layers["features.0"].sum((0, 2, 3))
    )
    with pytest.raises(lrp.InvalidTarget, match="came with the data"):
        found.map(VGG_INPUTS[:1], 0)
    assert found.map(VGG_INPUTS[:1], 0, 3).input.shape == (1, 2, 8, 8)


def test_one_batch_is_held_at_a_time() -> None:
    alive: list[int] = []
    shape = VGG_INPUTS[:4].shape

    def stream() -> Iterator[Tensor]:
        for _ in range(6):
            gc.collect()
            batches = [o for o in gc.get_objects() if type(o) is Tensor and o.shape == shape]
            alive.append(len(batches))
            del batches
            yield VGG_INPUTS[:4].clone()

    lrp.concepts.channels(VGG, stream(), "features.0", 1)
    assert max(alive[2:]) <= alive[1], alive


@pytest.mark.parametrize("empty", [[], iter(()), torch.zeros(0, 2, 8, 8, dtype=torch.float64)])
def test_an_empty_data_set_is_refused(empty: object) -> None:
    with pytest.raises(lrp.InvalidInput, match="empty"):
        lrp.concepts.channels(VGG, empty, "features.0", 1)


def test_a_layer_or_a_label_that_is_not_there_is_refused() -> None:
    with pytest.raises(lrp.InvalidTarget, match=r"no relevance reaches a layer 'nowhere'.*head"):
        lrp.concepts.channels(VGG, VGG_INPUTS, "nowhere", 1)
    with pytest.raises(lrp.InvalidTarget, match="no label"):
        lrp.concepts.channels(VGG, VGG_INPUTS, "head", "label")
    with pytest.raises(lrp.InvalidTarget, match="is called 'label'"):
        lrp.concepts.channels(VGG, VGG_INPUTS, "head", "class")
    with pytest.raises(lrp.InvalidInput, match="at least 1"):
        lrp.concepts.channels(VGG, VGG_INPUTS, "head", 1, top=0)
