"""A session's facts as the view shows them: names, status, value, map, ledger, moves; nothing here asks the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.desktop.view import Candidate, Heat, Ledger, LedgerRow, Seated
from app.present.colormap import fills, numbers, scale_of
from app.present.sentences import explanation_words, outcome_words, side_word, signed, value_words
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.rules.openings import opening_of

if TYPE_CHECKING:
    from app.explain.explanation import Explanation
    from app.game.session import Session
    from othello.search.mcts import SearchResult


def seated(game: Session, ply: int) -> tuple[Seated, Seated]:
    """Black and white with their discs at a ply."""
    board = game.board_at(ply)
    agent = "Agent" if game.opponent == "agent" else game.opponent
    names = {
        "black": ("You", agent),
        "white": (agent, "You"),
        "watch": (agent, agent),
        "both": ("Black", "White"),
    }
    black, white = names[game.seat]
    return (
        Seated(black, board.black.bit_count(), board.side == "X" and not board.is_over),
        Seated(white, board.white.bit_count(), board.side == "O" and not board.is_over),
    )


def status(game: Session, paused: bool = False) -> str:
    """One line on whose turn it is, with the notice of a forced pass."""
    board = game.board
    if board.is_over:
        return f"{outcome_words(board)}."
    side = side_word(board.side)
    passed = f"{game.passed.capitalize()} has to pass. " if game.passed else ""
    if game.cursor < game.length:
        return f"{passed}Ply {game.cursor} of {game.length}, {side} to move."
    if game.human_to_move:
        return (
            f"{passed}{side.capitalize()} to move."
            if game.seat == "both"
            else f"{passed}Your move ({side})."
        )
    return f"{passed}Paused, {side} to move." if paused else f"{passed}The agent thinks …"


def value_line(game: Session, ply: int) -> str:
    """What is known of the outcome at a ply, in words."""
    board = game.board_at(ply)
    if board.is_over:
        return outcome_words(board)
    found = game.search_of(ply)
    if found is not None and found.exact is not None:
        score = found.exact if board.side == "X" else -found.exact
        return (
            "Solved: a draw"
            if score == 0
            else f"Solved: {'black' if score > 0 else 'white'} by {abs(score)}"
        )
    value, searched = game.value_of(ply)
    who = "Search" if searched else "Network"
    return "…" if value is None else value_words(board, value if board.side == "X" else -value, who)


def heat_of(explanation: Explanation, biases: bool = False) -> Heat:
    """The map of the squares, or of the biases that lie on squares, in colours symmetric about 0."""
    relevance = explanation.bias_squares if biases else explanation.squares
    scale = scale_of(relevance)
    colours, texts = fills(relevance, scale), numbers(relevance, scale)
    return Heat(
        tuple(colours[s] for s in range(relevance.size)),
        tuple(texts[s] for s in range(relevance.size)),
        scale,
    )


def ledger_of(explanation: Explanation, biases: bool = False) -> Ledger:
    """The account of an explanation; solved positions and rounding appear where they can be seen."""
    parts = [
        ("squares", float(explanation.squares.sum())),
        ("bias", explanation.bias_total),
        ("stabilizer", explanation.stabilizer),
    ]
    if explanation.exact:
        parts.append(("solved", explanation.exact))
    if abs(explanation.closure) > 1e-3 * max(explanation.size, 1e-12):
        parts.append(("rounding", explanation.closure))
    words = explanation.target.words()
    title = words[0].upper() + words[1:]
    if explanation.target.kind == "value":
        title = f"Network's value for {side_word(explanation.board.side)}"
    return Ledger(
        title=title,
        shown=f"map of the {'biases' if biases else 'squares'}",
        rows=tuple(LedgerRow(name, value, signed(_shown(value))) for name, value in parts),
        total=LedgerRow("target", explanation.value, signed(_shown(explanation.value))),
        sentence=explanation_words(explanation),
    )


def _shown(value: float) -> float:
    return 0.0 if abs(value) < 5e-5 else value


def candidates_of(found: SearchResult, played: int | None, most: int = 6) -> tuple[Candidate, ...]:
    """The moves of a search, most visits first, with the one that was played."""
    size, whole = found.board.size, sum(move.visits for move in found.moves) or 1
    chosen = list(found.moves[:most])
    if played is not None and all(move.square != played for move in chosen):
        chosen[-1:] = [move for move in found.moves if move.square == played]
    return tuple(
        Candidate(
            square_name(move.square, size),
            move.visits / whole,
            move.prior,
            move.q,
            move.square == played,
        )
        for move in chosen
    )


def last_search(game: Session, ply: int) -> tuple[int, SearchResult] | None:
    """The newest search that chose a move before a ply, and the ply where that was."""
    for number in range(ply - 1, -1, -1):
        found = game.search_of(number)
        if found is not None and not game.is_human(game.board_at(number).side):
            return number, found
    return None


def move_text(game: Session, ply: int) -> str:
    """The moves up to a ply, two a number; passes are not written."""
    size = game.start.size
    names = [square_name(action, size) for action in game.actions[:ply] if action != size * size]
    pairs = [" ".join(names[i : i + 2]) for i in range(0, len(names), 2)]
    return "  ".join(f"{number}. {pair}" for number, pair in enumerate(pairs, 1))


def opening_name(game: Session, ply: int) -> str:
    """The name of the opening of the moves up to a ply, or nothing."""
    if game.start != Board.initial(8):
        return ""
    found = opening_of(game.actions[:ply])
    return found.name if found else ""
