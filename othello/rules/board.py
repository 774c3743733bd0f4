"""`Board`: an Othello position as an immutable, hashable value.

Passing is explicit: after a move the turn goes to the opponent, and where the opponent has no move but the game goes
on, `board.must_pass` is true, `board.legal_moves()` is empty, `board.is_over` is false, and `board.pass_turn()` (or
`board.play(N²)`) hands the turn back.  `legal_actions()` lists the pass too, so a game is always

    while not board.is_over:
        board = board.play(choose(board.legal_actions()))

Transcripts do not write passes: `Board.parse` and `replay` insert them.
"""

from __future__ import annotations

import enum
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from othello.errors import IllegalMove, ParseError
from othello.rules.bitboard import BOARD_MASK, flip_mask, legal_mask, start_bits
from othello.rules.notation import (
    MAX_TEXT,
    Side,
    check_size,
    excerpt,
    format_squares,
    looks_like_board,
    parse_moves,
    parse_picture,
    parse_placement,
    parse_square,
    plain,
    square_name,
)


class Outcome(enum.Enum):
    """How a finished game ended."""

    BLACK_WINS = "X"
    WHITE_WINS = "O"
    DRAW = "="


_OTHER: dict[Side, Side] = {"X": "O", "O": "X"}
_NAMES: dict[Side, str] = {"X": "black", "O": "white"}


def squares_of(mask: int, size: int) -> tuple[int, ...]:
    """The squares r·N + c, ascending, of a word whose bit 8·r + c stands for row r and column c."""
    squares = []
    while mask:
        bit = (mask & -mask).bit_length() - 1
        squares.append(bit if size == 8 else (bit >> 3) * size + (bit & 7))
        mask &= mask - 1
    return tuple(squares)


