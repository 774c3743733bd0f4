"""Relevance through the search: Q and U of moves at the root, explained over the whole tree; the ledger closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.experiments import alt, plots
from app.experiments.positions import BOARD_31, board_of, one_a_game, self_play
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings, Table, part
from app.experiments.statistics import Interval, bootstrap, cosine
from app.explain.ask import explain
from app.explain.explanation import Explanation
from app.explain.exploration_bonus import explain_bonus
from app.explain.network import explain_many
from app.explain.search import explain_tree
from app.explain.targets import Target
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.mcts import Search

if TYPE_CHECKING:
    from app.models import Model

COMPOSITE, BIAS = "EpsilonPlus", "sink"
SIMULATIONS = 800


def entry(name: str, found: Explanation) -> dict[str, Any]:
    """One explained number of a search and its ledger."""
    return {
        "of": name,
        "value": found.value,
        "squares": float(found.squares.sum()),
        "bias": found.bias_total,
        "stabilizer": found.stabilizer,
        "solved_or_uniform": found.given_total,
        "closure": found.closure,
        "leaves": found.leaves,
        "map": found.squares,
    }


def ledger_row(found: dict[str, Any]) -> tuple[str, ...]:
    """An entry as a row of a table."""
    numbers = (
        found["value"],
        found["squares"],
        found["bias"],
        found["stabilizer"],
        found["solved_or_uniform"],
    )
    return (
        found["of"],
        *(f"{value:+.4f}".replace("-", "−") for value in numbers),
        f"{found['closure']:+.0e}",
    )


def on_board_31(
    model: Model, seed: int, simulations: int = SIMULATIONS
) -> tuple[list[dict[str, Any]], Any, str]:
    """Explanations at the root of board 31's tree: Q of three moves, the difference of two, U; and the figure."""
    search = Search(model.evaluator, seed=seed)
    result = search.run(BOARD_31, simulations=simulations)
    tree, top = search.tree(), [move for move in result.moves if move.visits][:3]
    named = {square_name(move.square): move for move in top}
    found = {
        f"Q({name})": explain_tree(
            model, BOARD_31, Target("q", move.square), tree, composite=COMPOSITE, bias=BIAS
        )
        for name, move in named.items()
    }
    if len(top) > 1:
        first, second = list(named)[:2]
        pair = Target("q", top[0].square, top[1].square)
        found[f"Q({first}) − Q({second})"] = explain_tree(
            model, BOARD_31, pair, tree, composite=COMPOSITE, bias=BIAS
        )
    for name, move in list(named.items())[:2]:
        found[f"U({name})"] = explain_bonus(
            model, BOARD_31, move.square, tree, composite=COMPOSITE, bias=BIAS
        )
    still = explain(model, BOARD_31, "value", composite=COMPOSITE, symmetric=False)
    shown = {"value, no search": still, **found}
    canvas, axes = plots.canvas(4, (len(shown) + 3) // 4, width=2.8)
    for drawing, (name, one) in zip(axes, shown.items()):
        marked = tuple(named[move].square for move in named if f"({move})" in name)
        plots.board_map(drawing, BOARD_31, one.squares, f"{name} = {one.value:+.3f}", marked=marked)
    for drawing in axes[len(shown) :]:
        drawing.set_visible(False)
    entries = [entry(name, one) for name, one in found.items()]
    for item, one in zip(entries, found.values()):
        item["cosine_with_value_map"] = cosine(one.squares.ravel(), still.squares.ravel())
    words = alt.sentence(
        *(alt.of_map(one.squares, f"{name} = {one.value:+.3f}", 3) for name, one in shown.items())
    )
    return entries, canvas, words


def over_positions(
    model: Model, boards: list[Board], seed: int, progress: Progress
) -> dict[str, Any]:
    """Closure of trees of 800 simulations, and how much the search moves the map away from the network's own."""
    closures, similar, solved, leaves = [], [], [], []
    own_maps = explain_many(model, boards, [Target("value")] * len(boards), composite=COMPOSITE)
    for place, (board, own) in enumerate(zip(boards, own_maps)):
        progress(place / len(boards), f"tree {place + 1} of {len(boards)}")
        search = Search(model.evaluator, seed=seed)
        best = search.run(board, simulations=SIMULATIONS).moves[0].square
        one = explain_tree(
            model, board, Target("q", best), search.tree(), composite=COMPOSITE, bias=BIAS
        )
        closures.append(abs(one.closure))
        similar.append(cosine(one.squares.ravel(), own.squares.ravel()))
        solved.append(abs(one.exact) / one.size if one.size else 0.0)
        leaves.append(one.leaves)
    return {
        "positions": len(boards),
        "simulations": SIMULATIONS,
        "largest_closure": max(closures),
        "leaves": bootstrap(np.array(leaves, float), seed),
        "solved_share": bootstrap(np.array(solved), seed),
        "cosine_with_value_map": bootstrap(np.array(similar), seed),
    }


def _change(alike: Interval) -> str:
    return (
        "changes"
        if alike.high < 0.9
        else "barely changes"
        if alike.low >= 0.9
        else "changes here and there"
    )


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Board 31's tree in full, then many trees' ledgers."""
    entries, canvas, words = on_board_31(model, settings.seed)
    games = self_play(model, settings, part(progress, 0.1, 0.5))
    own, opp = one_a_game(games, settings.positions, settings.seed)
    boards = [board_of(o, p) for o, p in zip(own, opp)]
    many = over_positions(model, boards, settings.seed, part(progress, 0.5, 1.0))
    worst = max(many["largest_closure"], max(abs(one["closure"]) for one in entries))
    alike, solved = many["cosine_with_value_map"], many["solved_share"]
    reading = (
        "Q is a mean of values of positions below the move, so its relevance is the same mean of their relevances, "
        "each on its own board and with the sign of who moves there; finished and solved positions keep their share "
        f"apart; U is explained through the prior. Over {many['positions']} trees of {SIMULATIONS} simulations "
        f"({many['leaves'].mean:.0f} positions each on average) the ledger closes to {worst:.0e}. The map "
        f"of the best move's Q has cosine {alike} with the network's own value map of the root: the search "
        f"{_change(alike)} where the value comes from. {solved} of all relevance "
        "belongs to solved positions, which no square can claim. A mean over boards blurs: a square's discs differ "
        "from leaf to leaf, so read these maps as where the future is decided, not as which disc counts now."
    )
    table = Table(
        "Board 31: where Q and U come from",
        ("of", "value", "squares", "bias", "stabilizer", "solved / uniform", "closure"),
        tuple(ledger_row(one) for one in entries),
    )
    caption = f"Board 31 after {SIMULATIONS} simulations: maps of Q and U at the root; explained moves are outlined."
    return Findings(
        {"board_31": entries, "trees": many},
        reading,
        (Figure("", caption, canvas, words),),
        (table,),
    )


EXPERIMENT = Experiment(
    "search",
    8,
    "Relevance through the search",
    "Q's relevance is a mean over the tree's positions, U's is the prior's; the ledger closes.",
    run,
    positions=(6, 64),
    source="the post's exploratory snippet",
    games=True,
)
