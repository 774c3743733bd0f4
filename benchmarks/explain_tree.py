"""What explaining a searched Q costs: `python -m benchmarks.explain_tree [--leaves 400 --rounds 9]`.

The ratio is the processor time of one explanation of a tree with so many leaves over the time that leaves / 64 batches
of 64 positions take under the same composite; interleaved rounds on one thread, medians.  The bound is 1.5.
"""

from __future__ import annotations

import json

import numpy as np

from app.explain.composites import explainer_of
from app.explain.default import DEFAULT_COMPOSITE
from app.explain.network import VALUE
from app.explain.search import BATCH, explain_tree
from app.explain.targets import Target
from app.models import encode_words, load_model
from benchmarks.harness import interleaved, options
from othello.rules.board import Board
from othello.search.search import Search
from othello.search.tree import EXPANDED


def main() -> None:
    """Print one JSON line: leaves, both medians in milliseconds, their ratio."""
    chosen = options(__doc__, leaves=400, rounds=9, composite=DEFAULT_COMPOSITE)
    model, board = load_model(), Board.initial().play("f5")
    search = Search(model.evaluator, seed=0)
    simulations, leaves = chosen.leaves, 0
    while leaves < chosen.leaves:
        simulations += 50
        best = search.run(board, simulations=simulations).moves[0].square
        target, tree = Target("q", best), search.tree()
        found = explain_tree(model, board, target, tree, composite=chosen.composite, bias="sink")
        leaves = found.leaves
    rows = np.flatnonzero(tree.state == EXPANDED)[:BATCH]
    planes, explainer = (
        encode_words(model, tree.own[rows], tree.opp[rows]),
        explainer_of(model, chosen.composite, "sink"),
    )
    jobs = {
        "tree": lambda: explain_tree(
            model, board, target, tree, composite=chosen.composite, bias="sink"
        ),
        "batch": lambda: explainer.attribute(planes, None, output=VALUE),
    }
    spent = interleaved(jobs, chosen.rounds)
    report = {
        "leaves": leaves,
        "composite": chosen.composite,
        "tree_ms": round(1000 * spent["tree"], 1),
        "batch_of_64_ms": round(1000 * spent["batch"], 1),
        "ratio": round(spent["tree"] / (spent["batch"] * leaves / BATCH), 3),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
