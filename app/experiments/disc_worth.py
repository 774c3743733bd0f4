"""What a disc is worth without any explanation: by a table of three numbers, and by asking the network once a disc."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.attributions import readings
from app.experiments.positions import Words, states_of, words_of
from app.experiments.rules_truth import CORNERS, EDGES
from app.models import Model

TABLE: Final[NDArray[np.float64]] = np.where(CORNERS, 3.0, np.where(EDGES, 2.0, 1.0))
"""[64]: a corner is worth 3, an edge 2, a square inside 1."""
STATIC, SWAP = "static table × owner", "owner swap"


def static_table(own: Words, opp: Words) -> NDArray[np.float64]:
    """[P, 64]: the table with the sign of who owns the disc, for the side to move; 0 on empty squares."""
    found: NDArray[np.float64] = TABLE * states_of(own, opp)
    return found


def owner_swap(model: Model, own: Words, opp: Words) -> NDArray[np.float64]:
    """[P, 64]: the network's value less its value if that disc belonged to the other side; 0 on empty squares."""
    states = states_of(own, opp)
    rows, squares = np.nonzero(states)
    swapped = states[rows]
    swapped[np.arange(len(rows)), squares] *= -1
    any_move = np.zeros((len(rows), 2), np.int64)
    whole = readings(model, own, opp, any_move[: len(own)])[0]
    found = np.zeros(states.shape)
    found[rows, squares] = whole[rows] - readings(model, *words_of(swapped), any_move)[0]
    return found
