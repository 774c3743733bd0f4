"""Ground truth: where the right answer is known by rule or by an exact solver, how much relevance lies there.

By rule: the discs a move turns, the discs that bracket them, the discs without which it is illegal.  By solver: near
the end of a game, how many discs of the final score hang on the owner of each disc; and moves to a corner or an edge
that the solver proves to be the only best ones.  A network may be wrong, so the second kind is a bound on network and
explanation together.

What to beat is not a coin.  By rule: nearness to the move (`nearness`), and one half among discs that are equally far
from it.  By solver: a table of three numbers with the discs' owners (`disc_worth`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.attributions import METHODS, TARGETS, Maps, relevance_maps
from app.experiments.disc_worth import STATIC, SWAP, owner_swap, static_table
from app.experiments.nearness import CONTROLS as NEARNESS
from app.experiments.nearness import at_equal_distance, controls
from app.experiments.positions import (
    Games,
    Positions,
    board_of,
    one_a_game,
    self_play,
    with_best_two,
)
from app.experiments.record import Experiment, Findings, Progress, Settings, part, silent
from app.experiments.rules_truth import CORNERS, EDGES, PLACES, SETS, facts
from app.experiments.statistics import Interval, area_under_roc, bootstrap, proportion, spearman
from app.experiments.studies import truth_words
from app.experiments.tables import intervals
from app.models import Model
from othello.rules.board import Board
from othello.solver.solver import Solver

Squares = NDArray[np.bool_]
ENDGAME: Final = (6, 9)  # empty squares
PROVED: Final = (6, 11)  # empty squares of the positions with a proved move


def mass(scores: Maps, where: Squares, among: Squares) -> NDArray[np.float64]:
    """[P]: the share of Σ|R| over the squares `among` that lies on `where`; NaN where there is no such square."""
    size = np.abs(scores) * among
    total = size.sum(1)
    found = np.where(total > 0, (size * where).sum(1) / np.maximum(total, 1e-30), np.nan)
    return np.where((where & among).any(1), found, np.nan)


def detection(scores: Maps, where: Squares, among: Squares) -> NDArray[np.float64]:
    """[P]: how often |R| of a disc in the set exceeds that of one outside it, among the discs; 0.5 is chance."""
    return np.array([area_under_roc(abs(s[a]), w[a]) for s, w, a in zip(scores, where, among)])


def by_rule(maps: dict[str, Maps], at: Positions, target: str, seed: int) -> dict[str, Any]:
    """{method: {set: share of |R|, detection and how it compares with nearness}} of maps of one target.

    The sets are those of each position's first move.  Nearness to the move and an even spread over the discs stand
    among the methods.
    """
    moves, discs = at.moves[:, 0], at.states != 0
    truth = facts(at.own, at.opp, moves)
    rows = {name: scores[TARGETS.index(target)] for name, scores in maps.items()}
    rows |= controls(moves) | {"even spread": np.ones(discs.shape)}
    found: dict[str, Any] = {name: {} for name in rows}
    for kind in SETS:
        where = getattr(truth, kind)
        nearness = detection(rows[NEARNESS[0]], where, discs)
        for name, scores in rows.items():
            seen = detection(scores, where, discs)
            samples = {
                "mass": mass(scores, where, discs),
                "detection": seen,
                "over_nearness": seen - nearness,
                "equal_distance": at_equal_distance(scores, where, discs, moves),
            }
            found[name][kind] = intervals(samples, seed)
    return found


def owner_matters(board: Board, solver: Solver) -> NDArray[np.float64]:
    """[64]: the final score for the side to move, less the score if that disc belonged to the other side."""
    score = exact(board, solver)
    found = np.zeros(64)
    for square in range(64):
        bit = 1 << square
        if (board.black | board.white) & bit:
            found[square] = score - exact(
                Board(board.black ^ bit, board.white ^ bit, board.side, 8), solver
            )
    return found


def exact(board: Board, solver: Solver) -> int:
    """The score of perfect play for the side to move, also where it must pass or the game is over."""
    if board.is_over:
        return board.score() if board.side == "X" else -board.score()
    if board.must_pass:
        return -exact(board.pass_turn(), solver)
    solution = solver.solve(board, every=False, line=False)
    assert solution is not None
    return solution.score


def proved_moves(games: Games, place: Squares, count: int, seed: int, solver: Solver) -> Positions:
    """Endgames whose only best move lies on `place` [64]; their two moves are that one and the best one elsewhere."""
    own, opp = one_a_game(games, len(np.unique(games.game)), seed, empties=PROVED)
    rows: list[int] = []
    pairs: list[tuple[int, int]] = []
    for row in range(len(own)):
        board = board_of(own[row], opp[row])
        if len(rows) == count or not any(place[move] for move in board.legal_moves()):
            continue
        scores = {move: -exact(board.play(move), solver) for move in board.legal_moves()}
        order = sorted(scores, key=lambda move: -scores[move])
        if len(order) > 1 and place[order[0]] and scores[order[0]] > scores[order[1]]:
            elsewhere = next((move for move in order[1:] if not place[move]), None)
            if elsewhere is not None:
                rows.append(row)
                pairs.append((order[0], elsewhere))
    return Positions(own[rows], opp[rows], np.array(pairs, np.int64).reshape(-1, 2))


def by_proof(model: Model, games: Games, place: Squares, count: int, seed: int) -> dict[str, Any]:
    """Why the proved move rather than the best one elsewhere: shares and detection, and whether the network agrees."""
    at = proved_moves(games, place, count, seed, Solver(8, 14))
    if not len(at.own):
        return {"positions": 0}
    logits = np.take_along_axis(model.evaluator(at.own, at.opp)[0], at.moves, 1)
    return {
        "positions": len(at.own),
        "network_prefers_it": proportion(int((logits[:, 0] > logits[:, 1]).sum()), len(at.own)),
        "methods": by_rule(all_maps(model, at, seed, silent), at, "best − second", seed),
    }


def all_maps(model: Model, at: Positions, seed: int, progress: Progress) -> dict[str, Maps]:
    """Every method's maps of these positions."""
    found = {}
    for place, name in enumerate(METHODS):
        progress(place / len(METHODS), f"maps: {name}")
        found[name] = relevance_maps(model, name, *at, seed)
    return found


