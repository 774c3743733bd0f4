"""Board 31's value explained with the flat rule first: the post's second figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.experiments.positions import BOARD_31
from app.experiments.record import Experiment, Findings, Progress, Settings
from app.experiments.studies.board31 import bias_words, draw, ledger, occupied, share, standing
from app.explain.ask import explain
from othello.rules.notation import parse_square, square_name

if TYPE_CHECKING:
    from app.models import Model


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Relevance on empty squares, and where b6, the post's best move, stands."""
    from othello.search.mcts import Search

    found = explain(model, BOARD_31, "value", composite="EpsilonPlusFlat", symmetric=False)
    progress(0.5, "search")
    best = Search(model.evaluator, seed=settings.seed).run(
        BOARD_31, simulations=200 if settings.quick else 800
    )
    ours = square_name(best.moves[0].square)
    b6 = parse_square("b6")
    numbers = ledger(found) | {
        "share_on_empty_squares": share(found.squares, ~occupied(BOARD_31)),
        "empty_squares_of_all": float((~occupied(BOARD_31)).mean()),
        "b6": standing(found.squares, b6),
        "search": {
            "best": ours,
            "value": best.value,
            "network_value": best.network_value,
            "b6_visits": next(m.visits for m in best.moves if m.square == b6),
        },
    }
    rank = numbers["b6"]["rank"]
    reading = (
        f"With the flat rule in the first layer {100 * numbers['share_on_empty_squares']:.0f} % of the absolute "
        f"relevance lies on empty squares, which are {100 * numbers['empty_squares_of_all']:.0f} % of the board: the "
        f"rule spreads a unit's relevance evenly over its 3×3 inputs without looking at them. b6, the best move of the "
        f"post's network, ranks {rank} of 64 by absolute relevance here"
        f"{'; that is no sign of a plan' if rank > 10 else ''}. Our search prefers {ours}. "
        f"{bias_words(found.bias_share)} That part is not on the map. One position: no interval."
    )
    return Findings(
        numbers,
        reading,
        (
            draw(
                "",
                found,
                "Board 31, value: flat first, z⁺ in convolutions, ε in linear layers",
                marked=(b6,),
                planes=True,
            ),
        ),
    )


EXPERIMENT = Experiment(
    "value-flat",
    2,
    "Value relevance of board 31, flat rule first",
    "Relevance near the post's best move b6, also on empty squares.",
    run,
    source="figure 2",
)
