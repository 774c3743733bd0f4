"""A game in words and rows: who plays, whose turn, what is known of the outcome, the ledger, the moves of a search.

Once for the web page, the desktop and the terminal.  The line comes as a value, so that all that is said is said of one
position: `game.line` for the ply that is shown, `game.line.goto(ply)` for another.  Nothing here asks the network.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.explain.explanation import Explanation
from app.explain.points import in_points, unit_of
from app.game.game_line import GameLine
from app.game.session import Session
from app.present.numbers import fixed
from app.present.sentences import (
    account_words,
    chance_words,
    outcome_words,
    players_words,
    poles,
    side_word,
    value_words,
)
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.rules.openings import opening_of
from othello.search.search import SearchResult

AGENT = "Agent"


@dataclass(frozen=True)
class Seated:
    """One side of the table."""

    name: str
    discs: int
    to_move: bool


@dataclass(frozen=True)
class LedgerRow:
    """One part of target = squares + bias + stabilizer; `text` is its value for people."""

    name: str
    value: float
    text: str


@dataclass(frozen=True)
class Ledger:
    """The account under a map: parts that add up to the total, and a sentence on them."""

    title: str
    shown: str  # what the map shows
    poles: tuple[str, str]  # what blue and red speak for
    rows: tuple[LedgerRow, ...]
    total: LedgerRow
    sentence: str


@dataclass(frozen=True)
class Candidate:
    """A move the search looked at; `share` of the visits and `prior` in [0, 1], `chance` black's after it, in words."""

    square: int
    name: str
    visits: int
    share: float
    prior: float
    chance: str
    played: bool


def opponent_name(spec: str, name: str | None = None) -> str:
    """What the other player is called: `Agent`, the operator's or the page's name for it, or its spec.

    >>> opponent_name("agent"), opponent_name("greedy"), opponent_name("gtp:sh", "edax")
    ('Agent', 'greedy', 'Edax')
    """
    if spec == "agent":
        return AGENT
    return spec if name is None else name[:1].upper() + name[1:]


def player_names(line: GameLine, opponent: str = AGENT) -> tuple[str, str]:
    """The names of black and white; `opponent` is the name of who is not the person."""
    names = {
        "black": ("You", opponent),
        "white": (opponent, "You"),
        "watch": (opponent, opponent),
        "both": ("Black", "White"),
    }
    return names[line.seat]


def players(line: GameLine, opponent: str = AGENT) -> tuple[Seated, Seated]:
    """Black and white with their discs in the position that is shown."""
    board, (black, white) = line.board, player_names(line, opponent)
    turn = "" if board.is_over else board.side
    return (
        Seated(black, board.black.bit_count(), turn == "X"),
        Seated(white, board.white.bit_count(), turn == "O"),
    )


def status(
    line: GameLine, opponent: str = AGENT, *, paused: bool = False, brief: bool = False
) -> str:
    """One line on whose turn it is, with the notice of a forced pass and of the other player's last move.

    `brief` is for a narrow panel: it leaves the last move out and says the rest in fewer words.
    """
    board = line.board
    if board.is_over:
        return f"{outcome_words(board)}." + ("" if brief else " The game is over.")
    passed = ""
    if line.passed:
        passed = f"{line.passed.capitalize()} has {'to pass' if brief else 'no move and passes'}. "
    played = "" if brief else _played(line, opponent)
    return f"{passed}{played}{_turn(line, opponent, paused)}"


def _turn(line: GameLine, opponent: str, paused: bool) -> str:
    side = side_word(line.board.side)
    if line.cursor < line.length:
        return f"Ply {line.cursor} of {line.length}, {side} to move."
    if line.human_to_move:
        return f"{side.capitalize()} to move." if line.seat == "both" else f"Your move ({side})."
    return f"Paused, {side} to move." if paused else f"{_subject(opponent)} thinks …"


def _played(line: GameLine, opponent: str) -> str:
    """What the other player has just played, where it is the person's turn now."""
    move = line.last_move
    if move is None or not line.human_to_move or line.is_human(line.boards[line.cursor - 1].side):
        return ""
    return f"{_subject(opponent)} played {square_name(move, line.start.size)}. "


def _subject(opponent: str) -> str:
    return "The agent" if opponent == AGENT else opponent


