"""A player that is another program speaking GTP 2 in its Othello dialect (Farnebäck, "GTP draft 2", 2002).

The program follows the game by `play`; `genmove` makes it move.  Debian's gtp-rhino passes by itself and knows no
`play COLOUR pass`, so it is told of no pass; other programs are, until one of them calls that an error.
"""

from __future__ import annotations

import time

from othello.engines.process import EngineFailure, EngineProcess, Failure, split_command
from othello.errors import IllegalMove, ParseError
from othello.rules.board import Board
from othello.rules.notation import excerpt, parse_square, square_name

_COLOUR = {"X": "black", "O": "white"}


class GtpPlayer:
    """An external GTP engine as a player of one game at a time; it is started by the first `new_game`.

    `move_seconds` is the time for every answer.  `new_game`, `watch` and `move` raise `EngineFailure`; the program is
    then gone, and the next `new_game` starts it again.
    """

    checkpoint: str | None = None

    def __init__(self, command: str, move_seconds: float = 30.0, size: int = 8) -> None:
        split_command(command)  # a mistyped command is an error now, not a lost match
        self.name, self.move_seconds, self.size = f"gtp:{command}", move_seconds, size
        self._command = command
        self._process: EngineProcess | None = None
        self._board = Board.initial(size)
        self._played: int | None = (
            None  # the engine's own move, which `watch` must not send back to it
        )
        self._tell_passes = True

    def new_game(self, seed: int = 0) -> None:
        """Begin a game; GTP has no word for seeds."""
        deadline = time.monotonic() + self.move_seconds
        if self._process is None:
            self._process = EngineProcess(self._command)
            self._tell_passes = "grhino" not in self._ask("name", deadline).lower()
            self._ask(f"boardsize {self.size}", deadline)
        self._ask("clear_board", deadline)
        self._board, self._played = Board.initial(self.size), None

    def watch(self, action: int) -> None:
        """Tell the program what was played, unless it was its own answer."""
        side, passed = self._board.side, action == self.size**2
        told = self._played == action
        self._board, self._played = self._board.play(action), None
        if told or (passed and not self._tell_passes):
            return
        line = (
            f"play {_COLOUR[side]} {'pass' if passed else square_name(action, self.size).upper()}"
        )
        good, text = self._exchange(line, time.monotonic() + self.move_seconds)
        if not good and passed:
            self._tell_passes = False
        elif not good:
            raise self._failure(Failure.GARBAGE, f"refused {line!r}: {excerpt(text, 60)}")

    def move(self, board: Board) -> int:
        """The program's move; it must have been told of every move that led to `board`."""
        if board != self._board:
            raise ValueError(
                f"{self.name} follows games move by move: watch() has not told it of {board}"
            )
        if board.must_pass:
            return self.size**2
        text = self._ask(f"genmove {_COLOUR[board.side]}", time.monotonic() + self.move_seconds)
        if text.strip().lower() == "resign":
            raise self._failure(Failure.RESIGNED, "resigned", kill=False)
        try:
            action = parse_square(text, self.size)
        except ParseError as error:
            raise self._failure(Failure.GARBAGE, f"answered genmove with {error}") from None
        try:
            board.play(action)
        except IllegalMove as error:
            raise self._failure(Failure.ILLEGAL, str(error)) from None
        self._played = action
        return action

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _ask(self, line: str, deadline: float) -> str:
        good, text = self._exchange(line, deadline)
        if not good:
            raise self._failure(
                Failure.GARBAGE, f"answered {line!r} with the error {excerpt(text, 60)}"
            )
        return text

    def _exchange(self, line: str, deadline: float) -> tuple[bool, str]:
        """Send a command; whether it succeeded, and the text of the answer."""
        if self._process is None:
            raise ValueError(f"{self.name}: new_game() starts it")
        try:
            self._process.send(line, deadline)
            while not (first := self._process.read_line(deadline, line)).strip():
                pass
            if first[0] not in "=?":
                raise self._failure(
                    Failure.GARBAGE, f"answered {line!r} with {excerpt(first, 40)}, neither = nor ?"
                )
            lines = [first[1:]]
            while following := self._process.read_line(deadline, line).strip():
                lines.append(following)
        except EngineFailure:
            self._process = None
            raise
        return first[0] == "=", "\n".join(lines).strip()

    def _failure(self, failure: Failure, what: str, kill: bool = True) -> EngineFailure:
        label = self._process.label if self._process is not None else self.name
        if kill and self._process is not None:
            self._process.close(farewell=None)
            self._process = None
        return EngineFailure(failure, f"{label}: {what}")