def by_solver(
    model: Model, games: Games, count: int, seed: int, progress: Progress
) -> dict[str, Any]:
    """How the value's relevance agrees with what each disc's owner is worth; the masses on corners and edges."""
    at = with_best_two(model, *one_a_game(games, count, seed, empties=ENDGAME))
    solver = Solver(8, 14)
    boards = [board_of(o, p) for o, p in zip(at.own, at.opp)]
    worth = np.zeros((len(boards), 64))
    for row, board in enumerate(boards):
        progress(0.5 * row / max(1, len(boards)), f"solving position {row + 1} of {len(boards)}")
        worth[row] = owner_matters(board, solver)
    scores = np.array([exact(board, solver) for board in boards])
    values = model.evaluator(at.own, at.opp)[1]
    right = (np.sign(scores) == np.sign(values)) & (scores != 0)
    maps = all_maps(model, at, seed, part(progress, 0.5, 1.0))
    rows = {name: scored[0] for name, scored in maps.items()}
    rows |= {
        STATIC: static_table(at.own, at.opp),
        SWAP: owner_swap(model, at.own, at.opp),
        "exact worth": worth,
    }
    return {
        "positions": len(at.own),
        "decided": int((scores != 0).sum()),
        "network_has_the_winner": int(right.sum()),
        "methods": agreement(rows, worth, at.states != 0, right, seed),
    }


def agreement(
    rows: dict[str, Maps],
    worth: NDArray[np.float64],
    discs: Squares,
    right: NDArray[np.bool_],
    seed: int,
) -> dict[str, Any]:
    """{row: rank correlations with the discs' worth [P, 64], unsigned and signed, also less the static table's}."""
    unsigned, signed = {}, {}
    for name, scored in rows.items():
        triples = list(zip(scored, worth, discs))
        unsigned[name] = np.array([spearman(abs(x[d]), abs(w[d])) for x, w, d in triples])
        signed[name] = np.array([spearman(x[d], w[d]) for x, w, d in triples])
    found: dict[str, Any] = {}
    for name, scored in rows.items():
        samples = {
            "rank_correlation": unsigned[name],
            "rank_correlation_where_right": unsigned[name][right],
            "signed_rank_correlation": signed[name],
            "over_table": unsigned[name] - unsigned[STATIC],
            "signed_over_table": signed[name] - signed[STATIC],
        }
        found[name] = {**intervals(samples, seed), "mass": masses(scored, discs, seed)}
    return found


def masses(scored: Maps, discs: Squares, seed: int) -> dict[str, Interval]:
    """The share of |R| over the discs that lies on corners, edges and inside."""
    return {
        place: bootstrap(mass(scored, np.broadcast_to(where, discs.shape), discs), seed)
        for place, where in PLACES.items()
    }


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Both kinds of truth, every method."""
    seed = settings.seed
    games = self_play(model, settings, part(progress, 0.0, 0.3))
    at = with_best_two(model, *one_a_game(games, settings.positions, seed))
    maps = all_maps(model, at, seed, part(progress, 0.3, 0.6))
    rule = by_rule(maps, at, "best move", seed)
    solved = by_solver(model, games, settings.positions, seed, part(progress, 0.6, 0.9))
    proved = {
        "corner": by_proof(model, games, CORNERS, settings.positions, seed),
        "edge": by_proof(model, games, EDGES, settings.positions, seed),
    }
    numbers = {
        "positions": len(at.own),
        "by_rule": rule,
        "by_solver": solved,
        "proved_moves": proved,
    }
    reading = truth_words.reading(len(at.own), rule, solved, proved)
    tables = tuple(truth_words.tables(rule, solved, proved))
    return Findings(numbers, reading, (truth_words.figure(rule, solved),), tables)


EXPERIMENT = Experiment(
    "ground-truth",
    13,
    "Ground truth by rule and by solver",
    "How much relevance lies where the right answer is known.",
    run,
    positions=(48, 512),
    games=True,
    version=2,
)
