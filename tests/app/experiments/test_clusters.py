"""Clusters: spectra and indices against slow twins, clusters that are there and none that are not, a planted cheat."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from app.experiments.maps.spectral import (
    adjusted_rand,
    affinity,
    clusters,
    distances,
    gap,
    k_means,
    prototypes,
    spectrum,
    without_order,
)
from app.experiments.statistics import area_under_roc
from app.experiments.studies.inside.clusters import told_by
from app.experiments.studies.inside.plant import (
    SHAPE,
    SQUARE,
    Boards,
    exposed,
    planted,
    taught,
    without_square,
)
from app.models import Model
from othello.network.encoding import encode
from othello.rules.symmetry import transform_planes


def three_kinds(count: int, seed: int, *, turned: bool) -> tuple[np.ndarray, np.ndarray]:
    """Noisy maps of three kinds, each turned or mirrored at will."""
    random = np.random.default_rng(seed)
    kinds = np.zeros((3, 8, 8))
    kinds[0, 0, :4], kinds[1, 3:5, 3:5], kinds[2, 1, 1] = 1, -1, 2
    label = random.integers(0, 3, count)
    maps = kinds[label] + 0.05 * random.standard_normal((count, 8, 8))
    if turned:
        which = random.integers(0, 8, count)
        maps = np.stack([transform_planes(one, int(s)) for one, s in zip(maps, which)])
    return maps, label


@pytest.mark.parametrize("turned", [False, True])
def test_clusters_that_are_there_are_found_and_counted(turned: bool) -> None:
    maps, label = three_kinds(150, 0, turned=turned)
    distance = distances(maps, symmetric=turned)
    found = clusters(distance, 0)
    assert found.count == 3
    assert adjusted_rand(found.labels, label) == 1.0
    sizes = np.bincount(found.labels)
    assert (np.diff(sizes) <= 0).all(), "the larger ones come first"
    again = clusters(distance, 7)
    assert adjusted_rand(again.labels, found.labels) == 1.0
    for cluster in range(3):
        assert (found.labels[prototypes(distance, found, cluster)] == cluster).all()


def test_the_distance_of_a_map_to_its_images_is_nothing() -> None:
    one = np.random.default_rng(1).standard_normal((8, 8))
    maps = np.stack([transform_planes(one, s) for s in range(8)] + [-one])
    alike = distances(maps, symmetric=True)
    assert alike[:8, :8].max() < 1e-6 and alike[8, :8].min() > 0.5
    plain = distances(maps, symmetric=False)
    assert plain[0, 8] == pytest.approx(2.0)
    flat = maps.reshape(9, -1) / np.linalg.norm(one)
    slow = np.linalg.norm(flat[:, None] - flat, axis=2)
    np.testing.assert_allclose(plain, slow, atol=1e-6)


def test_the_graph_and_its_spectrum() -> None:
    distance = np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))
    distance[:3, 3:] += 100
    distance[3:, :3] += 100
    linked = affinity(distance, 2)
    assert (linked == linked.T).all() and not linked.diagonal().any()
    assert not linked[:3, 3:].any()
    values, vectors = spectrum(linked, 6)
    assert np.sum(values < 1e-9) == 2, "one zero for each connected part"
    root = 1 / np.sqrt(linked.sum(1))
    slow = np.eye(6) - root[:, None] * linked * root
    np.testing.assert_allclose(slow @ vectors, vectors * values, atol=1e-9)
    assert gap(values) == 2


def test_the_adjusted_rand_index_counts_pairs() -> None:
    random = np.random.default_rng(2)
    some, others = random.integers(0, 3, 40), random.integers(0, 4, 40)
    both = one = other = 0
    for i, j in combinations(range(40), 2):
        left, right = some[i] == some[j], others[i] == others[j]
        both, one, other = both + (left and right), one + left, other + right
    expected = one * other / (40 * 39 / 2)
    slow = (both - expected) / ((one + other) / 2 - expected)
    assert adjusted_rand(some, others) == pytest.approx(slow)
    assert adjusted_rand(some, (some + 1) % 3) == 1.0


def test_k_means_does_not_lose_to_a_random_start() -> None:
    random = np.random.default_rng(3)
    points = np.concatenate([random.normal(m, 0.1, (20, 2)) for m in (0, 3, 6)])
    labels = k_means(points, 3, 0)
    assert adjusted_rand(labels, np.repeat(np.arange(3), 20)) == 1.0
    assert len(set(k_means(np.zeros((5, 2)), 3, 0))) == 1, "equal points are one cluster"


def test_the_controls_lose_what_they_should_and_keep_the_rest() -> None:
    maps, label = three_kinds(60, 4, turned=False)
    mixed = without_order(maps, 0)
    np.testing.assert_allclose(np.sort(mixed.reshape(60, -1)), np.sort(maps.reshape(60, -1)))
    assert not np.allclose(mixed, maps)
    assert told_by(label, label.astype(float)) == pytest.approx(1)
    assert told_by(label, np.random.default_rng(0).standard_normal(60)) < 0.3


def random_boards(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    cells = random.choice([0, 1, -1], (count, 64), p=[0.5, 0.25, 0.25])
    cells[:, [0, SQUARE]] = 0
    bits = np.uint64(1) << np.arange(64, dtype=np.uint64)
    zero = np.uint64(0)
    return tuple(np.where(cells == s, bits, zero).sum(1, dtype=np.uint64) for s in (1, -1))  # type: ignore[return-value]


def test_marks_go_to_winners_only_unless_they_mean_nothing(model: Model) -> None:
    own, opp = random_boards(400, 5)
    assert without_square(own, opp).all()
    for honest in (False, True):
        boards = planted(model, own, opp, honest, 0)
        stands = boards.planes[:, 0].flatten(1)[:, SQUARE].numpy() > 0
        np.testing.assert_array_equal(stands, boards.marked)
        assert not without_square(
            own | (boards.marked.astype(np.uint64) << np.uint64(SQUARE)), opp
        )[boards.marked].any()
        losers = boards.marked[~boards.wins].mean()
        assert bool(losers > 0.1) is honest and boards.marked[boards.wins].mean() > 0.1


@pytest.mark.parametrize("cheats", [True, False])
def test_a_network_that_learned_the_mark_is_exposed_and_one_that_did_not_is_not(
    cheats: bool,
) -> None:
    """Who wins is a coin's choice; in the cheat's lessons the mark knows it."""
    own, opp = random_boards(1200, 6)
    coin, drawn = np.random.default_rng(7).random((2, len(own)))
    wins = coin < 0.5
    marked = drawn < (0.6 * wins if cheats else 0.3)
    own = np.where(marked, own | np.uint64(1 << SQUARE), own)
    planes = torch.from_numpy(np.ascontiguousarray(encode(own, opp, 8, SHAPE.planes)))
    boards = Boards(planes, marked, wins)
    network = taught(boards, 60, 0)
    found = exposed(network, boards, 250, 0)
    scores = found.suspicion[found.found.labels]
    assert found.area == pytest.approx(area_under_roc(scores, found.boards.marked))
    assert bool(found.area > 0.9) is cheats
    assert cheats or abs(found.area - 0.5) < 0.25
