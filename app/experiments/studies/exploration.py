"""One network against itself, searching narrowly (c_puct = 0.1) and widely (c_puct = 2): does exploration pay?

Ten simulations a move, the tree kept between moves, no solver, as in the post.  Games open with random moves and
every opening is played twice, so that each side searches widely once; then both sides play their most visited move.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.record import Experiment, Figure, Findings, PerPosition, Progress, Settings
from app.experiments.statistics import Interval, bootstrap, proportion
from app.models import Model
from othello.network.evaluator import Evaluator
from othello.rules.board import Board
from othello.search.search import Puct, Search

NARROW, WIDE, SIMULATIONS, OPENING, PLIES = 0.1, 2.0, 10, 6, 60
PLIED = range(OPENING, PLIES + 1)  # discs placed, from the opening on
Leads = NDArray[np.float64]


def opening(random: np.random.Generator, plies: int = OPENING) -> Board:
    """A position after random moves from the start."""
    board = Board.initial()
    for _ in range(plies):
        board = board.play(int(random.choice(board.legal_actions())))
    return board


def play(evaluator: Evaluator, board: Board, black: float, white: float) -> Leads:
    """Black's lead in discs [PLIES + 1] at each number of discs placed (NaN before the opening's end), to the end.

    `black` and `white` are the two sides' c_puct.  After the game's end the final score stands (empties to the winner).
    """
    searches = {
        side: Search(evaluator, Puct(c_puct=c, leaf_empties=0), batch=1)
        for side, c in (("X", black), ("O", white))
    }
    leads = np.full(PLIES + 1, np.nan)
    while not board.is_over:
        leads[PLIES - board.empties] = board.score()
        if board.must_pass:
            board = board.pass_turn()
            continue
        search = searches[board.side]
        kept = search.run(board, simulations=0).simulations
        result = search.run(board, simulations=kept + SIMULATIONS)
        board = board.play(search.choose(result))
    leads[PLIES - board.empties :] = board.score()
    return leads


def openings(pairs: int, seed: int) -> list[Board]:
    """The positions that the games of a tournament begin with."""
    random = np.random.default_rng((seed, 1))
    return [opening(random) for _ in range(pairs)]


def tournament(
    evaluator: Evaluator, starts: Sequence[Board], progress: Progress
) -> tuple[Leads, Leads]:
    """Black's leads [G, PLIES + 1] where black searches narrowly, and where black searches widely."""
    narrow, wide = [], []
    for place, start in enumerate(starts):
        progress(place / len(starts), f"opening {place + 1} of {len(starts)}")
        narrow.append(play(evaluator, start, NARROW, WIDE))
        wide.append(play(evaluator, start, WIDE, NARROW))
    return np.array(narrow), np.array(wide)


