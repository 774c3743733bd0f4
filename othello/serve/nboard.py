"""Our agent as an NBoard 2 engine (Welty, "NBoard protocol"): GUI lines in, moves, hints and evaluations out.

    main(simulations=400, checkpoint=None)     serve standard input until its end

Evaluations are in discs for the side to move: exact where the solver settles the position, else the search's value by
`othello.network.discs`.  `set depth N` asks for N/10 of the simulations.  A hint is said several times while the search
goes on, each time the moves in the order of their evaluations.  A line that is unknown or wrong changes nothing
and is answered by one `status` line; but a `set game` that is refused leaves no game, so that nothing is said about a
position that the other program no longer shows.  A `ping` cuts a search short: what was asked before it is answered at
once from what is known by then, and the `pong` follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from othello.errors import OthelloError, ParseError
from othello.network.discs import Discs
from othello.players.agent import SearchPlayer, evaluate, load_player
from othello.players.endgame import SOLVE_EMPTIES
from othello.records import GameRecord, read_ggf
from othello.records.ggf import read_ply, read_seconds
from othello.rules.board import Board
from othello.rules.notation import excerpt, square_name
from othello.search.policy import Gumbel, RootSearch
from othello.search.result import SearchResult
from othello.search.worth import of_best, of_moves
from othello.serve.gtp import Clock
from othello.serve.lines import Inbox, handle_all, printable, write
from othello.solver.solver import exact_scores

NAME = "Othello-LRP"
USUAL_DEPTH = 10  # the depth at which the engine makes the simulations it was started with
MAX_DEPTH = 1000
_MOVE_SECONDS = 1.0  # for the exact scores of all moves in a hint
_LEAST = 50  # simulations that even a search in a hurry makes: some hundredths of a second
_STAGES = (8, 2, 1)  # a hint is said when an eighth of the simulations are made, a half, and all


@dataclass(frozen=True)
class Hint:
    """What we think of one move: PV, evaluation in discs for its mover, depth as NBoard writes it, and words."""

    line: tuple[int, ...]
    discs: float
    depth: str
    text: str


class NBoardServer:
    """One game and its commands; `say` sends a line, `hurry` tells whether a `ping` is waiting.

    >>> from othello.search.disc_count import DiscCount
    >>> server = NBoardServer(SearchPlayer(DiscCount(8), 10), print)
    >>> server.handle("ping 3")
    pong 3
    >>> server.handle("move z9")
    status error: square 'z9': accepted are a1..h8 and pass
    """

    def __init__(
        self,
        player: SearchPlayer,
        say: Callable[[str], None],
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        self.player, self.simulations = player, player.simulations
        self.done = False
        self._say, self._hurry, self._discs = say, hurry, Discs(player.evaluator)
        self._record: GameRecord | None = GameRecord()
        self._commands: dict[str, Callable[[str], None]] = {
            "nboard": self._nboard,
            "set": self._set,
            "move": self._move,
            "hint": self._hint,
            "go": self._go,
            "ping": lambda rest: self._say(f"pong {_number(rest, 10**9)}"),
            "learn": lambda rest: self._say("learned"),
            "analyze": self._analyze,
            "quit": self._quit,
        }

    @property
    def _game(self) -> GameRecord:
        if self._record is None:
            raise ParseError("no game: the last set game was refused; a valid set game is accepted")
        return self._record

    @property
    def board(self) -> Board:
        """The present position; `ParseError` after a `set game` that was refused."""
        return self._game.final

    def handle(self, line: str, whole: bool = True) -> None:
        """Do what one line asks for; blank lines are ignored."""
        word, _, rest = line.strip().partition(" ")
        if not word:
            return
        try:
            if not whole:
                if word == "set" and rest.split(None, 1)[:1] == ["game"]:
                    self._record = None
                raise ParseError(f"line {excerpt(line)}: too long")
            if word not in self._commands:
                raise ParseError(f"unknown line {excerpt(line)}")
            self._commands[word](rest.strip())
        except OthelloError as error:
            self._say(f"status error: {printable(str(error))}")

    def _nboard(self, rest: str) -> None:
        _number(rest, 10**9)
        self._say(f"set myname {NAME}")

    def _quit(self, rest: str) -> None:
        self.done = True

    def _set(self, rest: str) -> None:
        what, _, value = rest.partition(" ")
        if what == "depth":
            depth = max(1, _number(value, MAX_DEPTH))
            self.simulations = max(1, self.player.simulations * depth // USUAL_DEPTH)
        elif what == "game":
            self._set_game(value)
        elif what == "contempt":
            _number(value.strip().removeprefix("-"), 10**9)  # we judge a draw as a draw
        else:
            raise ParseError(f"set {excerpt(rest)}: accepted are depth, game and contempt")

    def _set_game(self, text: str) -> None:
        before, self._record = self._record, None
        games = read_ggf(text)
        if len(games) != 1 or games[0].start.size != self.player.evaluator.size:
            size = self.player.evaluator.size
            raise ParseError(f"set game: {len(games)} games; one game on {size}×{size} is accepted")
        if before is None or games[0].start != before.start or len(games[0].plies) < 2:
            self.player.new_game()
        self._record = games[0]

    def _move(self, rest: str) -> None:
        ply = read_ply(rest, self.board.size)
        if self.board.must_pass and ply.action != self.board.size**2:
            raise ParseError(f"move {excerpt(rest)}: the side to move must pass, PA")
        game = self._game
        self._record = replace(game, plies=(*game.plies, ply), result=None)

    def _budget(self) -> float | None:
        """Seconds for our next move: a share of what the game's clock leaves; None for no clock.

        The clock, TI[15:00/0:10/2:00], has its main part, and an increment for every move made; TB and TW are of one
        side.
        """
        game, board = self._game, self.board
        own = dict(game.further).get("TB" if board.side == "X" else "TW", game.clock)
        main, more = [*own.split("/"), ""][:2]
        try:
            total, added = (
                read_seconds(main.partition(",")[0]),
                read_seconds(more.partition(",")[0]),
            )
        except ParseError:
            return None
        if not total:
            return None
        mine = [ply.seconds or 0.0 for ply in game.plies[len(game.plies) % 2 :: 2]]
        return Clock(max(total + len(mine) * (added or 0.0) - sum(mine), 0.0)).budget(board.empties)

    def _think(
        self, board: Board, seconds: float | None = None, simulations: int | None = None
    ) -> SearchResult:
        done, wanted = 0, self.simulations if simulations is None else simulations

        def count(visits: int) -> None:
            nonlocal done
            done = visits

        def stop() -> bool:
            return done >= _LEAST and self._hurry()

        return self.player.think(
            board, simulations=wanted, seconds=seconds, on_progress=count, stop=stop
        )

    def _go(self, rest: str) -> None:
        if self.board.is_over:
            raise ParseError("go: the game is over")
        if self.board.must_pass:
            self._say("=== PA")
            return
        self._say("status thinking")
        result = self._think(self.board, self._budget())
        self._report(result)
        best = result.moves[0].square
        discs = of_best(self._discs, result)
        self._say(f"=== {_name(best, self.board)}/{discs:.2f}/{result.seconds:.2f}")
        self._say("status")

    def _hint(self, rest: str) -> None:
        count = _number(rest, 10**9)
        if self.board.is_over:
            raise ParseError("hint: the game is over")
        self._say("status thinking")
        board = self.board.pass_turn() if self.board.must_pass else self.board
        for share in self._stages():
            result = self._think(board, simulations=max(1, self.simulations // share))
            for hint in self._hints(result, 1 if self.board.must_pass else max(1, count)):
                self._say_hint(hint, board)
            if result.exact is not None or self._hurry():
                break
        self._report(result)
        self._say("status")

    def _stages(self) -> list[int]:
        """The shares of the simulations after which a hint is said; a race for one budget says nothing of another."""
        if isinstance(self.player.root, Gumbel):
            return [1]
        return [share for share in _STAGES if share == 1 or self.simulations // share >= _LEAST]

    def _say_hint(self, hint: Hint, board: Board) -> None:
        line, discs = hint.line, hint.discs
        if self.board.must_pass:
            line, discs = (board.size**2, *line), 0.0 - discs
        moves = "".join(_name(action, board) for action in line)
        self._say(f"search {moves} {discs:+.2f} 0 {hint.depth} {hint.text}")

    def _hints(self, result: SearchResult, count: int) -> list[Hint]:
        """The best `count` moves of a position, the best first."""
        moves, best = result.moves, result.moves[0].square
        scores: Mapping[int, float] | None = None
        if result.exact is not None and not self._hurry():
            scores = exact_scores(result.board, seconds=_MOVE_SECONDS)
        if scores is None:  # of the moves that were searched most, each by its evaluation
            moves = tuple(move for move in moves if move.q is not None or move.square == best)
            moves = moves[:count]
            scores = of_moves(self._discs, result, moves)
            exact = {best} if result.exact is not None else set[int]()
        else:
            exact = set(scores)
        hints = []
        for move in moves:
            line = result.principal_variation
            if line[:1] != (move.square,):
                line = (move.square,)
            value = "?" if move.q is None else f"{move.q:+.3f}"
            text = f"value {value} visits {move.visits} prior {move.prior:.3f}"
            depth = "100%" if move.square in exact else str(max(1, len(line)))
            hints.append(Hint(line, scores[move.square], depth, text))
        return sorted(hints, key=lambda hint: -hint.discs)[:count]

    def _analyze(self, rest: str) -> None:
        """Judge every position of the game, the last one first; passes count as moves."""
        boards = self._game.boards
        self._say("status analyzing")
        for number in reversed(range(len(boards))):
            self._say(f"analysis {number} {self._judge(boards[number]):+.2f}")
        self._say("status")

    def _judge(self, board: Board) -> float:
        """The evaluation of any position in discs for its side to move; the network's own if there is no time."""
        if board.is_over:
            return float(board.score() if board.side == "X" else -board.score())
        if board.must_pass:
            return -self._judge(board.pass_turn())
        if self._hurry():
            value = float(evaluate(self.player.evaluator, [board])[1][0])
            return self._discs([board], [value])[0]
        return of_best(self._discs, self._think(board))

    def _report(self, result: SearchResult) -> None:
        self._say(f"nodestats {result.evaluations} {result.seconds:.2f}")


def _name(action: int, board: Board) -> str:
    return "PA" if action == board.size**2 else square_name(action, board.size).upper()


def _number(text: str, limit: int) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= limit):
        raise ParseError(f"number {excerpt(text)}: accepted are 0..{limit}")
    return int(text)


def serve(player: SearchPlayer, source: int = 0, sink: int = 1) -> int:
    """Serve the lines of file descriptor `source` on `sink` until they end; the exit code."""
    inbox = Inbox(source, urgent=lambda text: text.startswith("ping"))
    server = NBoardServer(player, lambda line: write(f"{line}\n", sink), lambda: inbox.hurry)
    return handle_all(inbox, server, lambda text: f"status error: {text}", sink)


def main(
    simulations: int = 400,
    checkpoint: str | Path | None = None,
    size: int = 8,
    root: RootSearch = "puct",
    solve_empties: int = SOLVE_EMPTIES,
) -> int:
    """Serve NBoard on standard input and output; raises `CheckpointError` if there is nothing to play with."""
    return serve(load_player(simulations, checkpoint, size, root, solve_empties))


__all__ = ["NBoardServer", "main", "serve"]
