"""Values in discs: the one conversion, calibrated on positions that the solver settled and on finished self-play.

A value's z = arctanh(value) is the network's number before tanh; its discs, the expected final difference with empties
to the winner, are a · tanh(b · z) + c · z.  Where the network's score head (Wu, "Accelerating self-play learning in
Go", 2019, section 3.3) can be asked too, they are `score` times its answer and a curve of their own; no coefficient is
negative, so that more of either is never worth less.  Where the solver settles a position on the search's line, they go
towards its exact discs, the less so the more moves it is away (`othello.search.worth`).
`python -m app.experiments.calibration` writes `discs.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from othello.network.evaluator import Evaluator, NetworkEvaluator
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, transform_board

FILE: Final = Path(__file__).with_name("discs.json")
UNIT: Final = "discs"
_LIMIT: Final = 1 - 1e-6  # of a value that is rounded to ±1
SUREST: Final = 0.995  # what a search's value counts for at most: beyond it says little of discs
_SLOPES: Final = np.arange(0.1, 3.01, 0.05)
_KEPT: Final = 1 << 12  # scores of positions
_ASKED_AT_ONCE: Final = 1 << 11  # positions in a network batch

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DiscCurve:
    """Values in [−1, 1] as discs of an 8×8 game; smaller boards have fewer of them in proportion.

    >>> curve = DiscCurve(a=20.0, b=1.0, c=2.0)
    >>> curve(0.0), curve(-0.5) == -curve(0.5), curve(0.5, size=4) == curve(0.5) / 4
    (0.0, True, True)
    """

    a: float
    b: float
    c: float
    score: float = 0.0  # times the score head's discs

    def __call__(self, value: ArrayLike, size: int = 8, scores: ArrayLike = 0.0) -> Any:
        """The expected final difference in discs, for the side whose value and score it is."""
        z = np.arctanh(np.clip(np.asarray(value, float), -_LIMIT, _LIMIT))
        discs = (self.a * np.tanh(self.b * z) + self.c * z) * (size * size / 64)
        discs = discs + self.score * np.asarray(scores, float)
        return float(discs) if np.ndim(discs) == 0 else discs


def fit(values: Array, discs: Array, scores: Array | None = None) -> DiscCurve:
    """The curve nearest to final differences [S] at values [S] and, if given, scores [S]: least squares, all ≥ 0."""
    z = np.arctanh(np.clip(values, -_LIMIT, _LIMIT))
    found: list[tuple[float, DiscCurve]] = []
    for slope in _SLOPES:
        columns = [np.tanh(slope * z), z, *([] if scores is None else [scores])]
        for kept in _choices(len(columns)):
            table = np.stack([columns[place] for place in kept], 1)
            weights, *_ = np.linalg.lstsq(table, discs, rcond=None)
            if (weights >= 0).all():
                error = float(((table @ weights - discs) ** 2).sum())
                of = dict(zip(kept, map(float, weights)))
                curve = DiscCurve(of.get(0, 0.0), float(slope), of.get(1, 0.0), of.get(2, 0.0))
                found.append((error, curve))
    if not found:
        raise ValueError("the values do not grow with the scores")
    return min(found, key=lambda pair: pair[0])[1]


def _choices(count: int) -> Iterable[tuple[int, ...]]:
    """Which of so many columns take part: any of them but none."""
    for size in range(count, 0, -1):
        yield from combinations(range(count), size)


def fit_share(plain: Array, exact: Array, moves: Array, discs: Array) -> float:
    """The share in 0..1 with which plain + shareᵐᵒᵛᵉˢ · (exact − plain) is nearest to differences [S], in squares.

    plain: discs without the line; exact: those of the position on it that was settled; moves: before that, all [S].
    """
    shares = np.arange(0, 1.001, 0.01)
    powers = shares[:, None] ** moves
    errors = ((plain + powers * (exact - plain) - discs) ** 2).sum(1)
    return round(float(shares[errors.argmin()]), 2)


def as_json(curves: Mapping[str, DiscCurve], **origin: float | str) -> str:
    """The text of `discs.json`: the curves by what they are told, and what they were fitted on."""
    rounded = {
        name: {what: round(number, 4) for what, number in asdict(curve).items()}
        for name, curve in curves.items()
    }
    return json.dumps({**rounded, **origin}, indent=2)


_STORED: Final[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
CURVE: Final = DiscCurve(**_STORED["value"])
"""For a value alone."""
CURVE_WITH_SCORE: Final = DiscCurve(**_STORED["value and score"])
"""For a value and the score head's discs."""
LINE_SHARE: Final[float] = _STORED["line_share"]
"""What of the way to exact discs is gone for each move to the position on the search's line that has them."""


