"""Ground truth: where the right answer is known by rule or by an exact solver, how much relevance lies there.

By rule: the discs a move turns, the discs that bracket them, the discs without which it is illegal.  By solver: near
the end of a game, how many discs of the final score hang on the owner of each disc; and corner moves that the solver
proves best.  A network may be wrong, so the second kind is a bound on network and explanation together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import plots
from app.experiments.attributions import METHODS, TARGETS, Maps, relevance_maps
from app.experiments.positions import Games, Words, best_two, board_of, legal_table, one_a_game, self_play, states_of
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings, Table, part, silent
from app.experiments.rules_truth import CORNERS, EDGES, MoveFacts, facts
from app.experiments.statistics import Interval, area_under_roc, bootstrap, spearman
from othello.board import Board
from othello.solver import Solver

if TYPE_CHECKING:
    from app.models import Model

Squares = NDArray[np.bool_]
SETS: Final = ("flipped", "bracketing", "critical")
ENDGAME: Final = (6, 9)  # empty squares
CORNER_EMPTIES: Final = (6, 11)
PLACES: Final = {"corners": CORNERS, "edges": EDGES, "inside": ~CORNERS & ~EDGES}


def mass(scores: Maps, where: Squares, among: Squares) -> NDArray[np.float64]:
    """[P]: the share of Σ|R| over the squares `among` that lies on `where`; NaN where there is no such square."""
    size = np.abs(scores) * among
    total = size.sum(1)
    found = np.where(total > 0, (size * where).sum(1) / np.maximum(total, 1e-30), np.nan)
    return np.where((where & among).any(1), found, np.nan)


def detection(scores: Maps, where: Squares, among: Squares) -> NDArray[np.float64]:
    """[P]: how often |R| of a disc in the set exceeds that of one outside it, among the discs; 0.5 is chance."""
    return np.array([area_under_roc(abs(s[a]), w[a]) for s, w, a in zip(scores, where, among)])


def by_rule(maps: dict[str, Maps], truth: MoveFacts, discs: Squares, target: int, seed: int) -> dict[str, Any]:
    """{method: {set: share of |R| and detection}}, with the share that an even spread over discs would give."""
    found: dict[str, Any] = {}
    for name, scores in maps.items():
        found[name] = {
            kind: {"mass": bootstrap(mass(scores[target], getattr(truth, kind), discs), seed),
                   "detection": bootstrap(detection(scores[target], getattr(truth, kind), discs), seed)}
            for kind in SETS
        }  # fmt: skip
    even = np.ones(discs.shape)
    found["even spread"] = {
        kind: {"mass": bootstrap(mass(even, getattr(truth, kind), discs), seed),
               "detection": Interval(0.5, 0.5, 0.5, len(discs))}
        for kind in SETS
    }  # fmt: skip
    return found


def owner_matters(board: Board, solver: Solver) -> NDArray[np.float64]:
    """[64]: the final score for the side to move, less the score if that disc belonged to the other side."""
    score = exact(board, solver)
    found = np.zeros(64)
    for square in range(64):
        bit = 1 << square
        if (board.black | board.white) & bit:
            found[square] = score - exact(Board(board.black ^ bit, board.white ^ bit, board.side, 8), solver)
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


def corner_moves(games: Games, count: int, seed: int, solver: Solver) -> tuple[Words, Words, NDArray[np.int64]]:
    """Endgames whose only best move is a corner, with that move and the best one elsewhere: words, moves [P, 2]."""
    own, opp = one_a_game(games, len(np.unique(games.game)), seed, empties=CORNER_EMPTIES)
    rows: list[int] = []
    pairs: list[tuple[int, int]] = []
    for row in range(len(own)):
        board = board_of(own[row], opp[row])
        if len(rows) == count or not any(CORNERS[move] for move in board.legal_moves()):
            continue
        scores = {move: -exact(board.play(move), solver) for move in board.legal_moves()}
        order = sorted(scores, key=lambda move: -scores[move])
        if len(order) > 1 and CORNERS[order[0]] and scores[order[0]] > scores[order[1]]:
            elsewhere = next((move for move in order[1:] if not CORNERS[move]), None)
            if elsewhere is not None:
                rows.append(row)
                pairs.append((order[0], elsewhere))
    return own[rows], opp[rows], np.array(pairs, np.int64).reshape(-1, 2)


def all_maps(
    model: Model, own: Words, opp: Words, moves: NDArray[np.int64], seed: int, progress: Progress
) -> dict[str, Maps]:
    """Every method's maps of these positions."""
    found = {}
    for place, name in enumerate(METHODS):
        progress(place / len(METHODS), f"maps: {name}")
        found[name] = relevance_maps(model, name, own, opp, moves, seed)
    return found