@dataclass(frozen=True, slots=True, repr=False)
class Board:
    """A position: two words of discs (bit 8·row + column), the side to move ("X" black, "O" white) and the size N.

    >>> board = Board.initial().play("f5")
    >>> board.side, [square_name(square) for square in board.legal_moves()]
    ('O', ['f4', 'd6', 'f6'])
    """

    black: int
    white: int
    side: Side = "X"
    size: int = 8

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.side not in _OTHER:
            raise ParseError(f"side {self.side!r}: accepted are 'X' (black) and 'O' (white)")
        if self.black & self.white or (self.black | self.white) & ~int(BOARD_MASK[self.size]):
            raise ParseError(
                f"two discs on one square, or a disc off the {self.size}×{self.size} board"
            )

    @classmethod
    def initial(cls, size: int = 8) -> Board:
        """The first position of a game: four discs, black to move."""
        black, white = start_bits(check_size(size))
        return cls(black, white, "X", size)

    @classmethod
    def parse(cls, text: str, size: int | None = None) -> Board:
        """The position that a board string, a board drawn with coordinates, a transcript or the word `start` describes.

        A board says its own size and may leave out the side, which is then black; a transcript (from the start
        position) or `start` is read on a board of side `size`, 8 if not given.  Raises ParseError or, for a
        transcript, IllegalMove.

        >>> Board.parse("f5 d6 c3").side
        'O'
        >>> str(Board.parse("start", size=4))
        '-----OX--XO----- X'
        """
        if size is not None:
            check_size(size)
        if len(text) > MAX_TEXT:
            raise ParseError(f"position of {len(text)} characters: at most {MAX_TEXT} are read")
        if text.strip().lower() == "start":
            return cls.initial(size or 8)
        placement = parse_placement(text) if looks_like_board(text) else parse_picture(text)
        if placement is not None:
            if size not in (None, placement.size):
                raise ParseError(
                    f"board string of {placement.size**2} squares where {size}×{size} is asked for"
                )
            return cls(placement.black, placement.white, placement.side or "X", placement.size)
        if not any(letter in "12345678" for letter in plain(text)):
            raise ParseError(
                f"position {excerpt(text)}: accepted are a board string (16, 36 or 64 of X O -, then the side), "
                "a transcript such as f5d6c3, or start"
            )
        *_, board = cls.initial(size or 8).replay(parse_moves(text, size or 8))
        return board

    @property
    def own(self) -> int:
        """The discs of the side to move, as a word."""
        return self.black if self.side == "X" else self.white

    @property
    def opp(self) -> int:
        """The discs of the side that does not move, as a word."""
        return self.white if self.side == "X" else self.black

    @property
    def empties(self) -> int:
        """Number of empty squares."""
        return self.size * self.size - (self.black | self.white).bit_count()

    @property
    def legal_bits(self) -> int:
        """The legal moves of the side to move, as a word."""
        return self._legal(self.own, self.opp)

    def _legal(self, own: int, opp: int) -> int:
        return int(legal_mask(np.uint64(own), np.uint64(opp), BOARD_MASK[self.size]))

    def legal_moves(self) -> tuple[int, ...]:
        """The squares 0..N²-1, ascending, where the side to move may play; none if it must pass or the game is over."""
        return squares_of(self.legal_bits, self.size)

    def legal_actions(self) -> tuple[int, ...]:
        """As `legal_moves`, but with the pass (N²,) where it is forced; empty only when the game is over."""
        return self.legal_moves() or (() if self.is_over else (self.size * self.size,))

    @property
    def must_pass(self) -> bool:
        """Whether the side to move has no move while the opponent has one."""
        return not self.legal_bits and bool(self._legal(self.opp, self.own))

    @property
    def is_over(self) -> bool:
        """Whether neither side can move."""
        return not self.legal_bits and not self._legal(self.opp, self.own)

    def flips(self, square: int) -> tuple[int, ...]:
        """The squares, ascending, whose discs a move on `square` 0..N²-1 turns over; none where the move is illegal.

        >>> Board.initial().flips(37)
        (36,)
        """
        return squares_of(self._flips(square), self.size)

    def _flips(self, square: int) -> int:
        bit = square if self.size == 8 else 8 * (square // self.size) + square % self.size
        if (self.black | self.white) >> bit & 1:
            return 0
        return int(flip_mask(np.uint64(self.own), np.uint64(self.opp), np.int64(bit)))

    def play(self, action: int | str) -> Board:
        """The position after the side to move plays `action`: a square, its name, or the pass N² where it is forced.

        >>> Board.initial().play("a1")
        Traceback (most recent call last):
        ...
        othello.errors.IllegalMove: a1 is illegal for black; legal: d3, c4, f5, e6
        """
        if isinstance(action, str):
            action = parse_square(action, self.size)
        action = operator.index(action)
        if action == self.size * self.size:
            return self.pass_turn()
        if not 0 <= action < self.size * self.size:
            raise self._illegal(f"action {action}")
        flips = self._flips(action)
        if not flips:
            raise self._illegal(square_name(action, self.size))
        move = 1 << (8 * (action // self.size) + action % self.size)
        own, opp = self.own | move | flips, self.opp & ~flips
        black, white = (own, opp) if self.side == "X" else (opp, own)
        return Board(black, white, _OTHER[self.side], self.size)

    def pass_turn(self) -> Board:
        """The same discs with the other side to move; IllegalMove unless the pass is forced."""
        if not self.must_pass:
            raise self._illegal("pass")
        return Board(self.black, self.white, _OTHER[self.side], self.size)

    def _illegal(self, what: str) -> IllegalMove:
        if self.is_over:
            return IllegalMove(f"{what} is illegal: the game is over")
        legal = ", ".join(square_name(action, self.size) for action in self.legal_actions())
        return IllegalMove(f"{what} is illegal for {_NAMES[self.side]}; legal: {legal}")

    def replay(self, actions: Iterable[int]) -> Iterator[Board]:
        """This position, then the one after each of `actions`; forced passes that a transcript leaves out are made.

        A pass that is inserted yields no position of its own.  IllegalMove says the number of the move, from 1.
        """
        board = self
        yield board
        for number, action in enumerate(actions, 1):
            try:
                if board.must_pass and action != self.size * self.size:
                    board = board.pass_turn()
                board = board.play(action)
            except IllegalMove as error:
                raise IllegalMove(f"move {number}: {error}") from None
            yield board

    def score(self) -> int:
        """Discs, black minus white; in a finished game the winner also gets the empty squares.

        Of an unfinished game it is the plain difference of the discs on the board.
        """
        difference = self.black.bit_count() - self.white.bit_count()
        if difference and self.is_over:
            difference += self.empties if difference > 0 else -self.empties
        return difference

    @property
    def outcome(self) -> Outcome | None:
        """Who won a finished game, None while it goes on."""
        if not self.is_over:
            return None
        score = self.score()
        return (
            Outcome.BLACK_WINS if score > 0 else Outcome.WHITE_WINS if score < 0 else Outcome.DRAW
        )

    def __str__(self) -> str:
        """The board string: N² letters X, O and -, a blank, the side to move; `Board.parse` reads it back."""
        return f"{format_squares(self.black, self.white, self.size)} {self.side}"

    def __repr__(self) -> str:
        return f"Board.parse({str(self)!r})"

    def diagram(self) -> str:
        """The board as lines of text with coordinates, for terminals.

        >>> print(Board.initial(4).diagram())
          a b c d
        1 - - - - 1
        2 - O X - 2
        3 - X O - 3
        4 - - - - 4
          a b c d
        """
        letters = format_squares(self.black, self.white, self.size)
        header = "  " + " ".join("abcdefgh"[: self.size])
        rows = (
            f"{row + 1} {' '.join(letters[row * self.size : (row + 1) * self.size])} {row + 1}"
            for row in range(self.size)
        )
        return "\n".join((header, *rows, header))
