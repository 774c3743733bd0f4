"""Ground truth: where the right answer is known by rule or by an exact solver, how much relevance lies there.

By rule: the discs a move turns, the discs that bracket them, the discs without which it is illegal.  By solver: near
the end of a game, how many discs of the final score hang on the owner of each disc; and moves to a corner or an edge
that the solver proves to be the only best ones.  A network may be wrong, so the second kind is a bound on network and
explanation together.

What to beat is not a coin.  By rule: nearness to the move (`nearness`), and one half among discs that are equally far
from it.  By solver: tables that know the square and the owner, and the network asked disc by disc (`disc_worth`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.attributions import METHODS, TARGETS, Maps, relevance_maps
from app.experiments.disc_worth import CONTROLS, FITTED, STATIC, fitted_table, static_table
from app.experiments.nearness import CONTROLS as NEARNESS
from app.experiments.nearness import at_equal_distance, controls
from app.experiments.positions import (
    Games,
    Positions,
    board_of,
    held_out,
    one_a_game,
    with_best_two,
)
from app.experiments.record import (
    Experiment,
    Findings,
    PerPosition,
    Progress,
    Settings,
    part,
    silent,
)
from app.experiments.rules_truth import CORNERS, EDGES, PLACES, SETS, facts
from app.experiments.statistics import area_under_roc, proportion, spearman, strongest
from app.experiments.studies import truth_words
from app.experiments.tables import column, flat, intervals
from app.models import Model
from othello.rules.board import Board
from othello.solver.solver import Solver

Squares = NDArray[np.bool_]
ENDGAME: Final = (6, 9)  # empty squares
PROVED: Final = (6, 11)  # empty squares of the positions with a proved move
PROVED_PLACES: Final = {"corner": CORNERS, "edge": EDGES}
RULE_CONTROLS: Final = (*NEARNESS, "even spread", *CONTROLS)


def mass(scores: Maps, where: Squares, among: Squares) -> NDArray[np.float64]:
    """[P]: the share of Σ|R| over the squares `among` that lies on `where`; NaN where there is no such square."""
    size = np.abs(scores) * among
    total = size.sum(1)
    found = np.where(total > 0, (size * where).sum(1) / np.maximum(total, 1e-30), np.nan)
    return np.where((where & among).any(1), found, np.nan)


def detection(scores: Maps, where: Squares, among: Squares) -> NDArray[np.float64]:
    """[P]: how often |R| of a disc in the set exceeds that of one outside it, among the discs; 0.5 is chance."""
    return np.array([area_under_roc(abs(s[a]), w[a]) for s, w, a in zip(scores, where, among)])


def by_rule(
    maps: dict[str, Maps], at: Positions, target: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Samples {method: {set: share of |R|, detection and how it compares with controls}}, and {set: strongest control}.

    The sets are those of each position's first move.  Nearness to the move and an even spread over the discs stand
    among the methods.
    """
    moves, discs = at.moves[:, 0], at.states != 0
    truth = facts(at.own, at.opp, moves)
    rows = {name: scores[TARGETS.index(target)] for name, scores in maps.items()}
    rows |= controls(moves) | {"even spread": np.ones(discs.shape)}
    found: dict[str, Any] = {name: {} for name in rows}
    hardest = {}
    for kind in SETS:
        where = getattr(truth, kind)
        seen = {name: detection(scores, where, discs) for name, scores in rows.items()}
        hardest[kind] = strongest(seen, RULE_CONTROLS)
        for name, scores in rows.items():
            found[name][kind] = {
                "mass": mass(scores, where, discs),
                "detection": seen[name],
                "over_nearness": seen[name] - seen[NEARNESS[0]],
                "over_control": seen[name] - seen[hardest[kind]],
                "equal_distance": at_equal_distance(scores, where, discs, moves),
            }
    return found, hardest


def rule_findings(samples: dict[str, Any], hardest: dict[str, str], seed: int) -> dict[str, Any]:
    """The intervals of `by_rule`, and the controls they are compared with."""
    return {"methods": intervals(samples, seed), "strongest_control": hardest}


def exported(name: str, at: Positions, samples: dict[str, Any]) -> PerPosition:
    """What was measured on each position, without the differences, which follow from it."""
    columns = {c: values for c, values in flat(samples).items() if "over_" not in c}
    return PerPosition(name, at.own, at.opp, columns)


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


