"""What explaining a searched Q costs: `python -m benchmarks.explain_tree [--leaves 400 --rounds 9]`.

The ratio is the processor time of one explanation of a tree with so many leaves over the time that leaves / 64 batches
of 64 positions take under the same composite; interleaved rounds on one thread, medians.  The bound is 1.5.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from app.explain.composites import explainer_of
from app.explain.default import DEFAULT_COMPOSITE
from app.explain.network import VALUE, encode_words
from app.explain.search import BATCH, explain_tree
from app.explain.targets import Target
from app.models import load_model
from othello.rules.board import Board
from othello.search.mcts import Search
from othello.search.tree import EXPANDED


def main() -> None:
    """Print one JSON line: leaves, both medians in milliseconds, their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leaves", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--composite", default=DEFAULT_COMPOSITE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, board = load_model(), Board.initial().play("f5")
    search = Search(model.evaluator, seed=0)
    simulations, leaves = options.leaves, 0
    while leaves < options.leaves:
        simulations += 50
        best = search.run(board, simulations=simulations).moves[0].square
        target, tree = Target("q", best), search.tree()
        found = explain_tree(model, board, target, tree, composite=options.composite, bias="sink")
        leaves = found.leaves
    rows = np.flatnonzero(tree.state == EXPANDED)[:BATCH]
    planes, explainer = (
        encode_words(model, tree.own[rows], tree.opp[rows]),
        explainer_of(model, options.composite, "sink"),
    )
    whole, batch = [], []
    for _ in range(options.rounds):
        start = time.process_time()
        explain_tree(model, board, target, tree, composite=options.composite, bias="sink")
        middle = time.process_time()
        explainer.attribute(planes, None, output=VALUE)
        whole.append(middle - start)
        batch.append(time.process_time() - middle)
    tree_s, batch_s = statistics.median(whole), statistics.median(batch)
    report = {
        "leaves": leaves,
        "composite": options.composite,
        "tree_ms": round(1000 * tree_s, 1),
        "batch_of_64_ms": round(1000 * batch_s, 1),
        "ratio": round(tree_s / (batch_s * leaves / BATCH), 3),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
