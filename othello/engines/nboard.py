"""A player that is another program speaking NBoard 2 (Welty, "NBoard protocol").

Before every move the program is given the position anew with `set game`, so it needs no memory of the game.
"""

from __future__ import annotations

import time

from othello.engines.process import EngineFailure, EngineProcess, Failure, split_command
from othello.errors import IllegalMove, ParseError
from othello.records import GameRecord, write_ggf
from othello.rules.board import Board
from othello.rules.notation import parse_square


def game_text(board: Board) -> str:
    """A GGF game of no moves that stands at `board`.

    >>> game_text(Board.initial())[-74:]
    'BO[8 ---------------------------O*------*O--------------------------- *];)'
    """
    return write_ggf([GameRecord(start=board, black="black", white="white", clock="15:00")]).strip()


class NBoardPlayer:
    """An external NBoard engine as a player; `depth` is its search depth, `move_seconds` the time for each answer.

    `new_game` and `move` raise `EngineFailure`; the program is then gone, and the next `new_game` starts it again.
    """

    checkpoint: str | None = None

    def __init__(
        self, command: str, move_seconds: float = 30.0, size: int = 8, depth: int = 10
    ) -> None:
        if size != 8:
            raise ParseError(f"nboard:{command}: NBoard engines play 8×8 only, not {size}×{size}")
        split_command(command)
        self.name, self.move_seconds, self.depth = f"nboard:{command}", move_seconds, depth
        self._command = command
        self._process: EngineProcess | None = None
        self._pings = 0

    def new_game(self, seed: int = 0) -> None:
        """Begin a game; NBoard has no word for seeds."""
        deadline = time.monotonic() + self.move_seconds
        if self._process is None:
            self._process = EngineProcess(self._command)
            self._send("nboard 2", deadline)
            self._send(f"set depth {self.depth}", deadline)
        self._synchronise(deadline)

    def watch(self, action: int) -> None:
        """Nothing to say: every question carries its position."""

    def move(self, board: Board) -> int:
        """The program's move in `board`."""
        if board.must_pass:
            return board.size**2
        deadline = time.monotonic() + self.move_seconds
        self._send(f"set game {game_text(board)}", deadline)
        self._synchronise(deadline)
        self._send("go", deadline)
        while not (line := self._read(deadline, "go").strip()).startswith("==="):
            pass
        answer = line.removeprefix("===").replace("/", " ").split()
        try:
            action = parse_square(answer[0] if answer else "", board.size)
        except ParseError as error:
            raise self._failure(Failure.GARBAGE, f"answered go with {error}") from None
        try:
            board.play(action)
        except IllegalMove as error:
            raise self._failure(Failure.ILLEGAL, str(error)) from None
        return action

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _synchronise(self, deadline: float) -> None:
        """Wait until the program has read everything sent so far."""
        self._pings += 1
        self._send(f"ping {self._pings}", deadline)
        while self._read(deadline, "ping").split() != ["pong", str(self._pings)]:
            pass

    def _send(self, line: str, deadline: float) -> None:
        if self._process is None:
            raise ValueError(f"{self.name}: new_game() starts it")
        try:
            self._process.send(line, deadline)
        except EngineFailure:
            self._process = None
            raise

    def _read(self, deadline: float, asked: str) -> str:
        assert self._process is not None
        try:
            return self._process.read_line(deadline, asked)
        except EngineFailure:
            self._process = None
            raise

    def _failure(self, failure: Failure, what: str) -> EngineFailure:
        label = self._process.label if self._process is not None else self.name
        self.close()
        return EngineFailure(failure, f"{label}: {what}")