def by_proof(
    model: Model, games: Games, place: str, count: int, seed: int
) -> tuple[dict[str, Any], PerPosition | None]:
    """Why the proved move rather than the best one elsewhere: shares and detection, and whether the network agrees."""
    at = proved_moves(games, PROVED_PLACES[place], count, seed, Solver(8, 14))
    if not len(at.own):
        return {"positions": 0}, None
    logits = np.take_along_axis(model.evaluator(at.own, at.opp)[0], at.moves, 1)
    samples, hardest = by_rule(all_maps(model, at, seed, silent), at, "best − second")
    found = {
        "positions": len(at.own),
        "network_prefers_it": proportion(int((logits[:, 0] > logits[:, 1]).sum()), len(at.own)),
    }
    return found | rule_findings(samples, hardest, seed), exported(place, at, samples)


def all_maps(model: Model, at: Positions, seed: int, progress: Progress) -> dict[str, Maps]:
    """Every method's maps of these positions."""
    found = {}
    for place, name in enumerate(METHODS):
        progress(place / len(METHODS), f"maps: {name}")
        found[name] = relevance_maps(model, name, *at, seed)
    return found


def by_solver(
    model: Model, games: Games, count: int, seed: int, progress: Progress
) -> tuple[dict[str, Any], PerPosition]:
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
        FITTED: fitted_table(model, games, at)[0],
        "exact worth": worth,
    }
    samples, hardest = agreement(rows, worth, at.states != 0, right)
    found = {
        "positions": len(at.own),
        "decided": int((scores != 0).sum()),
        "network_has_the_winner": int(right.sum()),
        "strongest_control": hardest,
        "methods": intervals(samples, seed),
    }
    return found, exported("endgames", at, samples)


def agreement(
    rows: dict[str, Maps], worth: Maps, discs: Squares, right: Squares
) -> tuple[dict[str, Any], dict[str, str]]:
    """Samples {row: rank correlations with the discs' worth [P, 64], unsigned and signed, also less the controls'}.

    And which control is the strongest, unsigned and signed.
    """
    found: dict[str, Any] = {}
    for name, scored in rows.items():
        triples = list(zip(scored, worth, discs))
        unsigned = np.array([spearman(abs(x[d]), abs(w[d])) for x, w, d in triples])
        found[name] = {
            "rank_correlation": unsigned,
            "rank_correlation_where_right": np.where(right, unsigned, np.nan),
            "signed_rank_correlation": np.array([spearman(x[d], w[d]) for x, w, d in triples]),
            "mass": masses(scored, discs),
        }
    hardest = {}
    for measure, prefix in (("rank_correlation", ""), ("signed_rank_correlation", "signed_")):
        samples = column(found, measure)
        hardest[measure] = strongest(samples, CONTROLS)
        for name, values in samples.items():
            found[name][f"{prefix}over_table"] = values - samples[STATIC]
            found[name][f"{prefix}over_control"] = values - samples[hardest[measure]]
    return found, hardest


def masses(scored: Maps, discs: Squares) -> dict[str, Maps]:
    """The share [P] of |R| over the discs that lies on corners, edges and inside."""
    return {
        place: mass(scored, np.broadcast_to(where, discs.shape), discs)
        for place, where in PLACES.items()
    }


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Both kinds of truth, every method."""
    seed = settings.seed
    games, at = held_out(model, settings, part(progress, 0.0, 0.3))
    maps = all_maps(model, at, seed, part(progress, 0.3, 0.6))
    samples, hardest = by_rule(maps, at, "best move")
    rule = rule_findings(samples, hardest, seed)
    solved, endgames = by_solver(model, games, settings.positions, seed, part(progress, 0.6, 0.9))
    proved, each = {}, [exported("positions", at, samples), endgames]
    for place in PROVED_PLACES:
        proved[place], found = by_proof(model, games, place, settings.positions, seed)
        each += [found] if found else []
    numbers = {
        "positions": len(at.own),
        "by_rule": rule,
        "by_solver": solved,
        "proved_moves": proved,
    }
    reading = truth_words.reading(len(at.own), rule, solved, proved)
    tables = tuple(truth_words.tables(rule, solved, proved))
    figure = truth_words.figure(rule["methods"], solved)
    return Findings(numbers, reading, (figure,), tables, tuple(each))


EXPERIMENT = Experiment(
    "ground-truth",
    13,
    "Ground truth by rule and by solver",
    "How much relevance lies where the right answer is known.",
    run,
    positions=(48, 512),
    games=True,
    version=3,
)