def value_line(game: Session, board: Board, *, brief: bool = False) -> str:
    """What is known of the outcome of a position, in words; `…` where nobody has asked yet (`Session.plies` asks).

    `brief` names search or network in front; otherwise the agent is named and what it rests on stands behind.
    """
    if board.is_over:
        return outcome_words(board)
    found = game.search_of(board)
    if found is not None and found.exact is not None:
        return f"Solved: {_solved(board, found.exact)}" + ("" if brief else " with best play")
    value, searched = game.value_of(board)
    if value is None:
        return "…"
    own = value if board.side == "X" else -value
    if brief:
        return value_words(board, own, "Search" if searched else "Network")
    basis = "at first sight" if found is None else f"after {found.simulations} simulations"
    return f"{value_words(board, own)} ({basis})"


def _solved(board: Board, exact: int) -> str:
    score = exact if board.side == "X" else -exact
    return "a draw" if score == 0 else f"{'black' if score > 0 else 'white'} by {abs(score)}"


def values(game: Session, line: GameLine) -> tuple[float | None, ...]:
    """The bars of the value graph: what is known of every ply up to the one that is shown and beyond, for black."""
    return tuple(game.value_of(board)[0] for board in line.boards)


def ledger_rows(explanation: Explanation) -> tuple[LedgerRow, ...]:
    """The parts that add up to the target, in points; solved positions and rounding appear where they can be seen."""
    explanation = in_points(explanation)
    parts = [
        ("squares", float(explanation.squares.sum())),
        ("bias", explanation.bias_total),
        ("stabilizer", explanation.stabilizer),
    ]
    parts += [(name, value) for name, value in explanation.given.items() if value]
    if abs(explanation.closure) > 1e-3 * max(explanation.size, 1e-12):
        parts.append(("rounding", explanation.closure))
    return tuple(LedgerRow(name, value, _account(value)) for name, value in parts)


def ledger_of(explanation: Explanation, biases: bool = False) -> Ledger:
    """The account of an explanation under the map of its squares, or of its biases, in points."""
    words, total = explanation.target.words(), in_points(explanation).value
    sentence = f"{players_words(explanation)} {account_words(in_points(explanation), _account)}"
    title = words[0].upper() + words[1:]
    if explanation.target.kind == "value":
        title = f"Network's value for {side_word(explanation.board.side)}"
    return Ledger(
        title=title,
        shown=f"{'biases' if biases else 'squares'}, in {unit_of(explanation)}",
        poles=poles(explanation.target, explanation.board.side),
        rows=ledger_rows(explanation),
        total=LedgerRow("target", total, _account(total)),
        sentence=sentence.strip(),
    )


def _account(value: float) -> str:
    return fixed(value, 1) if abs(value) >= 0.05 else "0"


def moves_table(
    found: SearchResult, played: int | None = None, most: int = 6
) -> tuple[Candidate, ...]:
    """The moves of a search, most visits first, with the one that was played."""
    size, whole = found.board.size, sum(move.visits for move in found.moves) or 1
    chosen = list(found.moves[:most])
    if played is not None and all(move.square != played for move in chosen):
        chosen[-1:] = [move for move in found.moves if move.square == played]
    return tuple(
        Candidate(
            square=move.square,
            name=square_name(move.square, size),
            visits=move.visits,
            share=move.visits / whole,
            prior=move.prior,
            chance=chance_words(move.q, found.board.side),
            played=move.square == played,
        )
        for move in chosen
    )


def last_search(game: Session, line: GameLine) -> tuple[int, SearchResult] | None:
    """The newest search that chose a move before the ply that is shown, and the ply where that was."""
    for number in range(line.cursor - 1, -1, -1):
        board = line.boards[number]
        found = game.search_of(board)
        if found is not None and not line.is_human(board.side):
            return number, found
    return None


def move_text(line: GameLine) -> str:
    """The moves up to the ply that is shown, two a number; passes are not written.

    >>> move_text(GameLine.begin(Board.initial(), "both", [37, 43, 18]))
    '1. f5 d6  2. c3'
    """
    size = line.start.size
    actions = [action for action in line.actions[: line.cursor] if action != size * size]
    names = [square_name(action, size) for action in actions]
    numbered = enumerate(range(0, len(names), 2), 1)
    return "  ".join(f"{number}. {' '.join(names[i : i + 2])}" for number, i in numbered)


def opening_name(line: GameLine) -> str:
    """The name of the opening of the moves up to the ply that is shown, or nothing."""
    if line.start != Board.initial(8):
        return ""
    found = opening_of(line.actions[: line.cursor])
    return found.name if found else ""
