"""Why a move: at most two facts whose weights hold, in one sentence, from black's view, in discs and per cent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.explain.reasons.chosen import CHOSEN
from app.explain.reasons.facts import neighbours
from app.explain.reasons.outlook import Outlook
from app.explain.reasons.phrases import phrase
from app.explain.reasons.weights import BETTER, Along, Weight, weigh
from othello.errors import ParseError
from othello.network.discs import Discs
from othello.rules.board import Board, squares_of
from othello.rules.notation import square_name
from othello.search.result import MoveStatistics, SearchResult
from othello.search.worth import estimates

if TYPE_CHECKING:
    from app.models import Model

SCHEMA: Final = 1
MISTAKE: Final = 2.0  # discs lost against the rival, from which on a move is marked with "?"
MOST: Final = 2  # reasons in a sentence
NEW_TO_OTHER: Final = (
    "gives_corner",
    "wipe_out",
    "lets_in",
    "mobility",
)  # what the other side can do now
ABSOLUTE: Final = ("takes_corner", "closes_corner", "threatens", "wedge", "pass")  # need no rival
_NODES: Final = 1_000_000  # of the solver, for what a move is worth: some 0.03 s
CORNERS: Final = ("takes_corner", "gives_corner", "closes_corner", "threatens")
_SAME: Final = {  # what a fact says is said by the other one, too
    "x_square": "gives_corner",
    "c_square": "gives_corner",
    "wedge": "stable",
    "anchors_edge": "stable",
    "breaks_edge": "anchors_edge",
}


@dataclass(frozen=True)
class Reasons:
    """A sentence about a move and all that it stands on.

    tries: simulations that began with the move.  expected_discs: the expected final difference, black minus white, and
    expected_percent black's chance in per cent, as `Outlook` brings them together; None where the search did not try
    the move.  facts: every fact, in a
    fixed order; spoken: the names of those in the sentence.  lines: what hangs on some of these where the search's line
    ends, if it was asked for.
    """

    board: Board
    move: int
    rival: int | None
    sentence: str
    tries: int
    expected_discs: float | None
    expected_percent: float | None
    facts: tuple[Weight, ...]
    spoken: tuple[str, ...]
    lines: Mapping[str, Along] = field(default_factory=dict)

    def said(self) -> list[Weight]:
        """The facts in the sentence."""
        return [weight for weight in self.facts if weight.name in self.spoken]

    def outline(self) -> tuple[int, ...]:
        """The squares that the sentence is about: of the move, or of the rival where a fact is about that one."""
        return tuple(sorted({square for weight in self.said() for square in weight.about}))

    def as_json(self) -> dict[str, Any]:
        """With square names, ready for `json.dumps`."""
        size = self.board.size
        facts = [
            each.as_json(size, spoken=each.name in self.spoken, line=self.lines.get(each.name))
            for each in self.facts
        ]
        return {
            "schema": SCHEMA,
            "position": str(self.board),
            "move": square_name(self.move, size),
            "rival": None if self.rival is None else square_name(self.rival, size),
            "sentence": self.sentence,
            "tries": self.tries,
            "expected_discs": self.expected_discs,
            "expected_percent": self.expected_percent,
            "facts": facts,
        }


def why(
    model: Model,
    result: SearchResult,
    move: int | None = None,
    rival: int | None = None,
    known: Mapping[int, float] | None = None,
) -> Reasons:
    """Why a move of a searched position rather than another one.

    move: the search's first choice by default.  rival: the best other move that the search tried, by default.  known:
    what moves are worth for certain, in discs to the mover, where the caller has solved them.  Raises ParseError where
    one of them is illegal, or both are the same.
    """
    board = result.board
    entries = {entry.square: entry for entry in result.moves}
    move = result.moves[0].square if move is None else move
    check(board, move, rival)
    if rival is None:
        tried = (entry.square for entry in result.moves if entry.visits and entry.square != move)
        rival = next(tried, None)
    weights = weigh(model, board, move, rival)
    whole = [entries[square] for square in (move, rival) if square is not None]
    exact = next(weight for weight in weights if weight.name == "exact")
    scores: Sequence[float | None] = (exact.value, exact.rival_value)[: len(whole)]
    if known and all(each.square in known for each in whole):
        scores = [known[each.square] for each in whole]
    solved = None not in scores
    certain = {each.square: float(score) for each, score in zip(whole, scores) if score is not None}
    searched = [each for each in whole if each.q is not None]
    worths = certain if solved else estimates(discs_of(model), result, searched, _NODES)
    worth = [worths[each.square] if each in searched else None for each in whole]
    speech = Speech(result, whole, worth, solved, weights, (known or {}).get(move))
    spoken, sentence = speech.words()
    outlook = None if worth[0] is None else speech.outlook(worth[0])
    return Reasons(
        board=board,
        move=move,
        rival=rival,
        sentence=sentence,
        tries=whole[0].visits,
        expected_discs=None if outlook is None else outlook.discs,
        expected_percent=None if outlook is None else outlook.percent,
        facts=weights,
        spoken=spoken,
    )


def check(board: Board, move: int | None, rival: int | None) -> None:
    """ParseError for a position that no game reaches, one without a move, an illegal move or a rival that is none."""
    if not reachable(board):
        raise ParseError(f"{board}: no game reaches this position, so there is no move to explain")
    if not board.legal_moves():
        raise ParseError(
            f"{board}: no move to explain, "
            + ("the game is over" if board.is_over else "the side to move must pass")
        )
    for what, square in (("move", move), ("rival", rival)):
        if square is not None and square not in board.legal_moves():
            legal = ", ".join(square_name(each, board.size) for each in board.legal_moves())
            name = square_name(square, board.size)
            side = "black" if board.side == "X" else "white"
            raise ParseError(f"{what} {name} is illegal for {side}; legal: {legal}")
    if rival is not None and rival == move:
        raise ParseError(f"rival {square_name(rival, board.size)}: it is the move itself")


def reachable(board: Board) -> bool:
    """Whether nothing obvious speaks against a game that leads here: a full centre, and discs that hang together.

    >>> reachable(Board.initial()), reachable(Board.parse("XO" + "-" * 62))
    (True, False)
    """
    size, half = board.size, board.size // 2
    discs = set(squares_of(board.black | board.white, size))
    centre = {size * r + c for r in (half - 1, half) for c in (half - 1, half)}
    joined, todo = set(centre), list(centre)
    while todo:
        new = discs.intersection(neighbours(todo.pop(), size)) - joined
        joined |= new
        todo.extend(new)
    return joined == discs


def discs_of(model: Model) -> Discs:
    """What positions and moves are worth in discs by a model; made once."""
    return model.kept("discs", lambda: Discs(model.evaluator))


@dataclass(frozen=True)
class Speech:
    """A sentence in the making: the move first, then its rival if there is one."""

    result: SearchResult
    moves: Sequence[MoveStatistics]
    worth: Sequence[float | None]
    solved: bool  # whether worth is exact
    weights: Sequence[Weight]
    known: float | None = None  # what the move alone is worth for certain

    def words(self) -> tuple[tuple[str, ...], str]:
        """The names of the facts that are said, and the sentence."""
        name, worth = self._name(0), self.worth[0]
        if worth is None:
            return (), f"{name}: the search did not try it, so nothing is claimed."
        if len(self.moves) == 1:
            spoken = [] if len(self.result.moves) == 1 else self._chosen(1, ABSOLUTE)
            said = self._joined(spoken) or self._alone()
            return _names(spoken), f"{name}: {said}; {self._expectation(worth)}."
        other = self.worth[1]
        if other is None:
            said = f"the search did not try {self._name(1)}, so nothing is claimed beside it"
            return (), f"{name}: {said}; {self._expectation(worth)}."
        first = self.moves[0].square == self.result.moves[0].square
        if other - worth >= MISTAKE and (self.solved or not first):
            return self._mistake(worth, other)
        spoken = self._chosen(1)
        reason = self._joined(spoken) or self._unexplained(worth - other)
        sentence = f"{name} rather than {self._name(1)}: {reason}; {self._expectation(worth)}."
        return _names(spoken), sentence

    def _alone(self) -> str:
        """Of a move without a rival: that there is none, or what the network thought of the next one at first sight."""
        if len(self.result.moves) == 1:
            return "it is the only move"
        others = [entry for entry in self.result.moves if entry is not self.moves[0]]
        likes = [self.moves[0], max(others, key=lambda entry: entry.prior)]
        mine, next_one = (_share(entry.prior) for entry in likes)
        other = square_name(likes[1].square, self.result.board.size)
        sight = f"at first sight the network gave it {mine} and {other} {next_one}"
        return f"no other move was tried; {sight}"

    def _mistake(self, worth: float, other: float) -> tuple[tuple[str, ...], str]:
        spoken = self._chosen(-1)
        reason = self._joined(spoken) or "no single reason stands out"
        sentence = (
            f"{self._name(0)}? {reason[0].upper()}{reason[1:]}; better {self._name(1)}, "
            f"costs {other - worth:.0f} discs; {self._expectation(worth)}."
        )
        return _names(spoken), sentence

    def _unexplained(self, gain: float) -> str:
        """What is left to say of a move without a reason: what it is expected to bring more than its rival, or less."""
        told, side = f"{abs(gain):.1f}", "black" if self.result.board.side == "X" else "white"
        source = "best play brings" if self.solved else "the search expects"
        if float(told) == 0:
            return f"no single reason stands out, and {source} as much from both"
        more = "more" if gain > 0 else "less"
        return f"no single reason stands out, but {source} {told} discs {more} for {side}"

    def _chosen(self, claim: int, among: Iterable[str] = BETTER) -> list[Weight]:
        """At most two facts that hold and claim so, the strongest first; against a move what the other side can do."""
        found = [each for each in self.weights if each.holds and each.claim == claim]
        found = [each for each in found if each.name in among]
        names = {weight.name for weight in found}
        corners = {square for each in found if each.name in CORNERS for square in each.about}
        found = [
            each
            for each in found
            if _SAME.get(each.name) not in names
            and not (each.name in CHOSEN and corners.issuperset(each.squares))
        ]

        def order(weight: Weight) -> tuple[bool, float]:
            return (claim < 0 and weight.name not in NEW_TO_OTHER, -weight.excess)

        return sorted(found, key=order)[:MOST]

    def _joined(self, spoken: Sequence[Weight]) -> str:
        board = self.result.board
        words = " and ".join(phrase(weight, board, self.moves[0].square) for weight in spoken)
        return f"it {words}" if words else ""

    def _expectation(self, worth: float) -> str:
        """Tries and expectation of the move, from black's view."""
        tries = f"{self.moves[0].visits} of {self.result.simulations} tries"
        return f"{tries}, {self.outlook(worth)}"

    def outlook(self, worth: float) -> Outlook:
        """What is expected after the move, for black."""
        board, q = self.result.board, self.moves[0].q
        assert q is not None
        sign = 1 if board.side == "X" else -1
        if self.known is not None:
            return Outlook.of(sign * q, sign * self.known, exact=True)
        return Outlook.of(sign * q, sign * worth, exact=self.solved)

    def _name(self, which: int) -> str:
        return square_name(self.moves[which].square, self.result.board.size)


def _share(prior: float) -> str:
    """A move's prior in whole per cent.

    >>> _share(0.256), _share(0.001), _share(0.999)
    ('26 %', 'under 1 %', 'over 99 %')
    """
    if not 0.005 <= prior < 0.995:
        return "under 1 %" if prior < 0.5 else "over 99 %"
    return f"{100 * prior:.0f} %"


def _names(weights: Sequence[Weight]) -> tuple[str, ...]:
    return tuple(weight.name for weight in weights)
