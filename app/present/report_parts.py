"""The parts of a game report as HTML: who played how well, the moves, the turning points, the board to step through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from app.game.judged import Judged, JudgedGame, Picture, Standing, Turn
from app.present import board_svg
from app.present.colormap import scale_of
from app.present.numbers import MINUS
from app.present.picture import heat_arguments
from app.present.report_graph import LEFT, MARKED, WIDTH, step_of
from app.present.sentences import outcome_words, side_word
from othello.rules.board import Board
from othello.rules.notation import COLUMNS, square_name
from othello.strength.review import Mark

SIGNS: Final = {Mark.INACCURACY: "?!", Mark.MISTAKE: "?", Mark.BLUNDER: "??"}
_BUTTONS: Final = (
    ("first", "First position", "M15 4 7 10l8 6zM4 4h2v12H4z"),
    ("back", "One ply back", "M14 4 6 10l8 6z"),
    ("on", "One ply on", "M6 4l8 6-8 6z"),
    ("last", "Last position", "M5 4l8 6-8 6zM14 4h2v12h-2z"),
)
_PLURALS: Final = {
    Mark.INACCURACY: "inaccuracies",
    Mark.MISTAKE: "mistakes",
    Mark.BLUNDER: "blunders",
}


def side_name(game: JudgedGame, side: str) -> str:
    """The name of who played "X" or "O", escaped."""
    name = game.record.black if side == "X" else game.record.white
    return f"<bdi>{escape(name or side_word(side).capitalize())}</bdi>"


def discs(number: float, exact: bool, sign: bool = False) -> str:
    """A number of discs: whole if exact, else about so many with one decimal.

    >>> discs(-12, True, sign=True), discs(3.46, False).split()
    ('−12', ['≈', '3.5'])
    """
    form = ("+" if sign else "") + (".0f" if exact else ".1f")
    number = round(number, 0 if exact else 1) + 0.0
    text = f"{number:{form}}" if number else "0"
    return ("" if exact else "≈\u2009") + text.replace("-", MINUS)


def cost(move: Judged) -> str:
    """What a move gave away, in words."""
    return f"{discs(move.loss, move.exact)} {'disc' if move.exact and move.loss == 1 else 'discs'}"


def summary(game: JudgedGame) -> str:
    """How many marks each side got, and how many discs it gave away."""
    heads = "".join(
        f'<th scope="col"><span class="long">{_PLURALS[mark]}</span><span class="short" aria-hidden="true">'
        f"{SIGNS[mark]}</span></th>"
        for mark in MARKED
    )
    rows = []
    for side in ("X", "O"):
        lost = sum(move.loss for move in game.moves if move.board.side == side)
        exact = all(move.exact for move in game.moves if move.board.side == side)
        counts = "".join(f"<td>{game.count(side, mark)}</td>" for mark in MARKED)
        rows.append(
            f'<tr><th scope="row">{_disc(side)}{side_name(game, side)}</th>{counts}'
            f"<td>{discs(lost, exact)}</td></tr>"
        )
    return (
        '<table class="summary"><caption class="hidden">Marks by player</caption>'
        f'<thead><tr><th scope="col">player</th>{heads}<th scope="col">discs lost</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def moves(game: JudgedGame) -> str:
    """The table of moves; a press on one shows it on the board."""
    rows = "\n".join(_row(game, move) for move in game.moves)
    return (
        '<table class="moves"><caption class="hidden">Every move and what it cost</caption><thead><tr>'
        '<th scope="col">move</th><th scope="col">better</th><th scope="col">for black</th>'
        '<th scope="col">lost</th><th scope="col">mark</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(game: JudgedGame, move: Judged) -> str:
    marked = move.mark in MARKED
    kind = f' class="{move.mark.value}"' if marked else ""
    standing = game.standings[move.ply + 1]
    badge = badge_of(move.mark) if marked else ""
    side = side_word(move.board.side)
    return (
        f'<tr{kind} data-row="{move.ply + 1}"><th scope="row"><button type="button" data-ply="{move.ply + 1}">'
        f'{_disc(move.board.side)}<span class="hidden">{side} </span>{move.ply + 1}. {move.name}</button></th>'
        f"<td>{move.better if move.loss > 0 else ''}</td>"
        f"<td>{discs(standing.discs, standing.exact, sign=True)}</td>"
        f"<td>{discs(move.loss, move.exact) if move.loss > 0 else ''}</td><td>{badge}</td></tr>"
    )


def badge_of(mark: Mark) -> str:
    """A mark in words and as players write it."""
    word = f'<span class="long">&nbsp;{mark.value}</span>'
    return f'<span class="badge {mark.value}">{SIGNS[mark]}{word}</span>'


def _disc(side: str) -> str:
    return f'<span class="disc {side_word(side)}" aria-hidden="true"></span>'


# Turning points ----------------------------------------------------------------------------------------------


def turns(game: JudgedGame) -> str:
    """The turning points, each as two boards on one scale with a sentence."""
    if not game.turns:
        return '<p class="none">No move of this game cost a disc.</p>'
    return "\n".join(_turn(game, turn) for turn in game.turns)


def _turn(game: JudgedGame, turn: Turn) -> str:
    move, side = turn.judged, side_word(turn.judged.board.side)
    maps = [each.change for each in (turn.played, turn.better) if each.change is not None]
    scale = scale_of(*maps)
    badge = badge_of(move.mark) if move.mark in MARKED else ""
    return (
        '<article class="turn"><h3>'
        f'<button type="button" data-ply="{move.ply + 1}">{_disc(move.board.side)}{move.ply + 1}. '
        f"{side} {move.name}</button> {badge} <small>costs {cost(move)}</small></h3>"
        f"<p>{escape(turn.sentence)}</p>"
        f'<div class="pair">{_figure(turn.played, scale, "played", move.after, move)}'
        f"{_figure(turn.better, scale, 'better', move.before, move)}</div>{_legend(scale)}</article>"
    )


def _figure(picture: Picture, scale: float, word: str, worth: float, move: Judged) -> str:
    """A board after a move, coloured by what the move changed."""
    name = square_name(picture.action, picture.board.size)
    worth = worth if move.board.side == "X" else 0.0 - worth
    looks = {} if picture.change is None else heat_arguments(picture.change, scale=scale)
    svg = board_svg.board(
        picture.board,
        last=picture.action,
        title=f"The board after {name}: {_letters(picture.board)}",
        **looks,
    )
    said = f"black {discs(worth, move.exact, sign=True)}"
    return (
        f"<figure>{svg}<figcaption><b>{word}: {name}</b> <span>{said}</span></figcaption></figure>"
    )


def _letters(board: Board) -> str:
    return f"black {board.black.bit_count()}, white {board.white.bit_count()}"


def _legend(scale: float) -> str:
    if not scale:
        return ""
    full = f"{scale:.2g}"
    return (
        '<div class="legend"><i></i><div>'
        f"<span>{full} points for white</span><span>0</span><span>{full} points for black</span></div></div>"
    )


# The board to step through -----------------------------------------------------------------------------------


def viewer(game: JudgedGame) -> str:
    """A board that shows the first position until a script steps on."""
    start = game.record.start
    size, plies = start.size, len(game.record.actions)
    letters = str(start).split()[0]
    files = "".join(f"<span>{letter}</span>" for letter in COLUMNS[:size])
    ranks = "".join(f"<span>{number + 1}</span>" for number in range(size))
    buttons = "".join(
        f'<button type="button" data-go="{go}" aria-label="{words}">'
        f'<svg viewBox="0 0 20 20" aria-hidden="true"><path d="{path}"/></svg></button>'
        for go, words, path in _BUTTONS
    )
    return (
        f'<div class="frame"><div class="files" aria-hidden="true">{files}</div>'
        f'<div class="ranks" aria-hidden="true">{ranks}</div>'
        f'<div class="grid" role="grid" aria-label="Board" aria-readonly="true" tabindex="0">'
        f"{''.join(_grid(size, letters))}</div></div>"
        f'<div class="controls">{buttons}'
        f'<input type="range" id="ply" min="0" max="{plies}" value="0" aria-label="Ply"></div>'
        f'<p id="said" role="status">{escape(words_of(game)[0])}</p>'
    )


def _grid(size: int, letters: str) -> Iterator[str]:
    names = {"X": "black", "O": "white", "-": "empty"}
    for row in range(size):
        yield '<div class="row" role="row">'
        for square in range(size * row, size * (row + 1)):
            letter = letters[square]
            yield (
                f'<div class="cell {names[letter]}" role="gridcell" '
                f'aria-label="{square_name(square, size)} {names[letter]}"><i></i></div>'
            )
        yield "</div>"


def words_of(game: JudgedGame) -> list[str]:
    """What is said of every position: the move that led to it, what it cost, the discs, how it stands."""
    judged = {move.ply + 1: move for move in game.moves}
    boards = game.record.boards
    said = []
    for ply, (board, standing) in enumerate(zip(boards, game.standings)):
        move = judged.get(ply)
        if move is not None:
            before = _played(move)
        elif ply:
            before = (
                f"{ply}. {side_word(boards[ply - 1].side).capitalize()} has no move and passes."
            )
        else:
            before = "The start."
        said.append(f"{before} {_stands(board, standing)}")
    return said


def _played(move: Judged) -> str:
    said = f"{move.ply + 1}. {side_word(move.board.side).capitalize()} {move.name}"
    if move.mark in MARKED:
        return f"{said}{SIGNS[move.mark]} costs {cost(move)}; better {move.better}."
    return f"{said}."


def _stands(board: Board, standing: Standing) -> str:
    count = f"Black {board.black.bit_count()}, white {board.white.bit_count()}"
    if board.is_over:
        return f"{outcome_words(board)}."
    outlook = f"{discs(standing.discs, standing.exact, sign=True)} discs"
    how = (
        "with best play" if standing.exact else f"expected, {100 * standing.chance:.0f} % for black"
    )
    return f"{count}; {outlook} {how}."


def data(game: JudgedGame) -> str:
    """What the script needs, as JSON that no tag can end."""
    found: dict[str, Any] = {
        "boards": [str(board).split()[0] for board in game.record.boards],
        "last": [-1, *game.record.actions],
        "words": words_of(game),
        "left": LEFT,
        "width": WIDTH,
        "step": round(step_of(len(game.record.actions)), 4),
    }
    text = json.dumps(found, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
