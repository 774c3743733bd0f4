"""Corrupting squares in an order, and how fast the network's answer moves: MoRF, LeRF and SRG.

The unit is a square with all its planes: the board is changed and encoded anew, so that the planes of legal moves
follow its discs, while the move whose logit is read stays the same.  SRG is the area under the curve that corrupts
the least relevant squares first less the area under the one that starts with the most relevant (Blücher et al. 2024);
a random order has 0 on average.  Relevance is signed, so an order that knows the target's sign raises and lowers it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from app.experiments.attributions import Maps
from app.experiments.positions import Games, States, Words, states_of, words_of
from app.experiments.statistics import shuffled_order

Corruption = Literal["empty", "swap owner", "empirical", "empirical, empty squares"]
CORRUPTIONS: Final[tuple[Corruption, ...]] = (
    "empty",
    "swap owner",
    "empirical",
    "empirical, empty squares",
)
Read = Callable[[Words, Words, NDArray[np.int64]], Maps]
"""Words [Q] and the row [Q] of the position each was made from -> readings [T, Q]."""


@dataclass(frozen=True)
class Corrupted:
    """Replacement states [P, 64], and which squares [P, 64] are corrupted in turn."""

    states: States
    region: NDArray[np.bool_]


def frequencies(games: Games) -> Maps:
    """[65, 64, 3]: how often a square is the opponent's, empty or own at that number of empty squares.

    Averaged over the board's 8 symmetries and over two more and two fewer empty squares.
    """
    states, empties = states_of(games.own, games.opp), games.empties
    counts = np.zeros((65, 64, 3))
    for state in (-1, 0, 1):
        np.add.at(counts[:, :, state + 1], empties, (states == state).astype(np.float64))
    board = counts.reshape(65, 8, 8, 3)
    turns = [np.rot90(board, k, (1, 2)) for k in range(4)]
    counts = np.sum([*turns, *(np.flip(turn, 2) for turn in turns)], axis=0).reshape(65, 64, 3)
    wide = np.stack([counts[max(0, e - 2) : e + 3].sum(0) for e in range(65)])
    total = wide.sum(-1, keepdims=True)
    return np.where(total > 0, wide / np.maximum(total, 1), np.array([0.0, 1.0, 0.0]))


def corrupted(
    kind: Corruption, own: Words, opp: Words, shares: Maps, moves: NDArray[np.int64], seed: int
) -> Corrupted:
    """What each square turns into.  Empty squares are corrupted by draws only, and never the two moves themselves."""
    states = states_of(own, opp)
    occupied = states != 0
    if kind == "empty":
        return Corrupted(np.zeros_like(states), occupied)
    if kind == "swap owner":
        return Corrupted(-states, occupied)
    empties = 64 - occupied.sum(1)
    draw = np.random.default_rng((seed, 12)).random(states.shape)
    edges = shares[empties].cumsum(-1)
    drawn = ((draw > edges[:, :, 0]).astype(np.int8) + (draw > edges[:, :, 1])).astype(np.int8) - 1
    if kind == "empirical":
        return Corrupted(drawn, occupied)
    free = ~occupied
    np.put_along_axis(free, moves, False, axis=1)
    return Corrupted(drawn, free)


def curves(
    states: States,
    change: Corrupted,
    scores: Maps,
    read: Read,
    points: int,
    random: np.random.Generator,
) -> Maps:
    """Readings [points − 1, T, P] after 1/points, 2/points … of the region went, highest of scores [P, 64] first."""
    order = shuffled_order(np.where(change.region, scores, -np.inf), random)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(64), order.shape), axis=1)
    sizes = change.region.sum(1)
    stages = []
    for step in range(1, points):
        gone = place < np.round(sizes * step / points)[:, None]
        stages.append(np.where(gone, change.states, states))
    boards = np.concatenate(stages)
    rows = np.tile(np.arange(len(states)), points - 1)
    found = read(*words_of(boards), rows)
    return found.reshape(len(found), points - 1, len(states)).transpose(1, 0, 2)


def relevance_gain(
    states: States, change: Corrupted, scores: Maps, read: Read, points: int, seed: int
) -> tuple[Maps, Maps, Maps]:
    """SRG [T, P] of scores [P, 64], and the curves (MoRF, LeRF) [points − 1, T, P] that it is the area between."""
    random = np.random.default_rng((seed, 13))
    most = curves(states, change, scores, read, points, random)
    least = curves(states, change, -scores, read, points, random)
    return (least - most).sum(0) / points, most, least
