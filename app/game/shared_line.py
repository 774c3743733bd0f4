"""A line of play that many threads read and change: an immutable value, swapped as a whole under a lock.

Two reads of a `SharedLine` may see two lines; who needs several facts of one takes `line` once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from app.game.game_line import GameLine, Seat
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import parse_moves


class SharedLine:
    """The line of a game; every method may be called from any thread, and each change makes the serial grow."""

    def __init__(self, seat: Seat, start: Board) -> None:
        self._lock = threading.RLock()
        self._line = GameLine.begin(start, seat)

    @property
    def line(self) -> GameLine:
        """The line as it is now."""
        return self._line

    def change(self, step: Callable[[GameLine], GameLine]) -> GameLine:
        """Swap the line for what `step` makes of it; an error leaves it as it was."""
        with self._lock:
            self._line = replace(step(self._line), serial=self._line.serial + 1)
            return self._line

    # Reading ----------------------------------------------------------------------------------------------------

    @property
    def start(self) -> Board:
        """The first position."""
        return self._line.start

    @property
    def board(self) -> Board:
        """The position that is shown."""
        return self._line.board

    @property
    def cursor(self) -> int:
        """The ply that is shown."""
        return self._line.cursor

    @property
    def length(self) -> int:
        """Plies in the line."""
        return self._line.length

    @property
    def actions(self) -> tuple[int, ...]:
        """The moves of the whole line, passes included."""
        return self._line.actions

    @property
    def branches(self) -> tuple[tuple[int, ...], ...]:
        """Lines that were left, passes included, the newest first."""
        return self._line.branches

    @property
    def transcript(self) -> str:
        """The moves up to the ply that is shown, without passes."""
        return self._line.transcript

    @property
    def last_move(self) -> int | None:
        """The square played last, None at the start and where the last action was a pass."""
        return self._line.last_move

    @property
    def passed(self) -> str | None:
        """`black` or `white` if that side has just had to pass."""
        return self._line.passed

    @property
    def human_to_move(self) -> bool:
        """Whether a person may move in the position that is shown."""
        return self._line.human_to_move

    @property
    def agent_to_move(self) -> bool:
        """Whether the agent is to move at the end of the line, which is shown."""
        return self._line.agent_to_move

    def is_human(self, side: str) -> bool:
        """Whether a person plays "X" or "O"."""
        return self._line.is_human(side)

    def decision(self) -> int | None:
        """The ply whose choice there is to explain, see `GameLine.decision`."""
        return self._line.decision

    def fork_of(self, branch: Sequence[int]) -> int:
        """The ply at which a line leaves the present one."""
        return self._line.fork_of(branch)

    def board_at(self, ply: int) -> Board:
        """The position of a ply; one beyond an end is that end."""
        return self._line.board_at(ply)

    def action_at(self, ply: int) -> int | None:
        """The action played at a ply, None where the line has none."""
        return self._line.action_at(ply)

    # Changing ---------------------------------------------------------------------------------------------------

    @property
    def seat(self) -> Seat:
        """What the person plays."""
        return self._line.seat

    @seat.setter
    def seat(self, seat: Seat) -> None:
        with self._lock:
            self._line = replace(self._line, seat=seat)

    @property
    def serial(self) -> int:
        """Grows with every change."""
        return self._line.serial

    @serial.setter
    def serial(self, serial: int) -> None:
        with self._lock:
            self._line = replace(self._line, serial=serial)

    def new_game(
        self, *, seat: Seat | None = None, start: Board | None = None, actions: Sequence[int] = ()
    ) -> None:
        """Begin again from `start`, with `actions` already played; IllegalMove leaves the old game as it was."""
        size = self.start.size
        first = start if start is not None else Board.initial(size)
        if first.size != size:
            raise ParseError(
                f"a {first.size}×{first.size} board; this game is played on {size}×{size}"
            )
        begun = GameLine.begin(first, "both", actions)
        self.change(lambda old: replace(begun, seat=old.seat if seat is None else seat))

    def open(self, text: str, *, seat: Seat | None = None) -> None:
        """A new game from a board string, a transcript (its moves are kept) or `start`; ParseError, IllegalMove."""
        size = self.start.size
        board = Board.parse(text, size)
        if any(letter in "12345678" for letter in text):
            self.new_game(seat=seat, actions=parse_moves(text, size))
        else:
            self.new_game(seat=seat, start=board)

    def play(self, square: int | str, ply: int | None = None) -> bool:
        """Play a square in the position that is shown; False and nothing done if `ply` is given and is not its number.

        What was played after it becomes a branch.  Raises IllegalMove, ParseError.
        """
        with self._lock:
            if ply is not None and ply != self.cursor:
                return False
            self.change(lambda line: line.play(square))
            return True

    def continue_here(self) -> None:
        """Make the ply that is shown the end of the line."""
        self.change(GameLine.continue_here)

    def switch(self, number: int) -> None:
        """Go over to a branch, just after it leaves the present line, which becomes a branch; IndexError."""
        self.change(lambda line: line.switch(number))

    def goto(self, ply: int) -> None:
        """Show a ply; one beyond an end is that end."""
        self.change(lambda line: line.goto(ply))

    def undo(self) -> None:
        """Back to the last position in which a person had to move, or one ply where nobody plays."""
        self.change(GameLine.undo)

    def redo(self) -> None:
        """Forward to the next position in which a person has to move, or one ply where nobody plays."""
        self.change(GameLine.redo)
