"""How many discs a value is worth: `python -m app.experiments.calibration` fits the curves, stores and checks them.

The positions are those of held-out games of self-play.  The curve of the value alone is fitted to the final scores of
their games, the curve of value and score to the solver's scores near the end.  Even games are fitted, odd ones only
checked, where the solver can judge; beside the curves stand the value times N² and a constant, the games' median.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.experiments.positions import HELD_OUT
from app.models import Model, load_model
from othello import atomic
from othello.network import discs
from othello.rules.board import Board
from othello.search.search import search_many
from othello.solver.solver import Solver
from othello.training.selfplay import Samples, SelfPlaySettings, play_games

GAMES, SEED, SIMULATIONS = 512, 17, 100
FITTED = 1500  # positions
CHECKED = 40  # positions of each number of empty squares
FIT, CHECK = range(9, 19), range(10, 21)  # empty squares where the solver judges
RULES = SelfPlaySettings(simulations=16, slots=64, solve_empties=12)

Array = NDArray[np.float64]


class Judgements(NamedTuple):
    """Positions with all that is known of them, for their sides to move."""

    empties: NDArray[np.int64]
    sight: Array  # the network's value
    value: Array  # the search's
    score: Array  # the score head's discs
    truth: Array  # the solver's discs


def calibrate(
    model: Model, games: int = GAMES, fitted: int = FITTED, checked: int = CHECKED
) -> tuple[str, str]:
    """The text of `discs.json` for a model from so many games, and the table that checks it."""
    found, _ = play_games(model.evaluator, RULES, SEED, HELD_OUT, range(games))
    even = found.game % 2 == 0
    at_sight = model.evaluator(found.own[even], found.opp[even])[1].astype(np.float64)
    truth = found.score[even].astype(np.float64)
    train = _measured(model, found, _drawn(found, even, fitted, FIT))
    curves = {
        "value": discs.fit(at_sight, truth),
        "value and score": discs.fit(train.value, train.truth, train.score),
    }
    places = [_drawn(found, ~even, checked, [empties]) for empties in CHECK]
    test = _measured(model, found, np.concatenate(places))
    text = discs.as_json(
        curves, positions=len(truth), searched=fitted, games=games, weights=model.sha256
    )
    return text, _table(curves, test, model.size, float(np.median(truth)))


def _drawn(
    found: Samples, among: NDArray[np.bool_], count: int, empties: Collection[int]
) -> NDArray[np.int64]:
    """Places of so many positions at random with a move to make and one of these numbers of empty squares."""
    left = 64 - np.bitwise_count(found.own | found.opp).astype(np.int64)
    places = np.flatnonzero(among & np.isin(left, list(empties)))
    places = np.random.default_rng(SEED).permutation(places)
    playable = [place for place in places if _board(found, int(place)).legal_moves()]
    return np.array(playable[:count], np.int64)


def _board(found: Samples, place: int) -> Board:
    return Board(int(found.own[place]), int(found.opp[place]))


def _measured(model: Model, found: Samples, places: NDArray[np.int64]) -> Judgements:
    own, opp = found.own[places], found.opp[places]
    boards = [_board(found, int(place)) for place in places]
    solver, truth = Solver(model.size, 20), np.empty(len(boards))
    for place, board in enumerate(boards):
        solution = solver.solve(board, every=False, line=False)
        assert solution is not None  # no limit was set
        truth[place] = solution.score
    searched = search_many(model.evaluator, boards, SIMULATIONS)
    values = np.array([result.value for result in searched])
    return Judgements(
        empties=np.array([board.empties for board in boards]),
        sight=model.evaluator(own, opp)[1].astype(np.float64),
        value=np.clip(values, -discs.SUREST, discs.SUREST),
        score=np.array(discs.Discs(model.evaluator).scores(boards)),
        truth=truth,
    )


def _table(curves: dict[str, discs.DiscCurve], test: Judgements, size: int, constant: float) -> str:
    """Mean |difference| from the solver, in discs, by the number of empty squares."""
    alone, both = curves["value"], curves["value and score"]
    said = {
        "value and score": both(test.value, size, test.score),
        "value at sight": alone(test.sight, size),
        "value of the search": alone(test.value, size),
        "uncalibrated, N² · value": size**2 * test.value,
        f"constant {constant:+.0f}": np.full(len(test.truth), constant),
    }
    columns = sorted(set(test.empties.tolist()))
    rows = ["| discs by | all | " + " | ".join(map(str, columns)) + " |"]
    rows.append("|---" * (len(columns) + 2) + "|")
    for name, discs_said in said.items():
        off = np.abs(discs_said - test.truth)
        cells = [off.mean(), *(off[test.empties == empties].mean() for empties in columns)]
        rows.append(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    text, table = calibrate(load_model())
    atomic.write_text(discs.FILE, text + "\n")
    print(text, table, sep="\n\n")
