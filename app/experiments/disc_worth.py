"""What a disc is worth without any explanation: by a table of three numbers, and by tables fitted to the network.

Both know the square and the owner and nothing of the position, so whatever they reach needs no explanation.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.attributions import Maps, readings
from app.experiments.positions import Games, Positions, Words, legal_table, states_of, with_best_two
from app.experiments.rules_truth import CORNERS, EDGES
from app.models import Model

TABLE: Final[NDArray[np.float64]] = np.where(CORNERS, 3.0, np.where(EDGES, 2.0, 1.0))
"""[64]: a corner is worth 3, an edge 2, a square inside 1."""
STATIC, FITTED, SWAP = "static table × owner", "fitted table", "owner swap"
CONTROLS: Final = ("random", "occupancy", "architecture prior", STATIC, FITTED, SWAP)
"""What needs no explanation: orders that know no network, a table fitted to it, the network asked once a disc."""
_RIM = np.minimum(np.arange(8), np.arange(7, -1, -1))
_NEAR, _FAR = np.minimum(_RIM[:, None], _RIM), np.maximum(_RIM[:, None], _RIM)
CLASSES: Final[NDArray[np.int64]] = np.unique(4 * _NEAR + _FAR, return_inverse=True)[1].ravel()
"""[64]: which of the 10 kinds of squares under the board's symmetries, 0 the corners."""
STAGE: Final = 10  # empty squares that share a table
RIDGE: Final = 1.0


def static_table(own: Words, opp: Words) -> Maps:
    """[P, 64]: the table with the sign of who owns the disc, for the side to move; 0 on empty squares."""
    found: Maps = TABLE * states_of(own, opp)
    return found


def fitted_table(model: Model, games: Games, at: Positions) -> Maps:
    """Maps [T, P, 64] by tables of 20 weights, one a kind of square and owner, fitted to what the network says.

    A table is fitted by ridge regression for each stage of the game and target, on the recorded positions of the
    games of the other half, by number, than the one the position is drawn from, none of which is measured.
    """
    measured = _keys(at.own, at.opp)
    every = _keys(games.own, games.opp)
    half = games.game[np.argmax(every[None] == measured[:, None], axis=1)] % 2
    usable = ~np.isin(every, measured) & (legal_table(games.own, games.opp).sum(1) > 1)
    seen = with_best_two(model, games.own[usable], games.opp[usable])
    counts, said = _counts(seen), readings(model, *seen)
    stages, halves = _stage(seen), games.game[usable] % 2
    found = np.zeros((len(said), *at.states.shape))
    for stage in np.unique(_stage(at)):
        for side in (0, 1):
            rows = (_stage(at) == stage) & (half == side)
            known = (stages == stage) & (halves != side)
            if rows.any() and known.any():
                weights = _ridge(counts[known], said[:, known])  # [T, 20]
                own, opp = weights[:, CLASSES], weights[:, CLASSES + 10]
                states = at.states[rows]
                found[:, rows] = own[:, None] * (states == 1) + opp[:, None] * (states == -1)
    return found


def _keys(own: Words, opp: Words) -> NDArray[np.void]:
    """[P]: one comparable item a position."""
    return np.stack([own, opp], 1).view([("own", np.uint64), ("opp", np.uint64)]).ravel()


def _stage(at: Positions) -> NDArray[np.int64]:
    stages: NDArray[np.int64] = (at.states == 0).sum(1) // STAGE
    return stages


def _counts(at: Positions) -> Maps:
    """[P, 20]: own discs on each kind of square, then the opponent's."""
    kinds = np.eye(10)[CLASSES]
    return np.concatenate([(at.states == owner) @ kinds for owner in (1, -1)], axis=1)


def _ridge(x: Maps, y: Maps) -> Maps:
    """Weights [T, K] of the best linear account of y [T, S] by x [S, K], with a free constant."""
    x, y = x - x.mean(0), y - y.mean(1, keepdims=True)
    return np.asarray(np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y.T).T)
