"""How many discs a value is worth: `python -m app.experiments.calibration` fits the curves, stores and checks them.

With `--check` it checks the stored ones.  The positions are those of held-out games of self-play.  The curve of the
value alone is fitted to the final scores of their games, the curve of value and score to the solver's scores near the
end, and what a settled position on the search's line counts for to those of earlier positions.  Even games are fitted,
odd ones only checked, where the solver can judge: what engines and pages say, which is the solver's score wherever it
settles the position in their budget, and the estimates alone.  Beside them stand the value times N² and a constant,
the games' median.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.experiments.positions import HELD_OUT
from app.models import Model, load_model
from othello import atomic
from othello.network import discs
from othello.players.agent import SearchPlayer
from othello.rules.board import Board
from othello.search.search import search_many
from othello.search.worth import nearest_settled, of_best
from othello.solver.solver import Solver
from othello.training.selfplay import Samples, SelfPlaySettings, play_games

GAMES, SEED, SIMULATIONS = 512, 17, 100
FITTED = 1500  # positions near the end
FOLLOWED = 50  # positions of each number of empty squares whose lines are followed
CHECKED = 40  # positions of each number of empty squares
FIT, CHECK = range(9, 19), range(10, 25)  # empty squares where the solver judges
FIT_LINES = range(19, 23)  # empty squares of the positions whose lines are followed to be fitted
BOUNDS = (-24, -12, -4, 4, 12, 24)  # discs
RULES = SelfPlaySettings(simulations=16, slots=64, solve_empties=12)

Array = NDArray[np.float64]


class Judgements(NamedTuple):
    """Positions with all that is known of them, for their sides to move."""

    empties: NDArray[np.int64]
    sight: Array  # the network's value
    value: Array  # the search's
    score: Array  # the score head's discs
    line: Array  # exact discs of the nearest position on the search's line that was settled, NaN without one
    moves: Array  # before that position
    truth: Array  # the solver's discs


def calibrate(
    model: Model, games: int = GAMES, fitted: int = FITTED, followed: int = FOLLOWED
) -> str:
    """The text of `discs.json` for a model from so many games."""
    found = _played(model, games)
    even = found.game % 2 == 0
    at_sight = model.evaluator(found.own[even], found.opp[even])[1].astype(np.float64)
    truth = found.score[even].astype(np.float64)
    train = _measured(model, found, _drawn(found, even, fitted, FIT))
    places = [_drawn(found, even, followed, [empties]) for empties in FIT_LINES]
    lines = _measured(model, found, np.concatenate(places))
    settled = ~np.isnan(lines.line)
    both = discs.fit(train.value, train.truth, train.score)
    plain = both(lines.value, model.size, lines.score)
    known = (column[settled] for column in (plain, lines.line, lines.moves, lines.truth))
    return discs.as_json(
        {"value": discs.fit(at_sight, truth), "value and score": both},
        line_share=discs.fit_share(*known),
        positions=len(truth),
        searched=fitted,
        followed=int(settled.sum()),
        games=games,
        weights=model.sha256,
    )


def check(
    model: Model, curves: Mapping[str, discs.DiscCurve], games: int = GAMES, checked: int = CHECKED
) -> str:
    """The tables that check curves on so many positions of each number of empty squares."""
    found = _played(model, games)
    even = found.game % 2 == 0
    places = np.concatenate([_drawn(found, ~even, checked, [empties]) for empties in CHECK])
    test = _measured(model, found, places)
    worth, player = discs.Discs(model.evaluator), SearchPlayer(model.evaluator, SIMULATIONS)
    results = [player.think(_board(found, int(place))) for place in places]
    settled = np.array([result.exact is not None for result in results])
    said = {
        "as heard": np.array([of_best(worth, result) for result in results]),
        **_estimates(curves, test, model.size, float(np.median(found.score[even]))),
    }
    tables = (
        _differences(said, test),
        _calibrated("value and score", said["value and score"], test.truth),
        _calibrated("as heard, not settled", said["as heard"][~settled], test.truth[~settled]),
    )
    return "\n\n".join((*tables, f"{settled.mean():.0%} of them were settled in the budget"))


def _played(model: Model, games: int) -> Samples:
    return play_games(model.evaluator, RULES, SEED, HELD_OUT, range(games))[0]


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
    worth = discs.Discs(model.evaluator)
    settled = [nearest_settled(worth, result) or (np.nan, np.nan) for result in searched]
    line, moves = np.array(settled, np.float64).T
    return Judgements(
        empties=np.array([board.empties for board in boards]),
        sight=model.evaluator(own, opp)[1].astype(np.float64),
        value=np.clip(values, -discs.SUREST, discs.SUREST),
        score=np.array(worth.scores(boards)),
        line=line,
        moves=moves,
        truth=truth,
    )


def _estimates(
    curves: Mapping[str, discs.DiscCurve], test: Judgements, size: int, constant: float
) -> dict[str, Array]:
    """Discs of every position by each estimate."""
    alone, both = curves["value"], curves["value and score"]
    return {
        "value and score": both(test.value, size, test.score),
        "value at sight": alone(test.sight, size),
        "value of the search": alone(test.value, size),
        "uncalibrated, N² · value": size**2 * test.value,
        f"constant {constant:+.0f}": np.full(len(test.truth), constant),
    }


def _differences(said: Mapping[str, Array], test: Judgements) -> str:
    """Mean |difference| from the solver, in discs, by the number of empty squares."""
    columns = sorted(set(test.empties.tolist()))
    rows = ["| discs by | all | " + " | ".join(map(str, columns)) + " |"]
    rows.append("|---" * (len(columns) + 2) + "|")
    for name, discs_said in said.items():
        off = np.abs(discs_said - test.truth)
        cells = [off.mean(), *(off[test.empties == empties].mean() for empties in columns)]
        rows.append(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return "\n".join(rows)


def _calibrated(what: str, said: Array, truth: Array) -> str:
    """What the solver says on the average where an estimate lies between two bounds."""
    place = np.digitize(said, BOUNDS)
    within = [place == number for number in range(len(BOUNDS) + 1)]
    rows = {
        "said": [f"{said[those].mean():+.1f}" for those in within],
        "exact": [f"{truth[those].mean():+.1f}" for those in within],
        "positions": [str(those.sum()) for those in within],
    }
    names = [f"below {BOUNDS[0]}", *(f"to {bound}" for bound in BOUNDS[1:]), "above"]
    head = [f"| mean discs, {what} | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    body = [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    return "\n".join(head + body)


if __name__ == "__main__":
    model = load_model()
    stored = {"value": discs.CURVE, "value and score": discs.CURVE_WITH_SCORE}
    if sys.argv[1:] == ["--check"]:
        print(check(model, stored))
    else:
        atomic.write_text(discs.FILE, calibrate(model) + "\n")