def by_ply(leads: Leads, seed: int) -> list[Interval]:
    """The mean lead with its interval at each ply from the opening on."""
    return [bootstrap(leads[:, ply], seed, 500) for ply in PLIED]


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Black's lead by ply as in the post, the wide searcher's lead, and its score with an interval."""
    pairs = max(1, settings.positions // 2)
    starts = openings(pairs, settings.seed)
    narrow, wide = tournament(model.evaluator, starts, progress)
    explorer = (wide - narrow) / 2  # an opening's two games; the colour cancels
    points = (np.sign(wide[:, -1]) - np.sign(narrow[:, -1])) / 4 + 0.5
    score = (
        proportion(float(points.sum() * 2), 2 * pairs)
        if pairs < 5
        else bootstrap(points, settings.seed)
    )
    curves = {
        "black_narrow": by_ply(narrow, settings.seed),
        "black_wide": by_ply(wide, settings.seed),
        "explorer": by_ply(explorer, settings.seed),
    }
    behind = [ply for ply, lead in zip(PLIED, curves["explorer"]) if lead.high < 0]
    ahead = [ply for ply, lead in zip(PLIED, curves["explorer"]) if lead.low > 0]
    final = curves["explorer"][-1]
    numbers: dict[str, Any] = {
        "games": 2 * pairs,
        "simulations": SIMULATIONS,
        "c_puct": {"narrow": NARROW, "wide": WIDE},
        "ply": list(PLIED),
        "explorer_score": score,
        "explorer_final_lead": final,
        "explorer_behind_at": behind,
        "explorer_ahead_at": ahead,
        "lead": curves,
    }
    reading = (
        f"Over {2 * pairs} games ({pairs} random openings, both colours) the side with c_puct = {WIDE:g} scores "
        f"{100 * score.mean:.0f} % [{100 * score.low:.0f}, {100 * score.high:.0f}] against c_puct = {NARROW:g} at "
        f"{SIMULATIONS} simulations a move, and its mean lead at the end is {final} discs. {_verdict(score, final)} "
        f"{_phases(behind, ahead)} "
        "The post says that black leads in both phases; a lead in discs before the end is a poor sign of who wins in "
        "Othello, and its sign has to be read from the curves with their bands."
    )
    figures = (_figure(curves, 2 * pairs),)
    return Findings(numbers, reading, figures, each=(_each(starts, narrow, wide, points),))


def _each(starts: Sequence[Board], narrow: Leads, wide: Leads, points: Leads) -> PerPosition:
    """Both games of every opening."""
    values = {"wide searcher's score": points}
    for name, leads in (("black narrow", narrow), ("black wide", wide)):
        values |= {f"{name} | {ply}": leads[:, ply] for ply in PLIED}
    own, opp = (
        np.array([getattr(start, side) for start in starts], np.uint64) for side in ("own", "opp")
    )
    return PerPosition("openings", own, opp, values)


def _figure(curves: dict[str, list[Interval]], games: int) -> Figure:
    canvas, (left, right) = plots.canvas(2, width=4.6, height=3.3)
    drawn = (
        (left, "black_narrow", f"black c = {NARROW:g}, white c = {WIDE:g}"),
        (left, "black_wide", f"black c = {WIDE:g}, white c = {NARROW:g}"),
        (right, "explorer", "wide − narrow, colours balanced"),
    )
    for (axes, name, label), colour in zip(drawn, plots.COLOURS):
        plots.band(axes, PLIED, curves[name], label, colour)
    for axes, title in ((left, "Black's lead"), (right, "The wide searcher's lead")):
        axes.axhline(0, color=plots.INK, linewidth=0.8)
        plots.lines(axes, title, "discs placed", "discs")
    caption = (
        f"Disc lead by ply over {games} games with 95 % bootstrap bands over openings, ply by ply; finished "
        "games keep their score."
    )
    described = {
        "black_narrow": "black's mean lead where it searches narrowly",
        "black_wide": "where it searches widely",
        "explorer": "the wide searcher's lead",
    }
    words = []
    for name, what in described.items():
        words.append(alt.of_curve(PLIED, [lead.mean for lead in curves[name]], what))
    return Figure("", caption, canvas, alt.sentence(*words))


def _verdict(score: Interval, lead: Interval) -> str:
    if score.low > 0.5:
        return "Exploration pays here: the interval lies above one half."
    if score.high < 0.5:
        return "Exploration does not pay here: the interval lies below one half."
    words = "The interval of the score contains one half: these games do not show that exploration pays."
    if lead.high < 0:
        return (
            words
            + " In discs it does not: the interval of the lead lies below 0, wide search loses discs here."
        )
    if lead.low > 0:
        return words + " In discs it does: the interval of the lead lies above 0."
    return words


def _phases(behind: list[int], ahead: list[int]) -> str:
    if not behind and not ahead:
        return "At no ply does the band of its lead leave zero."
    parts = [
        f"its lead is {word} zero at {len(plies)} plies ({plies[0]} to {plies[-1]})"
        for word, plies in (("below", behind), ("above", ahead))
        if plies
    ]
    chance = "; of 55 bands about 3 leave zero by chance, and neighbours do so together."
    return "Ply by ply, " + " and ".join(parts) + chance


EXPERIMENT = Experiment(
    "exploration",
    1,
    "Exploration in self-play",
    "Who leads at each ply when one side searches widely and the other narrowly.",
    run,
    positions=(24, 400),
    source="figure 1",
)