def by_solver(model: Model, games: Games, count: int, seed: int, progress: Progress) -> dict[str, Any]:
    """Rank correlation of |R| for the value with what each disc's owner is worth; the masses on corners and edges."""
    own, opp = one_a_game(games, count, seed, empties=ENDGAME)
    solver = Solver(8, 14)
    boards = [board_of(o, p) for o, p in zip(own, opp)]
    worth = np.zeros((len(boards), 64))
    for row, board in enumerate(boards):
        progress(0.5 * row / max(1, len(boards)), f"solving position {row + 1} of {len(boards)}")
        worth[row] = owner_matters(board, solver)
    scores = np.array([exact(board, solver) for board in boards])
    logits, values = model.evaluator(own, opp)
    right = np.sign(scores) == np.sign(values)
    discs = states_of(own, opp) != 0
    maps = all_maps(model, own, opp, best_two(logits, legal_table(own, opp)), seed, part(progress, 0.5, 1.0))
    found: dict[str, Any] = {"positions": len(own), "network_has_the_winner": int(right.sum()), "methods": {}}
    for name, scored in [*((n, m[0]) for n, m in maps.items()), ("exact worth", worth)]:
        ranks = [spearman(abs(x[d]), abs(w[d])) for x, w, d in zip(scored, worth, discs)]
        signed = [spearman(x[d], w[d]) for x, w, d in zip(scored, worth, discs)]
        found["methods"][name] = {
            "rank_correlation": bootstrap(np.array(ranks), seed),
            "rank_correlation_where_right": bootstrap(np.array(ranks)[right], seed),
            "signed_rank_correlation": bootstrap(np.array(signed), seed),
            "mass": {place: bootstrap(mass(scored, np.broadcast_to(where, discs.shape), discs), seed)
                     for place, where in PLACES.items()},
        }  # fmt: skip
    return found


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Both kinds of truth, every method."""
    seed = settings.seed
    games = self_play(model, settings, part(progress, 0.0, 0.3))
    own, opp = one_a_game(games, settings.positions, seed)
    moves = best_two(model.evaluator(own, opp)[0], legal_table(own, opp))
    discs = states_of(own, opp) != 0
    maps = all_maps(model, own, opp, moves, seed, part(progress, 0.3, 0.6))
    rule = by_rule(maps, facts(own, opp, moves[:, 0]), discs, TARGETS.index("best move"), seed)
    solved = by_solver(model, games, settings.positions, seed, part(progress, 0.6, 0.9))
    corner_own, corner_opp, pairs = corner_moves(games, settings.positions, seed, Solver(8, 14))
    corner: dict[str, Any] = {"positions": len(pairs)}
    if len(pairs):
        logits = model.evaluator(corner_own, corner_opp)[0]
        corner["network_prefers_corner"] = int((np.diff(np.take_along_axis(logits, pairs, 1))[:, 0] < 0).sum())
        at_corner = all_maps(model, corner_own, corner_opp, pairs, seed, silent)
        truth, standing = facts(corner_own, corner_opp, pairs[:, 0]), states_of(corner_own, corner_opp) != 0
        corner["methods"] = by_rule(at_corner, truth, standing, TARGETS.index("best − second"), seed)
    numbers = {"positions": len(own), "by_rule": rule, "by_solver": solved, "corner_moves": corner}
    return Findings(numbers, _reading(len(own), rule, solved, corner), (_figure(rule, solved),),
                    tuple(_tables(rule, solved, corner)))  # fmt: skip


def _reading(count: int, rule: dict[str, Any], solved: dict[str, Any], corner: dict[str, Any]) -> str:
    names = [name for name in METHODS if name != "random"]
    best = {kind: max(names, key=lambda n, kind=kind: rule[n][kind]["detection"].mean) for kind in SETS}
    words = ", ".join(f"{kind} {rule[best[kind]][kind]['detection']} ({best[kind]})" for kind in SETS)
    blind = [name for name in names if all(rule[name][kind]["detection"].low <= 0.5 for kind in SETS)]
    exacts = solved["methods"]
    top = max(names, key=lambda n: exacts[n]["rank_correlation"].mean)
    beats = [n for n in names if exacts[n]["rank_correlation"].low > 0]
    sentence = (
        f"The best move's logit, {count} positions: a disc of the set has more relevance than one outside it with "
        f"probability {words}; chance is 0.5, and picking the best of eleven methods flatters it. "
        + (f"No better than chance on every set: {', '.join(blind)}. " if blind else "")
        + f"Against the solver ({solved['positions']} endgames; the network names the winner in "
        f"{solved['network_has_the_winner']}): ranks of |R| for the value correlate with what a disc's owner is worth "
        f"in final discs at best by {exacts[top]['rank_correlation']} ({top}); "
        + (f"the interval lies above 0 for {len(beats)} of {len(names)} methods. " if beats
           else "no method's interval lies above 0. ")
    )  # fmt: skip
    if not corner["positions"]:
        return sentence + "No corner move was proved to be the only best one in these games."
    return sentence + (
        f"Corners that the solver proves to be the only best move: {corner['positions']}; the network prefers the "
        f"corner in {corner['network_prefers_corner']}. Low numbers can be the network's fault as well as the "
        "method's: the rules say what matters for a move's legality, not what the network looks at."
    )


def _tables(rule: dict[str, Any], solved: dict[str, Any], corner: dict[str, Any]) -> list[Table]:
    header = ("method", *(f"{kind}: {what}" for kind in SETS for what in ("share of |R|", "detection")))

    def rows(found: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (name, *(str(entry[kind][what]) for kind in SETS for what in ("mass", "detection")))
            for name, entry in found.items()
        )

    tables = [
        Table("Best move's logit against the rules (shares among discs; detection 0.5 is chance)", header, rows(rule)),
        Table("Value against the exact solver, near the end",
              ("method", "ranks of |R|", "where the network is right", "signed ranks", *PLACES),
              tuple((name, str(f["rank_correlation"]), str(f["rank_correlation_where_right"]),
                     str(f["signed_rank_correlation"]), *(str(f["mass"][place]) for place in PLACES))
                    for name, f in solved["methods"].items())),
    ]  # fmt: skip
    if "methods" in corner:
        tables.append(Table("Why a proved corner rather than the best other move", header, rows(corner["methods"])))
    return tables


def _figure(rule: dict[str, Any], solved: dict[str, Any]) -> Figure:
    canvas, axes = plots.canvas(4, width=3.5, height=3.4)
    for drawing, kind in zip(axes, SETS):
        entries = {name: rule[name][kind]["detection"] for name in METHODS}
        plots.bars(drawing, entries, f"{kind} discs", "detection (0.5 is chance)", chance=0.5)
    entries = {name: solved["methods"][name]["rank_correlation"] for name in METHODS}
    plots.bars(axes[3], entries, "exact worth of a disc", "rank correlation")
    return Figure("", "Relevance against what the rules and the solver say, with 95 % bootstrap intervals.", canvas)


EXPERIMENT = Experiment(
    "ground-truth", 13, "Ground truth by rule and by solver",
    "How much relevance lies where the right answer is known.", run, positions=(48, 400),
)  # fmt: skip
