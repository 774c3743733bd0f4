"""Our agent as an engine of Cassio: positions with bounds and a depth in, moves, values and lines out.

    main(simulations=400, checkpoint=None)     serve standard input until its end

Cassio's engine protocol as Edax speaks it (Delorme, `cassio.c` of Edax 4.4).  A command follows ENGINE-PROTOCOL:
`init`, `get-version`, `new-position`, `empty-hash`, `feed-hash …`, `stop`, `get-search-infos`, `quit`, and

    midgame-search POSITION LOWER UPPER DEPTH PRECISION      our search: DEPTH/10 of the simulations
    endgame-search POSITION LOWER UPPER PRECISION            our solver, to the end

with POSITION of 64 squares X, O, - and the side to move.  A search is answered by one line and `ready.`:

    POSITION, move F5, depth 10, @73%, B+1.52 <= v <= B+1.52, F5d6C3, node 400, time 0.120

Values are discs for the side to move, whose colour stands before them; moves of black are written in capitals.  @100%
is an exact value, @73%, the lowest that Cassio knows, an estimate: the bounds asked for narrow neither search.  `stop`
ends a search, which then says `ready.` alone.  While a search goes on, an empty line is answered by `ok.` and
`get-search-infos` by what it has spent; a wrong command by a line that begins with ERROR.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from othello.errors import OthelloError, ParseError
from othello.network.discs import Discs
from othello.players.agent import SearchPlayer, load_player
from othello.players.endgame import SOLVE_EMPTIES
from othello.rules.board import Board
from othello.rules.notation import excerpt, square_name
from othello.search.policy import RootSearch
from othello.search.worth import of_best
from othello.serve.gtp import version
from othello.serve.lines import Inbox, handle_all, printable, write
from othello.serve.nboard import USUAL_DEPTH
from othello.solver.solver import Solver

PREFIX: Final = "ENGINE-PROTOCOL"
_ESTIMATE, _EXACT = 73, 100  # per cent of confidence, as Cassio counts
_MOST_DEPTH = 60
_LOOK = 0.05  # seconds between two looks whether a running solver should stop
_POSITION = re.compile(r"([XO-]{64}) ?([XO])(?: |$)(.*)")


@dataclass(frozen=True)
class Judgement:
    """What a search found: its line, value in discs for the side to move, depth and confidence, nodes."""

    line: tuple[int, ...]
    discs: float
    depth: int
    percent: int
    nodes: int


class CassioServer:
    """The commands of the protocol; `say` sends a line, `hurry` tells whether a `stop` or `quit` is waiting.

    >>> from othello.search.disc_count import DiscCount
    >>> server = CassioServer(SearchPlayer(DiscCount(8), 10), print)
    >>> server.handle("ENGINE-PROTOCOL init")
    ready.
    >>> server.handle("ENGINE-PROTOCOL endgame-search here -64 64 100")
    ERROR: position 'here -64 64 100': accepted are 64 of X O - and the side to move, X or O
    ready.
    """

    def __init__(
        self,
        player: SearchPlayer,
        say: Callable[[str], None],
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        self.player, self.done = player, False
        self._say, self._hurry, self._discs = say, hurry, Discs(player.evaluator)
        self._solver = Solver(player.evaluator.size)
        self._began: float | None = None  # of the search under way
        self._visits, self._cut = 0, False
        self._searches: dict[str, Callable[[str], None]] = {
            "midgame-search": self._midgame,
            "endgame-search": self._endgame,
        }
        self._others: dict[str, Callable[[], None]] = {
            "init": lambda: self._say("ready."),
            "get-version": self._version,
            "new-position": self._new_position,
            "feed-hash": lambda: None,  # values of others do not enter our search
            "empty-hash": self.player.new_game,
            "stop": self._stop,
            "quit": self._quit,
        }

    def at_once(self, line: str) -> bool:
        """Answer what may be asked while a search goes on, from another thread; false for all other lines."""
        began = self._began
        if _command(line) == "get-search-infos":
            spent = "" if began is None else f"{time.monotonic() - began:.3f}"
            self._say(f"node {self._visits}, time {spent}" if spent else "ready.")
        elif not line.strip():
            self._say("ready." if began is None else "ok.")
        else:
            return False
        return True

    def handle(self, line: str, whole: bool = True) -> None:
        """Do what one line asks for."""
        if self.at_once(line):
            return
        word = _command(line)
        try:
            if not whole:
                raise ParseError(f"line {excerpt(line)}: too long")
            if word in self._searches:
                self._searches[word](line.split(None, 2)[2] if len(line.split()) > 2 else "")
            elif word in self._others:
                self._others[word]()
            else:
                raise ParseError(f"unknown line {excerpt(line)}")
        except OthelloError as error:
            self._say(f"ERROR: {printable(str(error))}")
            if line.startswith(PREFIX):
                self._say("ready.")

    def _version(self) -> None:
        self._say(f"version: Othello-LRP {version()}")
        self._say("ready.")

    def _new_position(self) -> None:
        self.player.new_game()
        self._say("ready.")

    def _stop(self) -> None:
        if not self._cut:  # else the search that it ended has said so
            self._say("ready.")
        self._cut = False

    def _quit(self) -> None:
        self._say("bye bye.")
        self.done = True

    def _midgame(self, rest: str) -> None:
        board, numbers = self._asked(rest, 4)
        depth = int(numbers[2]) if len(numbers) > 2 else USUAL_DEPTH
        if not 0 <= depth <= _MOST_DEPTH:
            raise ParseError(f"depth {depth}: accepted are 0..{_MOST_DEPTH}")
        simulations = max(1, self.player.simulations * depth // USUAL_DEPTH)
        self._search(board, lambda mover: self._think(mover, simulations, depth))

    def _endgame(self, rest: str) -> None:
        board, _ = self._asked(rest, 3)
        self._search(board, self._solve)

    def _asked(self, rest: str, most: int) -> tuple[Board, list[float]]:
        """The position and the numbers behind it."""
        found = _POSITION.match(rest)
        if found is None:
            raise ParseError(
                f"position {excerpt(rest)}: accepted are 64 of X O - and the side to move, X or O"
            )
        words = found[3].split()
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            numbers = []
        finite = all(abs(number) < 10**6 for number in numbers)
        if len(numbers) != len(words) or len(words) > most or not finite:
            raise ParseError(f"{excerpt(found[3])}: accepted are at most {most} numbers")
        return Board.parse(f"{found[1]} {found[2]}", self.player.evaluator.size), numbers

    def _search(self, board: Board, search: Callable[[Board], Judgement | None]) -> None:
        """Say what a search finds of a position, a pass and the end of a game included; `ready.` alone if it is cut."""
        self._began = began = time.monotonic()
        self._visits, self._cut = 0, self._hurry()
        try:
            answer = None if self._cut else self._found(board, search)
        finally:
            self._began = None
        if answer is None:
            self._cut = True
        else:
            self._say(_told(board, answer, time.monotonic() - began))
        self._say("ready.")

    def _found(self, board: Board, search: Callable[[Board], Judgement | None]) -> Judgement | None:
        if board.is_over:
            score = board.score() if board.side == "X" else -board.score()
            return Judgement((), float(score), board.empties, _EXACT, 0)
        if not board.must_pass:
            return search(board)
        answer = search(board.pass_turn())
        if answer is None:
            return None
        line = (board.size**2, *answer.line)
        return Judgement(line, 0.0 - answer.discs, answer.depth, answer.percent, answer.nodes)

    def _think(self, board: Board, simulations: int, depth: int) -> Judgement | None:
        def count(visits: int) -> None:
            self._visits = visits

        result = self.player.think(
            board, simulations=simulations, on_progress=count, stop=self._hurry
        )
        if self._hurry():
            return None
        solved = result.exact is not None
        return Judgement(
            result.principal_variation,
            of_best(self._discs, result),
            board.empties if solved else depth,
            _EXACT if solved else _ESTIMATE,
            result.evaluations,
        )

    def _solve(self, board: Board) -> Judgement | None:
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done,), name="cassio-stop", daemon=True)
        watch.start()
        try:
            found = self._solver.solve(board, every=False)
        finally:
            done.set()
            watch.join()
        if found is None:
            return None
        return Judgement(found.pv, float(found.score), board.empties, _EXACT, found.nodes)

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(_LOOK):
            if self._hurry():
                self._solver.stop()  # again and again: a search that begins clears the flag


def _command(line: str) -> str:
    prefix, _, rest = line.strip().partition(" ")
    return rest.partition(" ")[0].lower() if prefix == PREFIX else ""


def _told(board: Board, answer: Judgement, seconds: float) -> str:
    names = _named(board, answer.line)
    value = f"{'B' if board.side == 'X' else 'W'}{answer.discs:+.2f}"
    return ", ".join(
        [
            str(board).replace(" ", ""),
            f"move {names[0] if names else '--'}",
            f"depth {answer.depth}",
            f"@{answer.percent}%",
            f"{value} <= v <= {value}",
            "".join(names),
            f"node {answer.nodes}",
            f"time {seconds:.3f}",
        ]
    )


def _named(board: Board, line: Sequence[int]) -> list[str]:
    """The actions of a line, those of black in capitals; a pass is PA."""
    names = []
    for action in line:
        if board.must_pass and action != board.size**2:
            board = board.pass_turn()  # a line of our search may leave a forced pass out
        name = "pa" if action == board.size**2 else square_name(action, board.size)
        names.append(name.upper() if board.side == "X" else name)
        board = board.play(action)
    return names


def serve(player: SearchPlayer, source: int = 0, sink: int = 1) -> int:
    """Serve the lines of file descriptor `source` on `sink` until they end; the exit code."""
    server = CassioServer(player, lambda line: write(f"{line}\n", sink), lambda: inbox.hurry)
    inbox = Inbox(source, lambda text: _command(text) in ("stop", "quit"), at_once=server.at_once)
    return handle_all(inbox, server, lambda text: f"ERROR: {text}\nready.", sink)


def main(
    simulations: int = 400,
    checkpoint: str | Path | None = None,
    size: int = 8,
    root: RootSearch = "puct",
    solve_empties: int = SOLVE_EMPTIES,
) -> int:
    """Serve Cassio on standard input and output; raises `CheckpointError` if there is nothing to play with."""
    if size != 8:
        raise ParseError(f"size {size}: Cassio plays on 8×8")
    return serve(load_player(simulations, checkpoint, size, root, solve_empties))


__all__ = ["CassioServer", "main", "serve"]
