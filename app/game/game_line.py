"""A game's line of moves with a place in it, as a value: passes, undo and redo to any ply, and who plays which side.

A *ply* counts positions from the start, 0 first; forced passes are plies of their own and are played by themselves.
The line may be longer than the ply that is shown: going back keeps it, playing another move begins another line, and
the one that is left stays among the `branches`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import index
from typing import Literal

from othello.errors import IllegalMove
from othello.rules.board import Board
from othello.rules.notation import format_moves, parse_square

Seat = Literal[
    "black", "white", "watch", "both"
]  # what the person plays; `watch`: nothing, `both`: both sides
SEATS: tuple[Seat, ...] = ("black", "white", "watch", "both")
_BRANCHES = 12  # kept a game, the newest


@dataclass(frozen=True)
class GameLine:
    """Moves from a first position on N×N and the ply that is shown; a change is another line, this one stays.

    >>> line = GameLine.begin(Board.initial(), "both").play("f5").play("d6")
    >>> line.transcript, line.undo().transcript, line.transcript
    ('f5d6', 'f5', 'f5d6')
    """

    start: Board
    actions: tuple[int, ...]  # of the whole line, passes included
    boards: tuple[Board, ...]  # of every ply: one more than there are actions
    cursor: int  # the ply that is shown
    seat: Seat
    branches: tuple[
        tuple[int, ...], ...
    ] = ()  # lines that were left, passes included, the newest first
    serial: int = 0  # grows with every change of a session's line

    @classmethod
    def begin(cls, start: Board, seat: Seat, actions: Sequence[int] = ()) -> GameLine:
        """The line of `actions` at its end, with the passes that they leave out; IllegalMove says the move's number."""
        line, boards = _replayed(start, actions)
        return cls(start, line, boards, len(line), seat)._passed_on()

    @property
    def board(self) -> Board:
        """The position that is shown; never one between a move and the forced pass that follows it."""
        return self.boards[self.cursor]

    @property
    def length(self) -> int:
        """Plies in the line."""
        return len(self.actions)

    def board_at(self, ply: int) -> Board:
        """The position of a ply; one beyond an end is that end."""
        return self.boards[self._within(ply)]

    def action_at(self, ply: int) -> int | None:
        """The action played at a ply, None where the line has none."""
        return self.actions[ply] if 0 <= ply < self.length else None

    @property
    def transcript(self) -> str:
        """The moves up to the ply that is shown, without passes."""
        return format_moves(self.actions[: self.cursor], self.start.size)

    @property
    def last_move(self) -> int | None:
        """The square played last, None at the start and where the last action was a pass."""
        action = self.action_at(self.cursor - 1)
        return None if action is None or action >= self.start.size**2 else action

    @property
    def passed(self) -> str | None:
        """`black` or `white` if that side has just had to pass."""
        if self.action_at(self.cursor - 1) == self.start.size**2:
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
        at_end = self.cursor == self.length
        return at_end and not self.board.is_over and not self.is_human(self.board.side)

    @property
    def decision(self) -> int | None:
        """The ply of the agent's last move before the ply shown (of anybody's if a person plays both sides).

        The ply shown itself if the agent is to move there; None if there was no such move.
        """
        latest = self.cursor - 1
        if self.seat != "both" and not self.board.is_over:
            latest = self.cursor
        for ply in range(latest, -1, -1):
            board = self.boards[ply]
            if not board.must_pass and (self.seat == "both" or not self.is_human(board.side)):
                return ply
        return None

    # Other lines ------------------------------------------------------------------------------------------------

    def play(self, square: int | str) -> GameLine:
        """The line with a square played in the position that is shown; IllegalMove, ParseError.

        Where the line goes on with that very move it is followed; what was played there otherwise becomes a branch.
        """
        board = self.board.play(square)
        action = parse_square(square, board.size) if isinstance(square, str) else index(square)
        if self.action_at(self.cursor) == action:
            return self.goto(self.cursor + 1)._past_pass()
        return self._cut()._appended(action, board)

    def continue_here(self) -> GameLine:
        """The line that ends at the ply that is shown."""
        return self._cut()._passed_on()

    def fork_of(self, branch: Sequence[int]) -> int:
        """The ply at which a line leaves the present one (the length of what they share)."""
        pairs = enumerate(zip(branch, self.actions))
        return next((ply for ply, (a, b) in pairs if a != b), min(len(branch), self.length))

    def switch(self, number: int) -> GameLine:
        """A branch, just after it leaves the present line, which becomes a branch; IndexError."""
        line = self.branches[number]
        others = self.branches[:number] + self.branches[number + 1 :]
        fork = self.fork_of(line)
        if fork < self.length:  # else the line goes on where the present one ends
            others = _kept(self.actions, others)
        taken = replace(self.begin(self.start, self.seat, line), branches=others)
        return taken.goto(fork + 1)._past_pass()

    def goto(self, ply: int) -> GameLine:
        """The line with a ply shown; one beyond an end is that end."""
        return replace(self, cursor=self._within(ply))

    def undo(self) -> GameLine:
        """Back to the last position in which a person had to move, or one ply where nobody plays."""
        return self.goto(next(self._stops(range(self.cursor - 1, -1, -1)), 0))

    def redo(self) -> GameLine:
        """Forward to the next position in which a person has to move, or one ply where nobody plays."""
        return self.goto(next(self._stops(range(self.cursor + 1, self.length + 1)), self.length))

    def _stops(self, plies: range) -> Iterator[int]:
        for ply in plies:
            board = self.boards[ply]
            stays = self.seat == "watch" or self.is_human(board.side) or board.is_over
            if stays and not board.must_pass:
                yield ply

    def _within(self, ply: int) -> int:
        return min(max(ply, 0), self.length)

    def _cut(self) -> GameLine:
        if self.cursor == self.length:
            return self
        return replace(
            self,
            actions=self.actions[: self.cursor],
            boards=self.boards[: self.cursor + 1],
            branches=_kept(self.actions, self.branches),
        )

    def _appended(self, action: int, board: Board) -> GameLine:
        """The line with an action at its end, which is shown, and the pass that it forces."""
        actions, boards = (*self.actions, action), (*self.boards, board)
        return replace(self, actions=actions, boards=boards, cursor=len(actions))._passed_on()

    def _passed_on(self) -> GameLine:
        if self.board.must_pass and self.cursor == self.length:
            return self._appended(self.start.size**2, self.board.pass_turn())
        return self

    def _past_pass(self) -> GameLine:
        return self.goto(self.cursor + 1) if self.board.must_pass else self


def _kept(
    line: tuple[int, ...], branches: tuple[tuple[int, ...], ...]
) -> tuple[tuple[int, ...], ...]:
    """The branches with a line before them, unless one goes on where it ends; those that it goes on are dropped."""
    others = tuple(branch for branch in branches if branch != line[: len(branch)])
    known = any(branch[: len(line)] == line for branch in others)
    return (others if known else (line, *others))[:_BRANCHES]


def _replayed(start: Board, actions: Sequence[int]) -> tuple[tuple[int, ...], tuple[Board, ...]]:
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
    return tuple(line), tuple(boards)
