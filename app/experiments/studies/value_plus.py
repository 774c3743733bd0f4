"""Board 31's value explained with z⁺ in the first layer too: the post's fourth figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.experiments.positions import BOARD_31
from app.experiments.record import Experiment, Findings, Progress, Settings
from app.experiments.studies.board31 import (
    against_chance,
    bias_words,
    draw,
    flipped,
    ledger,
    occupied,
    share,
    stands_out,
)
from app.explain.ask import explain
from othello.rules.notation import parse_square

if TYPE_CHECKING:
    from app.models import Model

DISC_PLANES = ("own", "opponent", "discs")


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Whether only discs carry relevance, and whether those that a7 turns stand out."""
    found = explain(model, BOARD_31, "value", composite="EpsilonPlus", symmetric=False)
    a7, discs = parse_square("a7"), occupied(BOARD_31)
    on_discs = np.sum(
        [relevance for name, relevance in found.planes.items() if name in DISC_PLANES], axis=0
    )
    turned = against_chance(on_discs, flipped(BOARD_31, a7), discs, a7, settings.seed)
    numbers: dict[str, Any] = ledger(found) | {
        "share_on_empty_squares": share(found.squares, ~discs),
        "share_of_disc_planes_on_empty_squares": share(on_discs, ~discs),
        "flipped_by_a7": turned,
    }
    empty = numbers["share_on_empty_squares"]
    moves = (
        f" {100 * empty:.0f} % of the map lies on empty squares all the same: our network also reads where moves are "
        "legal, and those planes are lit on empty squares."
        if empty > 0.005
        else ""
    )
    kept = numbers["share_of_disc_planes_on_empty_squares"]
    reading = (
        f"With z⁺ in the first layer a plane of discs gives empty squares {'nothing' if kept == 0 else f'{kept:.1e}'}."
        f"{moves} The {turned['count']} discs that a7 would turn "
        f"have mean |R| {turned['inside']:.3g} against {turned['outside']:.3g} on the other discs; "
        f"{stands_out(turned, 'a7')}. {bias_words(found.bias_share)} One position: a story, not a rule; the "
        "ground-truth experiment counts many."
    )
    figure = draw("", found, "Board 31, value: z⁺ in every convolution", marked=(a7,), planes=True)
    return Findings(numbers, reading, (figure,))


EXPERIMENT = Experiment(
    "value-plus",
    4,
    "Value relevance of board 31, z⁺ first",
    "Only what is on the board carries relevance; do the discs turned by a7 stand out?",
    run,
    source="figure 4",
)
