"""What a match was: its games with everything to repeat them, points, Elo, and all of it as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from othello import atomic
from othello.strength.rating import Decision, Rating, match_rating

Seat = Literal["a", "b"]
SCORED = "score"  # the termination of a game that was played to its end
ADJUDICATED = "adjudicated"  # of one that was stopped and given the score of best play


@dataclass(frozen=True)
class MatchGame:
    """One game.  `moves` is the whole transcript, the opening first; passes are not written."""

    number: int  # from 0; games 2k and 2k + 1 are a pair
    black: Seat
    opening: str
    moves: str
    score: int | None  # discs, black minus white, empties to the winner; None if forfeited
    winner: Seat | None  # None for a draw
    termination: str  # "score", "adjudicated" by best play, or how it was forfeited, see `engines.process.Failure`
    reason: str  # of a forfeit, in one line
    seeds: dict[Seat, int]
    seconds: float

    @property
    def points(self) -> float:
        """What player a got: 1, ½ or 0."""
        return 0.5 if self.winner is None else float(self.winner == "a")


@dataclass(frozen=True)
class MatchResult:
    """All games of a match between player a and player b; points, wins, draws and losses are a's."""

    a: str
    b: str
    checkpoints: dict[Seat, str | None]  # SHA-256 of the weights
    size: int
    seed: int
    openings: int
    opening_plies: int
    games: tuple[MatchGame, ...]
    seconds: float
    decision: Decision | None = None  # of the sequential test, if there was one

    @property
    def wins(self) -> int:
        return sum(game.winner == "a" for game in self.games)

    @property
    def losses(self) -> int:
        return sum(game.winner == "b" for game in self.games)

    @property
    def draws(self) -> int:
        return len(self.games) - self.wins - self.losses

    @property
    def points(self) -> float:
        return self.wins + self.draws / 2

    @property
    def rating(self) -> Rating:
        """Elo of a above b with its 95 % interval."""
        return match_rating(self.wins, self.draws, self.losses)

    @property
    def pairs(self) -> tuple[float, ...]:
        """Points of a in every finished pair, each in [0, 2]."""
        return pair_points(self.games)

    @property
    def forfeits(self) -> dict[Seat, dict[str, int]]:
        """How many games each side forfeited, by reason."""
        lost: dict[Seat, dict[str, int]] = {"a": {}, "b": {}}
        for game in self.games:
            if game.termination not in (SCORED, ADJUDICATED) and game.winner is not None:
                reasons = lost["b" if game.winner == "a" else "a"]
                reasons[game.termination] = reasons.get(game.termination, 0) + 1
        return lost

    def points_as(self, black: bool) -> tuple[float, int]:
        """Player a's points with one colour, and the number of those games."""
        games = [game for game in self.games if (game.black == "a") is black]
        return sum(game.points for game in games), len(games)

    def summary(self) -> dict[str, Any]:
        """Everything but the games, as JSON values."""
        rating = self.rating
        return {
            "a": self.a,
            "b": self.b,
            "checkpoints": self.checkpoints,
            "games": len(self.games),
            "points": self.points,
            "wins": self.wins,
            "draws": self.draws,
            "losses": self.losses,
            "elo": rating.elo,
            "points_as_black": self.points_as(True)[0],
            "points_as_white": self.points_as(False)[0],
            "interval": [rating.low, rating.high],
            "confidence": 0.95,
            "forfeits": self.forfeits,
            "size": self.size,
            "seed": self.seed,
            "openings": self.openings,
            "opening_plies": self.opening_plies,
            "seconds": round(self.seconds, 3),
            "decision": self.decision and self.decision.value,
        }

    def to_dict(self) -> dict[str, Any]:
        """The summary and `records`, one object a game, as JSON values."""
        return {**self.summary(), "records": [asdict(game) for game in self.games]}

    def json_lines(self) -> Iterator[str]:
        """The summary as one line of JSON, then one line a game."""
        yield json.dumps({"type": "match", **self.summary()})
        for game in self.games:
            yield json.dumps({"type": "game", **asdict(game)})

    def write(self, path: str | Path) -> None:
        """Write `json_lines` to a file, atomically."""
        atomic.write_text(path, "\n".join(self.json_lines()) + "\n")


class MatchInterrupted(KeyboardInterrupt):
    """Ctrl-C in a match of which `result` holds the games that were over, at least one."""

    def __init__(self, result: MatchResult) -> None:
        super().__init__("interrupted")
        self.result = result


def pair_points(games: Sequence[MatchGame]) -> tuple[float, ...]:
    """Points of player a in every pair of which both games are there."""
    points = {game.number: game.points for game in games}
    return tuple(
        points[n] + points[n + 1] for n in sorted(points) if n % 2 == 0 and n + 1 in points
    )
