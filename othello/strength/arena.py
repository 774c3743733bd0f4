"""Matches: pairs of games from the same random opening with colours swapped.

    result = play_match("mcts:100", "random", MatchSettings(games=100, seed=1))
    result.points, result.rating, result.to_dict()

Players that answer for many positions at once play all their games in step, one network batch for all of them; every
external engine has its own process for each game under way.  An engine that hangs, dies, plays an illegal move or
breaks its protocol loses that game, with the reason in its record, and is started anew for the next.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from othello.engines.process import EngineFailure
from othello.errors import ConfigError
from othello.players.simple import ManyGames, Player, mix
from othello.players.specs import parse
from othello.rules.board import Board
from othello.rules.notation import check_size, format_moves
from othello.solver.solver import solve
from othello.strength.rating import Decision, SequentialTest
from othello.strength.results import (
    ADJUDICATED,
    SCORED,
    MatchGame,
    MatchInterrupted,
    MatchResult,
    Seat,
    pair_points,
)

MAX_GAMES = 1_000_000
MAX_ADJUDICATE = 20  # empty squares: a second or two of solving
_IN_STEP = 256  # games that shared players play at once
_PROCESSES = 8  # of an engine, against a player that gains by playing games in step


@dataclass(frozen=True)
class MatchSettings:
    """How a match is played; `ConfigError` for what cannot be.

    Games 2k and 2k + 1 begin with the same opening of `opening_plies` random plies, the first player being black in the
    first of them.
    """

    games: int = 100
    openings: int | None = None  # used in turn; None: half as many as games
    seed: int = 0
    opening_plies: int = 4
    size: int = 8
    checkpoint: str | Path | None = None  # of players whose spec names none
    move_timeout: float = 30.0  # seconds for each answer of an external engine
    parallel: int | None = None  # games at once
    adjudicate: int = 0  # stop games at so many empty squares, score them by best play; 0: never
    sequential: SequentialTest | None = None  # the match ends when it has decided

    def __post_init__(self) -> None:
        for name in ("games", "openings", "parallel"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= MAX_GAMES:
                raise ConfigError(f"{name} {value}: accepted are 1..{MAX_GAMES}")
        most = check_size(self.size) ** 2 - 4
        if not 0 <= self.opening_plies <= most:
            raise ConfigError(f"opening plies {self.opening_plies}: accepted are 0..{most}")
        if not 0 <= self.adjudicate <= MAX_ADJUDICATE:
            raise ConfigError(
                f"adjudicate {self.adjudicate}: accepted are 0..{MAX_ADJUDICATE} empty squares"
            )
        if not self.move_timeout > 0:
            raise ConfigError(f"move timeout {self.move_timeout}: accepted are seconds above 0")


_USUAL = MatchSettings()


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
    settings: MatchSettings = _USUAL,
    on_game: Callable[[MatchGame], None] | None = None,
) -> MatchResult:
    """Play a match between `a` and `b`, specs as `othello.players.specs.parse` reads them, or players of many games.

    `on_game` hears of every game when it is over.  Raises `ParseError`, `ConfigError` or `CheckpointError` for what
    cannot be played, and `MatchInterrupted` for Ctrl-C when a game was over.

    >>> play_match("alphabeta:3", "random", MatchSettings(games=20, seed=1)).points > 15
    True
    """
    began, starts, test = time.monotonic(), _starts(settings), settings.sequential
    records: list[MatchGame] = []
    stopped = False
    with _Chair("a", a, settings) as first, _Chair("b", b, settings) as second:
        try:
            for record in _games(settings, starts, (first, second), records):
                records.append(record)
                if on_game is not None:
                    on_game(record)
        except KeyboardInterrupt:
            if not records:
                raise
            stopped = True
    result = MatchResult(
        a=first.name,
        b=second.name,
        checkpoints={"a": first.checkpoint, "b": second.checkpoint},
        size=settings.size,
        seed=settings.seed,
        openings=len(starts),
        opening_plies=settings.opening_plies,
        games=tuple(sorted(records, key=lambda record: record.number)),
        seconds=time.monotonic() - began,
        decision=None if test is None else test.decide(pair_points(records)),
    )
    if stopped:
        raise MatchInterrupted(result)
    return result


def _starts(settings: MatchSettings) -> tuple[tuple[int, ...], ...]:
    count = min(settings.openings or settings.games, (settings.games + 1) // 2)
    return random_openings(count, settings.opening_plies, settings.seed, settings.size)


class _Chair:
    """Where one contestant sits: a player shared by all games, or a pool of engines, one for each game under way."""

    def __init__(self, seat: Seat, player: str | ManyGames, settings: MatchSettings) -> None:
        self.seat, self._spec, self._settings = seat, str(player), settings
        one = self._parse() if isinstance(player, str) else player
        self.shared = one if isinstance(one, ManyGames) else None
        self.name, self.checkpoint = one.name, one.checkpoint
        self._idle: list[Player] = [] if self.shared else [one]

    def _parse(self) -> Player:
        settings = self._settings
        return parse(
            self._spec, settings.size, settings.checkpoint, move_timeout=settings.move_timeout
        )

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


def _games_at_once(*chairs: _Chair) -> int:
    shared = [chair.shared for chair in chairs if chair.shared is not None]
    if len(shared) == len(chairs):
        return _IN_STEP
    return _PROCESSES if any(player.checkpoint is not None for player in shared) else 1


class _Table:
    """One game under way."""

    def __init__(
        self,
        number: int,
        opening: Sequence[int],
        chairs: tuple[_Chair, _Chair],
        settings: MatchSettings,
    ) -> None:
        self.number, self.opening = number, tuple(opening)
        self.board = Board.initial(settings.size)
        self.actions: list[int] = []
        self.began = time.monotonic()
        self.chairs: dict[Seat, _Chair] = {chair.seat: chair for chair in chairs}
        self.black: Seat = "a" if number % 2 == 0 else "b"
        seed = mix(mix(settings.seed) ^ number)
        self.seeds: dict[Seat, int] = {"a": mix(seed ^ 0xA) >> 1, "b": mix(seed ^ 0xB) >> 1}
        self.players: dict[Seat, Player] = {
            seat: chair.take() for seat, chair in self.chairs.items()
        }
        self.forfeit: tuple[Seat, EngineFailure] | None = None
        self._adjudicate = settings.adjudicate

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
            score, reason = _score(self.board), ""
            termination = SCORED if self.board.is_over else ADJUDICATED
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


def _games(
    settings: MatchSettings,
    starts: Sequence[tuple[int, ...]],
    chairs: tuple[_Chair, _Chair],
    over: Sequence[MatchGame],
) -> Iterator[MatchGame]:
    """The games as they end, until all are `over` or the sequential test has decided by them."""
    step, test = settings.parallel or _games_at_once(*chairs), settings.sequential
    for start in range(0, settings.games, step):
        numbers = range(start, min(settings.games, start + step))
        tables = [_Table(n, starts[n // 2 % len(starts)], chairs, settings) for n in numbers]
        yield from _play(tables, chairs)
        if test is not None and test.decide(pair_points(over)) is not Decision.CONTINUE:
            return


def _score(board: Board) -> int:
    """Discs, black minus white, of a finished game, or of best play from an unfinished one."""
    if board.is_over:
        return board.score()
    solution = solve(board, every=False)
    assert solution is not None
    return solution.score if board.side == "X" else -solution.score


def _other(seat: Seat) -> Seat:
    return "b" if seat == "a" else "a"


def _play(tables: Sequence[_Table], chairs: Sequence[_Chair]) -> Iterator[MatchGame]:
    """Play these games side by side; each one's record as soon as it is over."""
    try:
        for table in tables:
            table.begin()
        live = list(tables)
        while live:
            for chair in chairs:
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
