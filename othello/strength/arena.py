"""Matches: pairs of games from the same random opening with colours swapped, results with everything to repeat them.

    result = play_match("mcts:100", "random", games=100, seed=1)
    result.points, result.rating, result.to_dict()

Players that answer for many positions at once play all their games in step, one network batch for all of them; every
external engine has its own process for each game under way.  An engine that hangs, dies, plays an illegal move or
breaks its protocol loses that game, with the reason in its record, and is started anew for the next.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from othello import atomic
from othello.engines.process import EngineFailure
from othello.errors import ConfigError
from othello.players.simple import ManyGames, Player, mix
from othello.players.specs import parse
from othello.rules.board import Board
from othello.rules.notation import check_size, format_moves
from othello.solver.solver import solve
from othello.strength.rating import Decision, Rating, SequentialTest, match_rating

Seat = Literal["a", "b"]
SCORED = "score"  # the termination of a game that was played to its end
ADJUDICATED = "adjudicated"  # of one that was stopped and given the score of best play
MAX_GAMES = 1_000_000
MAX_ADJUDICATE = 20  # empty squares: a second or two of solving
_IN_STEP = 256  # games that shared players play at once
_PROCESSES = 8  # of an engine, against a player that gains by playing games in step


@dataclass(frozen=True)
class MatchGame:
    """One game.  `moves` is the whole transcript, the opening first; passes are not written."""

    number: int  # from 0; games 2k and 2k + 1 are a pair
    black: Seat
    opening: str
    moves: str
    score: (
        int | None
    )  # discs, black minus white, empties to the winner, of best play if adjudicated; None if forfeited
    winner: Seat | None  # None for a draw
    termination: str  # "score", "adjudicated", or a forfeit: "timeout", "crash", "illegal move", "protocol", "resigned"
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


def pair_points(games: Sequence[MatchGame]) -> tuple[float, ...]:
    """Points of player a in every pair of which both games are there."""
    points = {game.number: game.points for game in games}
    return tuple(
        points[n] + points[n + 1] for n in sorted(points) if n % 2 == 0 and n + 1 in points
    )


def random_openings(
    count: int, plies: int, seed: int = 0, size: int = 8
) -> tuple[tuple[int, ...], ...]:
    """`count` openings of `plies` random actions, none of which ends the game; positions differ while they can.

    >>> [len(opening) for opening in random_openings(2, 6, seed=3)]
    [6, 6]
    """
    source = random.Random(f"openings {seed} {plies} {size}")
    openings: list[tuple[int, ...]] = []
    seen: set[Board] = set()
    tries = ended = 0
    while len(openings) < count:
        board = Board.initial(size)
        actions: list[int] = []
        while len(actions) < plies and not board.is_over:
            actions.append(source.choice(board.legal_actions()))
            board = board.play(actions[-1])
        tries += 1
        ended += board.is_over
        if ended > 1000 * (len(openings) + 1):
            raise ConfigError(f"opening plies {plies}: too many for a {size}×{size} board")
        if board.is_over or (board in seen and tries < 100 * count):
            continue
        seen.add(board)
        openings.append(tuple(actions))
    return tuple(openings)


def play_match(
    a: str | ManyGames,
    b: str | ManyGames,
    games: int = 100,
    openings: int | None = None,
    seed: int = 0,
    opening_plies: int = 4,
    *,
    size: int = 8,
    checkpoint: str | Path | None = None,
    move_timeout: float = 30.0,
    parallel: int | None = None,
    adjudicate: int = 0,
    sequential: SequentialTest | None = None,
    on_game: Callable[[MatchGame], None] | None = None,
) -> MatchResult:
    """Play `games` games between `a` and `b`, player specs as `othello.players.specs.parse` reads them (or shared
    players).

    Games 2k and 2k + 1 begin with the same opening of `opening_plies` random plies, `a` being black in the first;
    there are `openings` openings, half as many as games if not given, used in turn.  `move_timeout`: seconds for each
    answer of an external engine.  `parallel`: games at once.  `adjudicate`: stop games at so many empty squares and
    score them by best play (0: never).  With a `sequential` test the match ends when it has decided.  `on_game` hears
    of every game when it is over.  Raises `ParseError`, `ConfigError` or `CheckpointError`
    for what cannot be played.

    >>> play_match("alphabeta:3", "random", games=20, seed=1).points > 15
    True
    """
    for name, value in (("games", games), ("openings", openings), ("parallel", parallel)):
        if value is not None and not 1 <= value <= MAX_GAMES:
            raise ConfigError(f"{name} {value}: accepted are 1..{MAX_GAMES}")
    if not 0 <= opening_plies <= check_size(size) ** 2 - 4:
        raise ConfigError(f"opening plies {opening_plies}: accepted are 0..{size * size - 4}")
    if not 0 <= adjudicate <= MAX_ADJUDICATE:
        raise ConfigError(
            f"adjudicate {adjudicate}: accepted are 0..{MAX_ADJUDICATE} empty squares"
        )
    if not move_timeout > 0:
        raise ConfigError(f"move timeout {move_timeout}: accepted are seconds above 0")
    began = time.monotonic()
    count = min(openings or (games + 1) // 2, (games + 1) // 2)
    starts = random_openings(count, opening_plies, seed, size)
    settings = (size, checkpoint, move_timeout)
    with _Chair("a", a, *settings) as first, _Chair("b", b, *settings) as second:
        step = parallel or (
            _IN_STEP if first.shared and second.shared else _concurrency(first, second)
        )
        records: list[MatchGame] = []
        decision = None
        for start in range(0, games, step):
            tables = [
                _Table(
                    number,
                    starts[number // 2 % count],
                    size,
                    mix(mix(seed) ^ number),
                    first,
                    second,
                    adjudicate,
                )
                for number in range(start, min(games, start + step))
            ]
            for record in _play(tables, first, second):
                records.append(record)
                if on_game is not None:
                    on_game(record)
            if sequential is not None:
                decision = sequential.decide(pair_points(records))
                if decision is not Decision.CONTINUE:
                    break
    return MatchResult(
        first.name,
        second.name,
        {"a": first.checkpoint, "b": second.checkpoint},
        size,
        seed,
        count,
        opening_plies,
        tuple(sorted(records, key=lambda record: record.number)),
        time.monotonic() - began,
        decision,
    )


class _Chair:
    """Where one contestant sits: a player shared by all games, or a pool of engines, one for each game under way."""

    def __init__(
        self,
        seat: Seat,
        player: str | ManyGames,
        size: int,
        checkpoint: str | Path | None,
        move_timeout: float,
    ) -> None:
        self.seat = seat
        self._parse: Callable[[], Player] = lambda: parse(
            str(player), size, checkpoint, move_timeout=move_timeout
        )
        one = self._parse() if isinstance(player, str) else player
        self.shared = one if isinstance(one, ManyGames) else None
        self.name, self.checkpoint = one.name, one.checkpoint
        self._idle: list[Player] = [] if self.shared else [one]

    def take(self) -> Player:
        """A player for one more game."""
        return self.shared or (self._idle.pop() if self._idle else self._parse())

    def give(self, player: Player) -> None:
        """Take a player back from a game that is over."""
        if self.shared is None:
            self._idle.append(player)

    def __enter__(self) -> _Chair:
        return self

    def __exit__(self, *exception: object) -> None:
        for player in self._idle:
            player.close()


def _concurrency(first: _Chair, second: _Chair) -> int:
    gains = any(
        chair.shared is not None and chair.shared.checkpoint is not None
        for chair in (first, second)
    )
    return _PROCESSES if gains else 1


class _Table:
    """One game under way."""

    def __init__(
        self,
        number: int,
        opening: Sequence[int],
        size: int,
        seed: int,
        first: _Chair,
        second: _Chair,
        adjudicate: int,
    ) -> None:
        self.number, self.opening = number, tuple(opening)
        self.board = Board.initial(size)
        self.actions: list[int] = []
        self.began = time.monotonic()
        self.chairs: dict[Seat, _Chair] = {"a": first, "b": second}
        self.black: Seat = "a" if number % 2 == 0 else "b"
        self.seeds: dict[Seat, int] = {"a": mix(seed ^ 0xA) >> 1, "b": mix(seed ^ 0xB) >> 1}
        self.players: dict[Seat, Player] = {
            seat: chair.take() for seat, chair in self.chairs.items()
        }
        self.forfeit: tuple[Seat, EngineFailure] | None = None
        self._adjudicate = adjudicate

    @property
    def turn(self) -> Seat:
        """Who is to move."""
        return self.black if self.board.side == "X" else _other(self.black)

    @property
    def done(self) -> bool:
        return (
            self.forfeit is not None or self.board.is_over or self.board.empties <= self._adjudicate
        )

    def begin(self) -> None:
        """Start the players and play the opening."""
        for seat, player in self.players.items():
            with self.blaming(seat):
                player.new_game(self.seeds[seat])
        for action in self.opening:
            if action < self.board.size**2:  # passes are played by `play`
                self.play(action)

    @contextmanager
    def blaming(self, seat: Seat) -> Iterator[None]:
        """A failure inside ends the game; it is `seat`'s, unless the other one failed before."""
        try:
            yield
        except EngineFailure as failure:
            self.forfeit = self.forfeit or (seat, failure)

    def play(self, action: int) -> None:
        """Play `action`, and the pass behind it if the rules force one, and let everybody know."""
        while self.forfeit is None:
            self.board = self.board.play(action)
            self.actions.append(action)
            for seat, player in self.players.items():
                with self.blaming(seat):
                    player.watch(action)
            if not self.board.must_pass:
                break
            action = self.board.size**2

    def ask(self) -> None:
        """Let the player whose turn it is move."""
        seat = self.turn
        with self.blaming(seat):
            self.play(self.players[seat].move(self.board))

    def record(self) -> MatchGame:
        """The finished game; its players go back to their chairs."""
        for seat, chair in self.chairs.items():
            chair.give(self.players[seat])
        score: int | None = None
        winner: Seat | None
        if self.forfeit is not None:
            seat, failure = self.forfeit
            winner, termination, reason = _other(seat), failure.failure.value, str(failure)
        else:
            score, termination, reason = (
                _score(self.board),
                SCORED if self.board.is_over else ADJUDICATED,
                "",
            )
            winner = None if not score else self.black if score > 0 else _other(self.black)
        size = self.board.size
        return MatchGame(
            self.number,
            self.black,
            format_moves(self.opening, size),
            format_moves(self.actions, size),
            score,
            winner,
            termination,
            reason,
            self.seeds,
            round(time.monotonic() - self.began, 3),
        )


def _score(board: Board) -> int:
    """Discs, black minus white, of a finished game, or of best play from an unfinished one."""
    if board.is_over:
        return board.score()
    solution = solve(board, every=False)
    assert solution is not None
    return solution.score if board.side == "X" else -solution.score


def _other(seat: Seat) -> Seat:
    return "b" if seat == "a" else "a"


def _play(tables: Sequence[_Table], first: _Chair, second: _Chair) -> Iterator[MatchGame]:
    """Play these games side by side; each one's record as soon as it is over."""
    try:
        for table in tables:
            table.begin()
        live = list(tables)
        while live:
            for chair in (first, second):
                ready = [table for table in live if not table.done and table.turn == chair.seat]
                if chair.shared is not None and ready:
                    seeds = [table.seeds[chair.seat] for table in ready]
                    moves = chair.shared.choose([table.board for table in ready], seeds)
                    for table, move in zip(ready, moves):
                        table.play(move)
                else:
                    for table in ready:
                        table.ask()
            yield from (table.record() for table in live if table.done)
            live = [table for table in live if not table.done]
    except BaseException:
        for table in tables:
            for player in table.players.values():
                player.close()
        raise
