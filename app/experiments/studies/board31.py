"""What the experiments on board 31 share: its sets of squares, a map's standing, the figure with its ledger."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.nearness import STEPS
from app.experiments.record import Figure
from app.explain.explanation import Explanation
from othello.rules.bitboard import flip_mask
from othello.rules.board import Board, squares_of
from othello.rules.notation import square_name

Map = NDArray[np.float64]
Squares = NDArray[np.bool_]


def occupied(board: Board) -> Squares:
    """[N, N]: whether a square has a disc."""
    return mask(squares_of(board.black | board.white, board.size), board.size)


def flipped(board: Board, move: int) -> Squares:
    """[8, 8]: the discs that a move of the side to move turns."""
    bits = int(flip_mask(np.uint64(board.own), np.uint64(board.opp), np.int64(move)))
    return mask(squares_of(bits, board.size), board.size)


def mask(squares: tuple[int, ...], size: int = 8) -> Squares:
    """[N, N]: the squares of a list."""
    found = np.zeros(size * size, bool)
    found[list(squares)] = True
    return found.reshape(size, size)


def share(relevance: Map, where: Squares) -> float:
    """The part of Σ|R| that lies on some squares, in [0, 1]."""
    total = float(np.abs(relevance).sum())
    return float(np.abs(relevance)[where].sum()) / total if total else 0.0


def standing(relevance: Map, square: int) -> dict[str, Any]:
    """A square's relevance, and its rank by absolute relevance, 1 the highest."""
    size = np.abs(relevance).ravel()
    return {
        "relevance": float(relevance.flat[square]),
        "rank": int((size > size[square]).sum()) + 1,
    }


def against_chance(
    relevance: Map, inside: Squares, among: Squares, move: int, seed: int, draws: int = 20_000
) -> dict[str, float]:
    """Mean |R| on `inside`, on the rest of `among`, and how often as many squares drawn by chance have as much.

    p: drawn among all of `among`.  p_as_near: drawn so that as many lie at each distance from the move.
    """
    size = np.abs(relevance)
    pool, count = size[among], int((inside & among).sum())
    if not 0 < count < len(pool):
        return {"inside": 0.0, "outside": 0.0, "p": 1.0, "p_as_near": 1.0, "count": count}
    mean = float(size[inside & among].mean())
    random = np.random.default_rng((seed, 31))
    drawn = random.permuted(np.broadcast_to(pool, (draws, len(pool))), axis=1)[:, :count].mean(1)
    steps = STEPS[move].reshape(size.shape)
    as_near = np.zeros(draws)
    for distance in np.unique(steps[inside & among]).tolist():
        ring = among & (steps == distance)
        here = int((inside & ring).sum())
        as_near += random.permuted(np.broadcast_to(size[ring], (draws, int(ring.sum()))), axis=1)[
            :, :here
        ].sum(1)
    return {
        "inside": mean,
        "outside": float(size[among & ~inside].mean()),
        "p": float((1 + (drawn >= mean - 1e-12).sum()) / (1 + draws)),
        "p_as_near": float((1 + (as_near / count >= mean - 1e-12).sum()) / (1 + draws)),
        "count": count,
    }


def stands_out(turned: dict[str, float], move: str) -> str:
    """Both p of `against_chance` in words, and the verdict: the one of sets as near to the move decides."""
    verdict = "stand out" if turned["p_as_near"] < 0.05 else "do not stand out"
    return (
        f"as many discs drawn by chance have that much with p = {turned['p']:.2f}, but discs near the move have more "
        f"anyway: drawn as near to {move}, p = {turned['p_as_near']:.2f}, so on this network they {verdict}"
    )


def bias_words(share: float) -> str:
    """What a bias share says and what it does not."""
    return (
        f"Under this composite biases keep {100 * share:.0f} % of the value; other rules would leave them another "
        "share, and which units' biases count depends on the board."
    )


def ledger(found: Explanation) -> dict[str, Any]:
    """The explanation as numbers: the maps and where every unit of the target went."""
    order = np.argsort(-np.abs(found.squares).ravel())[:5]
    return {
        "of": str(found.target),
        "composite": found.composite,
        "target": found.value,
        "squares": found.squares,
        "planes": found.planes,
        "squares_total": float(found.squares.sum()),
        "bias_total": found.bias_total,
        "bias_share": found.bias_share,
        "bias_squares": found.bias_squares,
        "stabilizer": found.stabilizer,
        "closure": found.closure,
        "heaviest": [square_name(int(square), found.board.size) for square in order],
    }


def draw(
    name: str,
    found: Explanation,
    caption: str,
    *,
    marked: tuple[int, ...] = (),
    planes: bool = False,
) -> Figure:
    """The map of the squares, the bias map and, if wanted, the planes, with the ledger under it."""
    shown = list(found.planes.items()) if planes and len(found.planes) > 1 else []
    columns = 2 + len(shown)
    canvas, axes = plots.canvas(columns, width=2.9)
    total = float(found.squares.sum())
    plots.board_map(axes[0], found.board, found.squares, f"{found.target}: squares", marked=marked)
    plots.board_map(axes[1], found.board, found.bias_squares, "bias relevance with a square")
    for drawing, (plane, relevance) in zip(axes[2:], shown):
        plots.board_map(
            drawing, found.board, relevance, f"plane: {plane.replace('_', ' ')}", marked=marked
        )
    words = (
        f"{caption}. {found.value:+.3f} = squares {total:+.3f} + bias {found.bias_total:+.3f} "
        f"+ stabilizer {found.stabilizer:+.1g}."
    )
    seen = [
        alt.of_map(found.squares, f"{found.target}, squares"),
        alt.of_map(found.bias_squares, "the biases"),
    ]
    seen += [
        alt.of_map(relevance, f"the plane {plane.replace('_', ' ')}", 3)
        for plane, relevance in shown
    ]
    return Figure(name, words, canvas, alt.sentence(*seen))
