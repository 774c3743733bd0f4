"""Ground truth: where the right answer is known by rule or by an exact solver, how much relevance lies there.

By rule: the discs a move turns, the discs that bracket them, the discs without which it is illegal.  By solver: near
the end of a game, how many discs of the final score hang on the owner of each disc; and moves to a corner or an edge
that the solver proves to be the only best ones.  A network may be wrong, so the second kind is a bound on network and
explanation together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.attributions import METHODS, TARGETS, Maps, relevance_maps
from app.experiments.positions import Games, Words, best_two, board_of, legal_table, one_a_game, self_play, states_of
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings, Table, part, silent
from app.experiments.rules_truth import CORNERS, EDGES, MoveFacts, facts
from app.experiments.statistics import Interval, area_under_roc, bootstrap, highest, proportion, spearman
from othello.board import Board
from othello.solver import Solver

if TYPE_CHECKING:
    from app.models import Model

Squares = NDArray[np.bool_]
SETS: Final = ("flipped", "bracketing", "critical")
ENDGAME: Final = (6, 9)  # empty squares
PROVED: Final = (6, 11)  # empty squares of the positions with a proved move
PLACE_WORDS: Final = {"corner": "a corner", "edge": "an edge"}
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


def proved_moves(
    games: Games, place: Squares, count: int, seed: int, solver: Solver
) -> tuple[Words, Words, NDArray[np.int64]]:
    """Endgames whose only best move lies on `place` [64], with it and the best one elsewhere: words, moves [P, 2]."""
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
    return own[rows], opp[rows], np.array(pairs, np.int64).reshape(-1, 2)


def by_proof(model: Model, games: Games, place: Squares, count: int, seed: int) -> dict[str, Any]:
    """Why the proved move rather than the best one elsewhere: shares and detection, and whether the network agrees."""
    own, opp, pairs = proved_moves(games, place, count, seed, Solver(8, 14))
    if not len(pairs):
        return {"positions": 0}
    logits = np.take_along_axis(model.evaluator(own, opp)[0], pairs, 1)
    maps = all_maps(model, own, opp, pairs, seed, silent)
    truth, discs = facts(own, opp, pairs[:, 0]), states_of(own, opp) != 0
    return {
        "positions": len(pairs), "network_prefers_it": proportion(int((logits[:, 0] > logits[:, 1]).sum()), len(pairs)),
        "methods": by_rule(maps, truth, discs, TARGETS.index("best − second"), seed),
    }  # fmt: skip


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
    right = (np.sign(scores) == np.sign(values)) & (scores != 0)
    discs = states_of(own, opp) != 0
    maps = all_maps(model, own, opp, best_two(logits, legal_table(own, opp)), seed, part(progress, 0.5, 1.0))
    found: dict[str, Any] = {"positions": len(own), "decided": int((scores != 0).sum()),
                             "network_has_the_winner": int(right.sum()), "methods": {}}  # fmt: skip
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
    proved = {
        "corner": by_proof(model, games, CORNERS, settings.positions, seed),
        "edge": by_proof(model, games, EDGES, settings.positions, seed),
    }
    numbers = {"positions": len(own), "by_rule": rule, "by_solver": solved, "proved_moves": proved}
    return Findings(numbers, _reading(len(own), rule, solved, proved), (_figure(rule, solved),),
                    tuple(_tables(rule, solved, proved)))  # fmt: skip


def _reading(count: int, rule: dict[str, Any], solved: dict[str, Any], proved: dict[str, Any]) -> str:
    names = [name for name in METHODS if name != "random"]
    best = {kind: highest({n: rule[n][kind]["detection"] for n in names}) for kind in SETS}
    words = ", ".join(f"{kind} {rule[best[kind]][kind]['detection']} ({best[kind]})" for kind in SETS)
    blind = [name for name in names if not any(rule[name][kind]["detection"].low > 0.5 for kind in SETS)]
    ranks = {n: solved["methods"][n]["rank_correlation"] for n in names}
    top = highest(ranks)
    beats = [n for n in names if ranks[n].low > 0]
    sentence = (
        f"The best move's logit, {count} positions: a disc of the set has more relevance than one outside it with "
        f"probability {words}; chance is 0.5, and picking the best of {len(names)} methods flatters it. "
        + (f"No better than chance on every set: {', '.join(blind)}. " if blind else "")
        + f"Against the solver ({solved['positions']} endgames, {solved['decided']} of them no draw; the network names "
        f"the winner in {solved['network_has_the_winner']}): ranks of |R| for the value correlate with what a disc's "
        f"owner is worth in final discs at best by {ranks[top]} ({top}); "
        + (f"the interval lies above 0 for {len(beats)} of {len(names)} methods. " if beats
           else "no method's interval lies above 0. ")
    )  # fmt: skip
    for place, found in proved.items():
        if not found["positions"]:
            sentence += f"No move to {PLACE_WORDS[place]} was proved to be the only best one in these games. "
            continue
        kinds = {n: found["methods"][n]["flipped"]["detection"] for n in names}
        sentence += (
            f"Endgames whose only best move is proved to lie on {PLACE_WORDS[place]}: {found['positions']}; the "
            f"network prefers it to the best move elsewhere in {found['network_prefers_it']} of them, and the discs it "
            f"turns are found at best with probability {kinds[highest(kinds)]} ({highest(kinds)}). "
        )
    return sentence + (
        "Low numbers can be the network's fault as well as the method's: the rules say what matters for a move's "
        "legality, not what the network looks at."
    )


def _tables(rule: dict[str, Any], solved: dict[str, Any], proved: dict[str, Any]) -> list[Table]:
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
    for place, found in proved.items():
        if found["positions"]:
            title = f"Why {PLACE_WORDS[place]} that is proved best rather than the best move elsewhere"
            tables.append(Table(f"{title} ({found['positions']} positions)", header, rows(found["methods"])))
    return tables


def _figure(rule: dict[str, Any], solved: dict[str, Any]) -> Figure:
    canvas, axes = plots.canvas(4, width=3.5, height=3.4)
    for drawing, kind in zip(axes, SETS):
        entries = {name: rule[name][kind]["detection"] for name in METHODS}
        plots.bars(drawing, entries, f"{kind} discs", "detection (0.5 is chance)", chance=0.5)
    seen = [
        alt.of_bars({name: rule[name][kind]["detection"] for name in METHODS}, f"detection of {kind} discs", 0.5)
        for kind in SETS
    ]  # fmt: skip
    entries = {name: solved["methods"][name]["rank_correlation"] for name in METHODS}
    plots.bars(axes[3], entries, "exact worth of a disc", "rank correlation")
    words = alt.sentence(*seen, alt.of_bars(entries, "rank correlation with the exact worth of a disc"))
    caption = "Relevance against what the rules and the solver say, with 95 % bootstrap intervals."
    return Figure("", caption, canvas, words)


EXPERIMENT = Experiment(
    "ground-truth", 13, "Ground truth by rule and by solver",
    "How much relevance lies where the right answer is known.", run, positions=(48, 512),
    games=True,
)  # fmt: skip
