"""Our agent as a GTP 2 engine in the Othello dialect (Farnebäck, "GTP draft 2", 2002).

    main(simulations=400, checkpoint=None)     serve standard input until `quit` or its end

Vertices are a1..h8 with a1 at the top left.  A side that has to pass may say so, or say nothing: a move of the other
colour then implies the pass.  Blank lines and comments get no answer; every other line gets exactly one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from othello.errors import IllegalMove, OthelloError, ParseError
from othello.network.safetensors_io import read_regular_file
from othello.players.agent import SearchPlayer, load_player
from othello.players.endgame import SOLVE_EMPTIES
from othello.records import read_games
from othello.rules.board import Board
from othello.rules.notation import Side, parse_square, square_name
from othello.search.policy import RootSearch
from othello.serve.lines import TextLine, read_lines, write

NAME = "Othello LRP"
GAME = "Othello"
_MOST_BYTES = 1 << 20  # of a game file
_TIME = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?", re.ASCII)
_ID = re.compile(r"[0-9]{1,18}(?=\s|$)", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SIDES: dict[str, Side] = {"b": "X", "black": "X", "w": "O", "white": "O"}
_MARGIN = 0.9  # of the time that may be used: answering takes some too


class _Refused(Exception):
    """What follows the question mark of an answer."""


@dataclass(frozen=True)
class Clock:
    """The time of one side, in seconds; `left` is None while nobody keeps time."""

    left: float | None = None
    stones: int = 0  # moves that `left` must do for; 0: the rest of the game
    period: float = 0.0  # length of the next period, once `left` or `stones` is used up …
    period_stones: int = 0  # … and the moves it must do for; 0: there is none

    def budget(self, empties: int) -> float | None:
        """Seconds for a move with so many empty squares left; None for no limit."""
        if self.left is None:
            return None
        return _MARGIN * self.left / (self.stones or max((empties + 1) // 2, 1))

    def after(self, seconds: float) -> Clock:
        """The clock when a move has taken so many seconds."""
        if self.left is None:
            return self
        left, stones = self.left - seconds, max(self.stones - 1, 0)
        over = stones == 0 if self.stones else left <= 0
        if over and self.period_stones:
            left, stones = self.period, self.period_stones
        return replace(self, left=max(left, 0.0), stones=stones)


class GtpServer:
    """One game and its commands.

    >>> from othello.search.disc_count import DiscCount
    >>> server = GtpServer(SearchPlayer(DiscCount(8), 10))
    >>> server.answer("7 play black f5")
    '=7\\n\\n'
    >>> server.answer("play black f5")
    '? illegal move\\n\\n'
    """

    def __init__(self, player: SearchPlayer) -> None:
        self.player, self.size = player, player.evaluator.size
        self.done = False
        self._history = [Board.initial(self.size)]
        self._settings = Clock()
        self._clocks: dict[Side, Clock] = {"X": Clock(), "O": Clock()}
        self._commands: dict[str, Callable[[list[str]], str]] = {
            "protocol_version": lambda words: "2",
            "name": lambda words: NAME,
            "version": lambda words: version(),
            "known_command": lambda words: "true" if words[0] in self._commands else "false",
            "list_commands": lambda words: "\n".join(self._commands),
            "list_games": lambda words: GAME,
            "set_game": self._set_game,
            "quit": self._quit,
            "boardsize": self._boardsize,
            "clear_board": self._clear,
            "komi": self._komi,
            "play": self._play,
            "genmove": self._genmove,
            "reg_genmove": self._reg_genmove,
            "undo": self._undo,
            "time_settings": self._time_settings,
            "time_left": self._time_left,
            "showboard": lambda words: (
                f"\n{self.board.diagram()}\n{_colour(self.board.side)} to move"
            ),
            "final_score": self._final_score,
            "loadsgf": self._loadsgf,
            "gogui-analyze_commands": lambda words: (
                "plist/Legal moves/legal_moves\ngfx/Search/search_gfx"
            ),
            "legal_moves": self._legal_moves,
            "search_gfx": self._search_gfx,
            "cputime": lambda words: f"{time.process_time():.2f}",
        }

    @property
    def board(self) -> Board:
        """The present position."""
        return self._history[-1]

    def answer(self, line: str, whole: bool = True) -> str | None:
        """The whole answer to one line, with the empty line behind it; None for blank lines and comments."""
        if not line.strip():
            return None
        text = _CONTROL.sub("", line).partition("#")[0].strip()
        if not text and "#" in line:
            return None
        number = _ID.match(text)
        label = number.group() if number else ""
        words = text[len(label) :].split()
        try:
            if not whole or not words:
                raise _Refused("syntax error")
            if words[0] not in self._commands:
                raise _Refused("unknown command")
            result = self._commands[words[0]](words[1:])
        except _Refused as refused:
            return f"?{label} {refused}\n\n"
        except IllegalMove:
            return f"?{label} illegal move\n\n"
        except (ParseError, IndexError, ValueError):
            return f"?{label} syntax error\n\n"
        return f"={label} {result}".rstrip() + "\n\n"

    def _quit(self, words: list[str]) -> str:
        self.done = True
        return ""

    def _set_game(self, words: list[str]) -> str:
        if words[0].lower() != GAME.lower():
            raise _Refused("unsupported game")
        return ""

    def _boardsize(self, words: list[str]) -> str:
        if int(words[0]) != self.size:
            raise _Refused("unacceptable size")
        return self._clear(words)

    def _komi(self, words: list[str]) -> str:
        float(words[0])  # Othello has none: read and forgotten
        return ""

    def _clear(self, words: list[str]) -> str:
        self._history = [Board.initial(self.size)]
        self._clocks = dict.fromkeys(self._clocks, self._settings)
        self.player.new_game()
        return ""

    def _turn(self, side: Side) -> Board:
        """The present position with `side` to move, after a pass of the other side if there is one to make."""
        board = self.board
        if board.side != side and board.must_pass:
            board = board.pass_turn()
        if board.side != side:
            raise _Refused("illegal move")
        return board

    def _play(self, words: list[str]) -> str:
        side, action = _side(words[0]), parse_square(words[1], self.size)
        over = (
            self.board.is_over and action == self.size**2
        )  # some controllers end a game with two passes
        self._history.append(self.board if over else self._turn(side).play(action))
        return ""

    def _genmove(self, words: list[str]) -> str:
        side = _side(words[0])
        if self.board.is_over:
            self._history.append(self.board)
            return "pass"
        board = self._turn(side)
        began = time.monotonic()
        action = self.player.best(board, self._clocks[side].budget(board.empties))
        self._clocks[side] = self._clocks[side].after(time.monotonic() - began)
        self._history.append(board.play(action))
        return _vertex(action, self.size)

    def _reg_genmove(self, words: list[str]) -> str:
        side = _side(words[0])
        if self.board.is_over:
            return "pass"
        board = self._turn(side)
        return _vertex(self.player.best(board, self._clocks[side].budget(board.empties)), self.size)

    def _undo(self, words: list[str]) -> str:
        if len(self._history) == 1:
            raise _Refused("cannot undo")
        self._history.pop()
        return ""

    def _time_settings(self, words: list[str]) -> str:
        main, period, stones = _seconds(words[0]), _seconds(words[1]), _count(words[2])
        if period and not stones:
            self._settings = Clock()  # by definition: no limit
        elif not main:
            self._settings = Clock(period, stones, period, stones) if stones else Clock(0.0)
        else:
            self._settings = Clock(main, 0, period, stones)
        self._clocks = dict.fromkeys(self._clocks, self._settings)
        return ""

    def _time_left(self, words: list[str]) -> str:
        side, left, stones = _side(words[0]), _seconds(words[1]), _count(words[2])
        settings = self._settings
        self._clocks[side] = Clock(left, stones, settings.period, settings.period_stones)
        return ""

    def _loadsgf(self, words: list[str]) -> str:
        """The position of a file's first game at its end, or before the move whose number is given."""
        moves = _count(words[1]) - 1 if len(words) > 1 else None
        try:
            games = read_games(read_regular_file(Path(words[0]), _MOST_BYTES), "sgf")
        except OthelloError:
            raise _Refused("cannot load file") from None
        if not games or games[0].start.size != self.size or (moves is not None and moves < 0):
            raise _Refused("cannot load file")
        self._clear(words)
        self._history = list(games[0].boards[: None if moves is None else moves + 1])
        return ""

    def _legal_moves(self, words: list[str]) -> str:
        return " ".join(_vertex(square, self.size) for square in self.board.legal_moves())

    def _search_gfx(self, words: list[str]) -> str:
        """GoGui's drawing commands: the visits of every searched move, and the value in [−1, 1] as text."""
        if not self.board.legal_moves():
            raise _Refused("no move to search")
        result = self.player.think(self.board)
        visits = (f"{_vertex(m.square, self.size)} {m.visits}" for m in result.moves if m.visits)
        return f"LABEL {' '.join(visits)}\nTEXT value {result.value:+.3f}"

    def _final_score(self, words: list[str]) -> str:
        if not self.board.is_over:
            raise _Refused("cannot score")
        score = self.board.score()
        return f"{'B' if score > 0 else 'W'}+{abs(score)}" if score else "0"


