"""How many discs a value is worth: `python -m app.experiments.calibration` fits the curve and stores it.

The positions are those of held-out games of self-play, each with the final score of its game.
"""

from __future__ import annotations

import numpy as np

from app.experiments.positions import HELD_OUT
from app.explain.reasons import discs
from app.models import Model, load_model
from othello import atomic
from othello.training.selfplay import SelfPlaySettings, play_games

GAMES, SEED = 512, 17
RULES = SelfPlaySettings(simulations=16, slots=64, solve_empties=12)


def calibrate(model: Model, games: int = GAMES) -> str:
    """The text of `discs.json` for a model, from so many games."""
    found, _ = play_games(model.evaluator, RULES, SEED, HELD_OUT, range(games))
    values = model.evaluator(found.own, found.opp)[1].astype(np.float64)
    curve = discs.fit(values, found.score.astype(np.float64))
    return discs.as_json(curve, positions=len(values), games=games, weights=model.sha256)


if __name__ == "__main__":
    atomic.write_text(discs.FILE, calibrate(load_model()) + "\n")
    print(discs.FILE.read_text("utf-8"))
