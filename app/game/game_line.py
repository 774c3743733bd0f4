"""A game's line of moves with a place in it: passes, undo and redo to any ply, and who plays which side.

A *ply* counts positions from the start, 0 first; forced passes are plies of their own and are played by themselves.
The line may be longer than the ply that is shown: going back keeps it, playing another move begins another line, and
the one that is left stays among the `branches`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal

from othello.errors import IllegalMove, ParseError
from othello.rules.board import Board
from othello.rules.notation import format_moves, parse_moves

Seat = Literal[
    "black", "white", "watch", "both"
]  # what the person plays; `watch`: nothing, `both`: both sides
SEATS: tuple[Seat, ...] = ("black", "white", "watch", "both")
_BRANCHES = 12  # kept a game, the newest


class Line:
    """Moves from a first position on N×N, and the ply that is shown; every method may be called from any thread."""

    def __init__(self, seat: Seat, start: Board | None, size: int) -> None:
        self._lock = threading.RLock()
        self._side = size
        self.serial = 0  # grows with every change
        self.new_game(seat=seat, start=start)

    def new_game(
        self, *, seat: Seat | None = None, start: Board | None = None, actions: Sequence[int] = ()
    ) -> None:
        """Begin again from `start`, with `actions` already played; IllegalMove leaves the old game as it was."""
        first = start if start is not None else Board.initial(self._side)
        if first.size != self._side:
            raise ParseError(
                f"a {first.size}×{first.size} board; this game is played on {self._side}×{self._side}"
            )
        line, boards = _replayed(first, actions)
        with self._lock:
            self.start, self._actions, self._boards = first, line, boards
            self.cursor = len(line)
            self.branches: list[
                tuple[int, ...]
            ] = []  # lines that were left, passes included, the newest first
            if seat is not None:
                self.seat: Seat = seat
            self._auto_pass()
            self.serial += 1

    def open(self, text: str, *, seat: Seat | None = None) -> None:
        """A new game from a board string, a transcript (its moves are kept) or `start`; ParseError, IllegalMove."""
        size = self._side
        board = Board.parse(text, size)
        if any(letter in "12345678" for letter in text):
            self.new_game(seat=seat, actions=parse_moves(text, size))
        else:
            self.new_game(seat=seat, start=board)

    @property
    def board(self) -> Board:
        """The position that is shown; never one between a move and the forced pass that follows it."""
        with self._lock:
            return self._boards[self.cursor]

    @property
    def length(self) -> int:
        """Plies in the line."""
        return len(self._actions)

    @property
    def actions(self) -> tuple[int, ...]:
        """The moves of the whole line, passes included."""
        return tuple(self._actions)

    @property
    def transcript(self) -> str:
        """The moves up to the ply that is shown, without passes."""
        return format_moves(self._actions[: self.cursor], self.board.size)

    @property
    def last_move(self) -> int | None:
        """The square played last, None at the start and where the last action was a pass."""
        action = self._actions[self.cursor - 1] if self.cursor else None
        return None if action is None or action >= self.board.size**2 else action

    @property
    def passed(self) -> str | None:
        """`black` or `white` if that side has just had to pass."""
        if self.cursor and self._actions[self.cursor - 1] == self.board.size**2:
            return "white" if self.board.side == "X" else "black"
        return None

    def is_human(self, side: str) -> bool:
        """Whether a person plays "X" or "O"."""
        return self.seat == "both" or self.seat == ("black" if side == "X" else "white")

    @property
    def human_to_move(self) -> bool:
        """Whether a person may move in the position that is shown."""
        return not self.board.is_over and self.is_human(self.board.side)

    @property
    def agent_to_move(self) -> bool:
        """Whether the agent is to move at the end of the line, which is shown."""
        return (
            self.cursor == self.length
            and not self.board.is_over
            and not self.is_human(self.board.side)
        )

    def play(self, square: int | str, ply: int | None = None) -> bool:
        """Play a square in the position that is shown; False and nothing done if `ply` is given and is not its number.

        What was played after it becomes a branch.  Raises IllegalMove, ParseError.
        """
        with self._lock:
            if ply is not None and ply != self.cursor:
                return False
            board = self.board.play(square)
            action = next(a for a in self.board.legal_actions() if self.board.play(a) == board)
            if self.cursor < self.length and self._actions[self.cursor] == action:
                self.cursor += 1
                self._skip_pass()
            else:
                self._cut()
                self._append(action, board)
            self.serial += 1
            return True

    def _append(self, action: int, board: Board) -> None:
        self._boards.append(
            board
        )  # before the action: a reader in another thread finds a board for every ply
        self._actions.append(action)
        self.cursor += 1
        self._auto_pass()

    def _auto_pass(self) -> None:
        if self.board.must_pass and self.cursor == self.length:
            self._append(self.board.size**2, self.board.pass_turn())

    def _skip_pass(self) -> None:
        if self.board.must_pass and self.cursor < self.length:
            self.cursor += 1

    def _cut(self) -> None:
        if self.cursor < self.length:
            self._keep(self.actions)
        del self._actions[self.cursor :]
        del self._boards[self.cursor + 1 :]

    def continue_here(self) -> None:
        """Make the ply that is shown the end of the line."""
        with self._lock:
            self._cut()
            self._auto_pass()
            self.serial += 1

    def _keep(self, line: tuple[int, ...]) -> None:
        others = [branch for branch in self.branches if branch != line[: len(branch)]]
        known = any(branch[: len(line)] == line for branch in others)
        self.branches = [*([] if known else [line]), *others][:_BRANCHES]

    def fork_of(self, branch: Sequence[int]) -> int:
        """The ply at which a line leaves the present one (the length of what they share)."""
        pairs = enumerate(zip(branch, self._actions))
        return next((ply for ply, (a, b) in pairs if a != b), min(len(branch), self.length))

    def switch(self, number: int) -> None:
        """Go over to a branch, just after it leaves the present line, which becomes a branch; IndexError."""
        with self._lock:
            line = self.branches.pop(number)
            fork = self.fork_of(line)
            if fork < self.length:  # else the line goes on where the present one ends
                self._keep(self.actions)
            self._actions, self._boards = _replayed(self.start, line)
            self.cursor = min(fork + 1, self.length)
            self._skip_pass()
            self.serial += 1

    def goto(self, ply: int) -> None:
        """Show a ply; one beyond an end is that end."""
        with self._lock:
            self.cursor = min(max(ply, 0), self.length)
            self.serial += 1

    def undo(self) -> None:
        """Back to the last position in which a person had to move, or one ply where nobody plays."""
        with self._lock:
            stops = [n for n in range(self.cursor) if self._is_stop(n)]
            self.goto(stops[-1] if stops else 0)

    def redo(self) -> None:
        """Forward to the next position in which a person has to move, or one ply where nobody plays."""
        with self._lock:
            stops = [n for n in range(self.cursor + 1, self.length + 1) if self._is_stop(n)]
            self.goto(stops[0] if stops else self.length)

    def _is_stop(self, ply: int) -> bool:
        board = self._boards[ply]
        return not board.must_pass and (
            self.seat == "watch" or self.is_human(board.side) or board.is_over
        )


def _replayed(start: Board, actions: Sequence[int]) -> tuple[list[int], list[Board]]:
    """The line with the passes that `actions` leave out, and its positions."""
    line: list[int] = []
    boards = [start]
    for number, action in enumerate(actions, 1):
        board = boards[-1]
        try:
            if board.must_pass:
                line.append(board.size**2)
                boards.append(board := board.pass_turn())
                if action == board.size**2:
                    continue
            boards.append(board.play(action))
        except IllegalMove as error:
            raise IllegalMove(f"move {number}: {error}") from None
        line.append(action)
    return line, boards
