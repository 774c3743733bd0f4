"""Maps of one position, or their means over many, under several rules, bias modes, targets or networks.

How alike the maps are is their correlation; how faithful one is says its SRG (Blücher et al. 2024, see `corruption`),
where discs are emptied in eight steps.  Everything is from the view of the side to move.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.attributions import Maps, readings
from app.experiments.corruption import Corrupted, relevance_gain
from app.experiments.maps.map_clusters import MapClusters, map_clusters
from app.experiments.positions import Words, board_of, self_play, states_of
from app.experiments.record import Progress, Settings, silent
from app.experiments.statistics import pearson
from app.explain.explanation import Explanation, Map
from app.explain.network import explain_many
from app.explain.targets import Target
from app.models import Model
from othello.errors import ParseError
from othello.rules.board import Board

POINTS: Final = 8  # steps in which discs are emptied
BATCH: Final = 32  # positions explained at once
_READ: Final = {"value": 0, "policy": 1, "difference": 2}  # what `readings` returns of a target

QUESTIONS: Final = ("value", "best", "best-second")


@dataclass(frozen=True)
class Method:
    """A composite's name and a bias mode."""

    composite: str
    bias: str

    def __str__(self) -> str:
        return f"{self.composite}/{self.bias}"


def alike(map_: Map, other: Map) -> float | None:
    """The correlation of two maps [N, N]; None where one of them is even."""
    if min(map_.std(), other.std()) < 1e-12:
        return None
    return pearson(map_.ravel(), other.ravel())


def comparable(maps: Sequence[Map]) -> list[Map]:
    """The maps whose largest relevance is at most four times the median map's: those that a common scale is made for.

    >>> [float(one.max()) for one in comparable([np.ones((1, 1)), np.full((1, 1), 3.0), np.full((1, 1), 50.0)])]
    [1.0, 3.0]
    """
    largest = np.array([np.abs(one).max() for one in maps])
    usual = 4 * np.median(largest)
    return [one for one, most in zip(maps, largest, strict=True) if most <= usual]


def gains(model: Model, board: Board, target: Target, maps: Sequence[Map]) -> list[float] | None:
    """The SRG of maps [8, 8] of one position; None for boards of other sizes and targets of several positions."""
    if board.size != 8 or target.kind not in ("value", "policy"):
        return None
    kind = "difference" if target.against is not None else target.kind
    moves = [[target.action or 0, target.against or 0]] * len(maps)
    own, opp = (np.full(len(maps), words, np.uint64) for words in (board.own, board.opp))
    scores = np.array([map_.ravel() for map_ in maps])
    found = _gains(model, own, opp, np.array(moves, np.int64), scores, _READ[kind])
    return [float(gain) for gain in found]


def _gains(
    model: Model, own: Words, opp: Words, moves: NDArray[np.int64], scores: Maps, kind: int
) -> Maps:
    """SRG [P] of scores [P, 64] for positions whose reading `kind` is explained."""
    states = states_of(own, opp)

    def read(mine: Words, theirs: Words, rows: NDArray[np.int64]) -> Maps:
        return readings(model, mine, theirs, moves[rows])[kind : kind + 1]

    emptied = Corrupted(np.zeros_like(states), states != 0)
    srg, _, _ = relevance_gain(states, emptied, scores, read, POINTS, seed=0)
    found: Maps = srg[0]
    return found


@dataclass(frozen=True)
class SetRun:
    """What several methods say of the same positions."""

    boards: tuple[Board, ...]
    question: str
    checkpoint: str
    methods: tuple[SetMaps, ...]

    def as_json(self) -> dict[str, Any]:
        """Means with half the widths of their 95 % intervals, and mean maps; None for what cannot be said."""
        rows = []
        for one in self.methods:
            row: dict[str, Any] = {"composite": one.method.composite, "bias": one.method.bias}
            for column in ("values", "biases", "gains"):
                mean, half = one.interval(column)
                row[column], row[f"{column}_half"] = _known(mean), _known(half)
            row["correlation"] = alike(one.mean, self.methods[0].mean)
            kinds = one.clusters
            row["clusters"] = None if kinds is None else kinds.as_json(self.boards, one.values)
            rows.append({**row, "squares": one.mean.tolist()})
        return {
            "question": self.question,
            "positions": len(self.boards),
            "methods": rows,
            "checkpoint": self.checkpoint,
        }

    def as_npz(self) -> bytes:
        """NumPy arrays, read without pickle: `maps` [M, P, N, N], `mean` [M, N, N], `values` … `clusters` [M, P].

        clusters: from 0 on, the larger ones first, −1 where none were made.
        """
        buffer = io.BytesIO()
        none = np.full(len(self.boards), -1)
        kinds = [one.clusters for one in self.methods]
        np.savez_compressed(
            buffer,
            maps=np.array([one.maps for one in self.methods]),
            mean=np.array([one.mean for one in self.methods]),
            values=np.array([one.values for one in self.methods]),
            biases=np.array([one.biases for one in self.methods]),
            gains=np.array([one.gains for one in self.methods]),
            clusters=np.array([none if one is None else one.labels for one in kinds]),
            methods=np.array([str(one.method) for one in self.methods]),
            positions=np.array([str(board) for board in self.boards]),
            of=np.array([self.question, self.checkpoint]),
        )
        return buffer.getvalue()