def version() -> str:
    """The version of the package as installed, 0 for a source tree that is not."""
    try:
        return metadata.version("othello-lrp")
    except metadata.PackageNotFoundError:
        return "0"  # a source tree that is not installed


def _side(word: str) -> Side:
    if word.lower() not in _SIDES:
        raise _Refused("syntax error")
    return _SIDES[word.lower()]


def _count(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 9):
        raise _Refused("syntax error")
    return int(word)


def _seconds(word: str) -> float:
    if not _TIME.fullmatch(word):
        raise _Refused("syntax error")
    return float(word)


def _vertex(action: int, size: int) -> str:
    return square_name(action, size) if action == size * size else square_name(action, size).upper()


def _colour(side: Side) -> str:
    return "Black" if side == "X" else "White"


def serve(player: SearchPlayer, source: int = 0, sink: int = 1) -> int:
    """Answer the lines of file descriptor `source` on `sink` until `quit` or the end; the exit code."""
    server = GtpServer(player)
    try:
        for line in read_lines(source):
            if (text := _guarded(server, line)) is not None:
                write(text, sink)
            if server.done:
                break
    except BrokenPipeError:
        pass
    return 0


def _guarded(server: GtpServer, line: TextLine) -> str | None:
    try:
        return server.answer(line.text, line.whole)
    except Exception as error:  # the controller must have its answer, whatever went wrong here
        return f"? {type(error).__name__}: {' '.join(str(error).split())[:200]}\n\n"


def main(
    simulations: int = 400,
    checkpoint: str | Path | None = None,
    size: int = 8,
    root: RootSearch = "puct",
    solve_empties: int = SOLVE_EMPTIES,
) -> int:
    """Serve GTP on standard input and output; raises `CheckpointError` if there is nothing to play with."""
    return serve(load_player(simulations, checkpoint, size, root, solve_empties))
