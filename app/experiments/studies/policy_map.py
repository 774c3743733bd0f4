"""Board 31's policy explained, raw logit by raw logit: the post's fifth figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.experiments import alt, plots
from app.experiments.positions import BOARD_31
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings
from app.experiments.studies.board31 import (
    against_chance,
    draw,
    flipped,
    ledger,
    occupied,
    stands_out,
)
from app.explain.network import explain_many
from app.explain.targets import Target
from othello.rules.notation import parse_square, square_name

if TYPE_CHECKING:
    from app.models import Model


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Every legal move's map, b6 in particular, and whether a map's sign is its logit's."""
    moves = BOARD_31.legal_moves()
    b6, discs = parse_square("b6"), occupied(BOARD_31)
    found = explain_many(
        model,
        [BOARD_31] * len(moves),
        [Target("policy", move) for move in moves],
        composite="EpsilonPlus",
    )
    chosen = found[moves.index(b6)]
    turned = against_chance(chosen.squares, flipped(BOARD_31, b6), discs, b6, settings.seed)
    agree = [int(np.sign(e.value) == np.sign(e.squares.sum())) for e in found]
    entries = [
        {
            "move": square_name(move),
            "logit": e.value,
            "squares_total": float(e.squares.sum()),
            "bias": e.bias_total,
        }
        for move, e in zip(moves, found)
    ]
    numbers = ledger(chosen) | {
        "flipped_by_b6": turned,
        "moves": entries,
        "signs_agree": sum(agree),
    }
    logits = [e.value for e in found]
    top = square_name(moves[int(np.argmax(logits))])
    reading = (
        f"The squares' sum has the sign of the logit for {sum(agree)} of {len(agree)} legal moves (raw logits, "
        f"{min(logits):+.2f} to {max(logits):+.2f}; log-softmax would make all of them negative)"
        f"{'' if all(agree) else '; for the others the biases outweigh the squares'}. "
        f"b6 has the logit {chosen.value:+.2f}; our network's first choice is {top}. The "
        f"{turned['count']} discs that b6 would turn have mean |R| {turned['inside']:.3g} against "
        f"{turned['outside']:.3g} on the others; {stands_out(turned, 'b6')}. One position: no interval; the "
        "ground-truth experiment asks the same of many."
    )
    by_logit = sorted(zip(moves, found), key=lambda pair: -pair[1].value)
    shown = list(dict(by_logit[:3] + [(b6, chosen)] + by_logit[-1:]).items())
    canvas, axes = plots.canvas(len(shown), width=2.9)
    for drawing, (move, e) in zip(axes, shown):
        title = f"{square_name(move)}: logit {e.value:+.2f}"
        plots.board_map(drawing, BOARD_31, e.squares, title, marked=(move,))
    caption = "Board 31, policy: maps of the three highest logits, b6 and the lowest; the explained move is outlined."
    words = alt.sentence(
        *(alt.of_map(e.squares, f"{square_name(m)}, logit {e.value:+.2f}", 3) for m, e in shown)
    )
    first = draw("", chosen, "Board 31, the logit of b6", marked=(b6,), planes=True)
    return Findings(numbers, reading, (first, Figure("moves", caption, canvas, words)))


EXPERIMENT = Experiment(
    "policy",
    5,
    "Policy relevance of board 31",
    "The sign of a map comes from the logit's; do the discs turned by b6 stand out?",
    run,
    source="figure 5",
)