def _known(number: float) -> float | None:
    return number if np.isfinite(number) else None


@dataclass(frozen=True)
class SetMaps:
    """One method over P positions: maps [P, N, N], values [P], the biases' parts [P], SRG [P], NaN without one."""

    method: Method
    maps: Maps
    values: Maps
    biases: Maps
    gains: Maps
    clusters: MapClusters | None

    @property
    def mean(self) -> Map:
        """The mean map [N, N]."""
        found: Map = self.maps.mean(0)
        return found

    def interval(self, column: str) -> tuple[float, float]:
        """The mean of `values`, `biases` or `gains` and half the width of its 95 % interval (normal)."""
        numbers: Maps = getattr(self, column)
        spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else float("nan")
        return float(numbers.mean()), 1.96 * spread / len(numbers) ** 0.5


def over_a_set(
    model: Model,
    boards: Sequence[Board],
    question: str,
    methods: Sequence[Method],
    progress: Progress = silent,
) -> SetRun:
    """Each method over positions of one size in which somebody can move; ParseError where there is none.

    question: `value`; `best`: the logit of the network's first choice; `best-second`: how it exceeds the second one's,
    in positions with two moves.
    """
    used, targets = _asked(model, boards, question)
    found = []
    for number, method in enumerate(methods):
        explained: list[Explanation] = []
        for start in range(0, len(used), BATCH):
            share = (number + start / len(used)) / len(methods)
            progress(share, f"{method}: {start} of {len(used)} positions")
            rows = slice(start, start + BATCH)
            explained += explain_many(
                model,
                used[rows],
                targets[rows],
                composite=method.composite,
                bias=method.bias,
                symmetric=True,
            )
        found.append(_set_maps(model, method, used, targets, explained))
    progress(1.0, "done")
    return SetRun(tuple(used), question, model.sha256, tuple(found))


def _set_maps(
    model: Model,
    method: Method,
    boards: Sequence[Board],
    targets: Sequence[Target],
    explained: Sequence[Explanation],
) -> SetMaps:
    maps = np.array([one.squares for one in explained])
    gained = np.full(len(boards), np.nan)
    if boards[0].size == 8:
        kind = "difference" if targets[0].against is not None else targets[0].kind
        moves = np.array([[t.action or 0, t.against or 0] for t in targets], np.int64)
        own, opp = (np.array(words, np.uint64) for words in _words(boards))
        gained = _gains(model, own, opp, moves, maps.reshape(len(maps), -1), _READ[kind])
    return SetMaps(
        method,
        maps,
        np.array([one.value for one in explained]),
        np.array([one.bias_total for one in explained]),
        gained,
        map_clusters(maps),
    )


def _words(boards: Sequence[Board]) -> tuple[list[int], list[int]]:
    return [board.own for board in boards], [board.opp for board in boards]


def _asked(
    model: Model, boards: Sequence[Board], question: str
) -> tuple[list[Board], list[Target]]:
    """The positions that a question can be asked in, and what is asked there."""
    if question not in QUESTIONS:
        raise ParseError(f"question {question[:40]!r}: accepted are {', '.join(QUESTIONS)}")
    least = 2 if question == "best-second" else 1
    used = [board for board in boards if len(board.legal_moves()) >= least]
    if not used:
        raise ParseError(f"none of {len(boards)} positions has {least} legal moves")
    targets = []
    for board in used:
        if question == "value":
            targets.append(Target("value", size=board.size))
            continue
        first, *others = model.ranked(board)
        second = others[0] if question == "best-second" else None
        targets.append(Target("policy", first, second, board.size))
    return used, targets


def drawn(boards: Sequence[Board], count: int, seed: int = 0) -> list[Board]:
    """At most `count` different positions, drawn evenly and kept in their order."""
    different = list(dict.fromkeys(boards))
    if len(different) <= count:
        return different
    chosen = np.random.default_rng((seed, count)).choice(len(different), count, replace=False)
    return [different[place] for place in sorted(chosen.tolist())]


def self_played(
    model: Model, count: int, seed: int = 0, progress: Progress = silent
) -> list[Board]:
    """So many different positions of self-play, drawn from games of about thirty positions each."""
    settings = Settings(positions=count, seed=seed, quick=True, games=max(4, count // 30))
    games = self_play(model, settings, progress)
    return drawn([board_of(own, opp) for own, opp in zip(games.own, games.opp)], count, seed)
