"""What can be explained about a position, as text: `value`, `policy:c4`, `policy:c4-d3`, `q:c4`, `change:c4`.

Values are from the view of the side to move: `value` is the number before tanh, `policy` a raw logit, `q` a mean of
values in [−1, 1] after a search, `change` the value after a move minus the value before it, both before tanh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import excerpt, parse_square, square_name
from othello.rules.symmetry import transform_action

# u: of `app.explain.exploration_bonus`, never read from text
Kind = Literal["value", "policy", "q", "change", "u"]
ACCEPTED = "value, policy:c4, policy:c4-d3, q:c4 (or q:c4-d3) or change:c4"
_KINDS: dict[str, Kind] = {"policy": "policy", "q": "q", "change": "change"}


@dataclass(frozen=True)
class Target:
    """One number of the network or of a search; `against` makes it the difference of two moves'.

    >>> str(Target.parse("policy:C4-d3")), Target.parse("q:pass").action
    ('policy:c4-d3', 64)
    """

    kind: Kind
    action: int | None = None
    against: int | None = None
    size: int = 8

    @classmethod
    def parse(cls, text: str, size: int = 8) -> Target:
        """Read a target; ParseError says what is accepted."""
        word = text.strip().lower()
        if word == "value":
            return cls("value", size=size)
        kind, colon, moves = word.partition(":")
        if not colon or kind not in _KINDS or not moves:
            raise ParseError(f"target {excerpt(text)}: accepted are {ACCEPTED}")
        names = moves.split("-") if moves != "--" else [moves]
        try:
            actions = [parse_square(name, size) for name in names]
        except ParseError as error:
            raise ParseError(f"target {excerpt(text)}: {error}") from None
        if len(actions) > (1 if kind == "change" else 2) or len(set(actions)) < len(actions):
            raise ParseError(
                f"target {excerpt(text)}: one move, or two different ones; accepted are {ACCEPTED}"
            )
        return cls(_KINDS[kind], actions[0], actions[1] if len(actions) == 2 else None, size)

    def __str__(self) -> str:
        if self.action is None:
            return self.kind
        text = f"{self.kind}:{square_name(self.action, self.size)}"
        return text if self.against is None else f"{text}-{square_name(self.against, self.size)}"

    @property
    def actions(self) -> tuple[int, ...]:
        """The moves it speaks of."""
        return tuple(action for action in (self.action, self.against) if action is not None)

    def turned(self, symmetry: int) -> Target:
        """The same question on the board's image under a symmetry.

        >>> str(Target.parse("policy:c4-d3").turned(4))
        'policy:d3-c4'
        """

        def image(action: int | None) -> int | None:
            return None if action is None else transform_action(action, symmetry, self.size)

        return replace(self, action=image(self.action), against=image(self.against))

    def check(self, board: Board) -> None:
        """ParseError if one of its moves is illegal in `board`, or a search would have nothing to search."""
        legal = board.legal_actions()
        for action in self.actions:
            if action not in legal:
                names = (
                    ", ".join(square_name(other, board.size) for other in legal)
                    or "none, the game is over"
                )
                side = "black" if board.side == "X" else "white"
                raise ParseError(
                    f"target {self}: {square_name(action, board.size)} is illegal for {side}; legal: {names}"
                )
        if self.kind == "q" and not board.legal_moves():
            raise ParseError(f"target {self}: the side to move has no move to search")

    def words(self) -> str:
        """The target in English.

        >>> Target.parse("policy:c4-d3").words()
        'why c4 rather than d3'
        """
        if self.action is None:
            return "the value of the position"
        name = square_name(self.action, self.size)
        if self.against is not None:
            after = " after search" if self.kind == "q" else ""
            return f"why {name} rather than {square_name(self.against, self.size)}{after}"
        if self.kind == "change":
            return f"what {name} changes in the value"
        if self.kind == "u":
            return f"the exploration bonus of {name}"
        return (
            f"the wish to play {name}"
            if self.kind == "policy"
            else f"the value of {name} after search"
        )
