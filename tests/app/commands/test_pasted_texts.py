"""Texts as somebody pastes them: each is the position that it writes, or refused in a line or two with exit code 2."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable

import pytest

from app.cli import run
from othello.records import FORMATS, GameRecord, write_games
from othello.rules.board import Board
from othello.rules.notation import square_name
from tests.othello.records.test_damaged_records import mutated

WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def played(source: random.Random) -> GameRecord:
    """A game of one random move or more that is not over."""
    board, actions = Board.initial(), list[int]()
    for _ in range(source.randint(1, 58)):
        action = 64 if board.must_pass else source.choice(board.legal_moves())
        following = board.pass_turn() if board.must_pass else board.play(action)
        if following.is_over or following.must_pass:
            break
        board, actions = following, [*actions, action]
    return GameRecord.from_actions(actions, black="Ada", white="Ben")


def moves(game: GameRecord) -> list[str]:
    return [square_name(action) for action in game.actions if action != 64]


def numbered(names: list[str], every: int = 2) -> str:
    """Moves with numbers, two to a number as in chess."""
    return " ".join(
        f"{place // every + 1}. {' '.join(names[place : place + every])}"
        for place in range(0, len(names), every)
    )


TRANSCRIPTS: dict[str, Callable[[list[str]], str]] = {
    "joined": "".join,
    "capitals": lambda names: "".join(names).upper(),
    "blanks": " ".join,
    "commas": ", ".join,
    "hyphens": "-".join,
    "lines": "\n".join,
    "row first": lambda names: "".join(name[::-1] for name in names),
    "full width": lambda names: "".join(names).translate(WIDE),
    "numbered": numbered,
    "each numbered": lambda names: numbered(names, 1),
    "quoted": lambda names: '"' + "".join(names) + '"',
    "a score": lambda names: "".join(names) + " 34-30",
    "alternating capitals": lambda names: "".join(
        name.upper() if place % 2 else name for place, name in enumerate(names)
    ),
}
BOARDS: dict[str, Callable[[Board], str]] = {
    "line": str,
    "no blank": lambda board: str(board).replace(" ", ""),
    "stars": lambda board: str(board).replace("X", "*"),
    "letters": lambda board: str(board).replace("X", "b").replace("O", "w").replace("-", "."),
    "discs": lambda board: str(board).replace("X", "●").replace("O", "○").replace("-", "・"),
    "diagram": lambda board: f"{board.diagram()}\n{board.side} to move",
    "rows": lambda board: "\n".join([*rows(board), board.side]),
    "coordinates": lambda board: drawn(board, frame=False),
    "frame": lambda board: drawn(board, frame=True),
}


def rows(board: Board) -> list[str]:
    squares = str(board)[:64]
    return [squares[start : start + 8] for start in range(0, 64, 8)]


def drawn(board: Board, frame: bool) -> str:
    """A board with letters above it and numbers beside it, perhaps with bars between its squares."""
    bar = "|" if frame else " "
    lines = [f"{row} {bar}{bar.join(squares)}{bar}" for row, squares in enumerate(rows(board), 1)]
    return "\n".join(["   a b c d e f g h", *lines, f"{board.side} to move"])


STYLES = [*TRANSCRIPTS, *BOARDS, *FORMATS]


def pasted(source: random.Random, style: str) -> tuple[str, Board]:
    """A text in one of STYLES and the position with which it ends."""
    game = played(source)
    if style in TRANSCRIPTS:
        return TRANSCRIPTS[style](moves(game)), game.final
    if style in BOARDS:
        return BOARDS[style](game.final), game.final
    return write_games([game], style).decode("latin-1"), game.final


def spoilt(source: random.Random) -> str:
    """A text that is no position: a move that the rules forbid, a square too few or too many, a letter of none."""
    game = played(source)
    names, board, place = moves(game), str(game.final), source.randrange(64)
    return source.choice(
        [
            "".join([*names, "d4"]),
            "-".join([*names, "i9"]),
            numbered([*names, names[0]]),
            board[:place] + board[place + 1 :],
            board[:place] + "-" + board[place:],
            board[:place] + "q" + board[place + 1 :],
            board[:65] + "z",
            "\n".join(rows(game.final)[:7]),
            drawn(game.final, frame=False).replace("\n5 ", "\n6 ", 1),
            "(;GM[Othello]PB[Ada]" + "".join(f"B[{name}]" for name in [*names, "d4"]) + ";)",
            "(;GM[2];B[d4])",
            '[Black "Ada"]\n\n1. d4 e4 *\n',
            "the best move?",
            "\x00" * source.randint(1, 40),
        ]
    )


def asked(
    text: str, pipe: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Exit code, output and errors of a search of what a text says, as an argument or from standard input."""
    raw = text.encode("latin-1" if "\0" in text else "utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    code = run(["analyze", "-" if pipe else text, "-n", "1", "--json", "--quiet"])
    out, err = capsys.readouterr()
    return code, out, err


def is_refusal(code: int, out: str, err: str) -> bool:
    """One or two plain lines and exit code 2, where something was wrong a reason for each game."""
    return code == 2 and out == "" and err.startswith("error: ") and len(err.splitlines()) <= 2


SIZES = [40, pytest.param(250, marks=pytest.mark.long)]


@pytest.mark.parametrize("count", SIZES)
def test_a_pasted_text_is_the_position_that_it_writes(
    count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(count)
    for number in range(count):
        style = STYLES[number % len(STYLES)]
        text, board = pasted(source, style)
        pipe = style in FORMATS or source.random() < 0.5
        if style == "lines" and pipe:
            continue  # in a file each line is a game
        code, out, err = asked(text, pipe, monkeypatch, capsys)
        assert code == 0, (style, pipe, text, err)
        assert json.loads(out)["position"] == str(board), (style, pipe, text)


@pytest.mark.parametrize("count", SIZES)
def test_a_text_that_is_no_position_is_refused_in_a_line(
    count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(count)
    for _ in range(count):
        text = spoilt(source)
        for pipe in (False, True):
            found = asked(text, pipe, monkeypatch, capsys)
            assert is_refusal(*found), (text, pipe, found)


@pytest.mark.parametrize("count", SIZES)
def test_a_damaged_text_is_a_position_or_refused(
    count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(count)
    for number in range(count):
        text, _ = pasted(source, STYLES[number % len(STYLES)])
        damaged = mutated(text.encode("utf-8"), source).decode("latin-1")
        code, out, err = asked(damaged, source.random() < 0.5, monkeypatch, capsys)
        if code == 0:
            answers = [json.loads(line) for line in out.splitlines()]
            assert answers and all(Board.parse(one["position"]) for one in answers)
            assert "Traceback" not in err
        else:
            assert is_refusal(code, out, err), (damaged, code, out, err)