class Discs:
    """What positions are worth in discs to their side to move, by an evaluator's score head where it has one.

    A position's score is the mean of what the head says at sight and after the best next move, each averaged over the
    board's symmetries: positions that are symmetric images of each other are worth the same.  Where it leans so far to
    the other side that value and discs would name different winners, the position is worth nothing to either.

    >>> from othello.search.disc_count import DiscCount
    >>> worth = Discs(DiscCount(8))
    >>> worth([Board.initial()], [0.0])
    [0.0]
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._known: dict[Board, float] = {}

    @property
    def has_scores(self) -> bool:
        """Whether there is a score head to ask."""
        return isinstance(self.evaluator, NetworkEvaluator) and self.evaluator.has_scores

    def __call__(self, boards: Sequence[Board], values: Sequence[float]) -> list[float]:
        """Discs of positions whose values in [−1, 1], a search's say, are known; of finished games their scores."""
        bounded = np.clip(np.asarray(values, float), -SUREST, SUREST)
        size = self.evaluator.size
        if self.has_scores:
            found = CURVE_WITH_SCORE(bounded, size, self.scores(boards))
            found = np.where(found * bounded < 0, 0.0, found)  # nobody leads against the odds
        else:
            found = CURVE(bounded, size)
        limited = np.clip(found, -(size**2), size**2).tolist()
        return [
            _final(board) if board.is_over else float(worth)
            for board, worth in zip(boards, limited)
        ]

    def of_moves(self, board: Board, values: Mapping[int, float]) -> dict[int, float]:
        """Discs to the side to move of moves whose values in [−1, 1] are known; symmetric moves have the same."""
        children = [board.play(move) for move in values]
        worth = self(children, [0.0 - value for value in values.values()])
        return {move: 0.0 - discs for move, discs in zip(values, worth)}

    def scores(self, boards: Sequence[Board]) -> list[float]:
        """The score head's discs for the side to move of each position; of finished games their scores."""
        movers = {board: board.pass_turn() if board.must_pass else board for board in boards}
        found = {board: self._known[board] for board in movers.values() if board in self._known}
        new = [board for board in dict.fromkeys(movers.values()) if board not in found]
        following = {board: [board.play(move) for move in board.legal_moves()] for board in new}
        at_sight = self._at_sight([*new, *(child for each in following.values() for child in each)])
        for board in new:
            ahead = max((0.0 - at_sight[child] for child in following[board]), default=None)
            here = at_sight[board]
            found[board] = here if ahead is None else (here + ahead) / 2
        if len(self._known) > _KEPT:
            self._known = {}
        self._known.update(found)
        return [
            found[board] if movers[board] is board else 0.0 - found[movers[board]]
            for board in boards
        ]

    def _at_sight(self, boards: Sequence[Board]) -> dict[Board, float]:
        """What the score head says of positions, the mean over the symmetries; a side that must pass passes."""
        assert isinstance(self.evaluator, NetworkEvaluator)
        found = {board: _final(board) for board in boards if board.is_over}
        still_open = [board for board in dict.fromkeys(boards) if board not in found]
        for start in range(0, len(still_open), _ASKED_AT_ONCE // len(SYMMETRIES)):
            part = still_open[start : start + _ASKED_AT_ONCE // len(SYMMETRIES)]
            movers = [board.pass_turn() if board.must_pass else board for board in part]
            images = [transform_board(board, s) for board in movers for s in SYMMETRIES]
            own = np.array([image.own for image in images], np.uint64)
            opp = np.array([image.opp for image in images], np.uint64)
            scores = np.sort(self.evaluator.scores(own, opp).reshape(len(part), -1), axis=1)
            for board, mover, score in zip(part, movers, scores.mean(1).tolist()):
                found[board] = score if mover is board else 0.0 - score
        return found


def _final(board: Board) -> float:
    """The score of a finished game for its side to move."""
    return float(board.score() if board.side == "X" else -board.score())
