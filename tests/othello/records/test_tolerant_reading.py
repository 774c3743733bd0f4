"""Files in which a game is wrong: the others are read, and the wrong one is named with its number and reason."""

from __future__ import annotations

import os
import random
import re
import struct
from pathlib import Path

import pytest

from othello.errors import OthelloError, ParseError
from othello.records import (
    FORMATS,
    GameRecord,
    files,
    guess_format,
    load_games,
    open_game,
    read_games,
    scan_file,
    scan_games,
    write_games,
    write_wthor,
)
from othello.rules.board import Board
from tests.othello.records.test_damaged_records import mutated

GAMES = [GameRecord.from_transcript(text, black=text) for text in ("f5d6c3", "f5f6e6f4", "f5f4")]


def split(data: bytes, kind: str) -> tuple[list[GameRecord], list[str]]:
    """The games of a text and the reasons why others are none."""
    found = list(scan_games(data, kind))
    reasons = [str(each) for each in found if isinstance(each, OthelloError)]
    return [each for each in found if isinstance(each, GameRecord)], reasons


@pytest.mark.parametrize(
    "kind, text, games, reason",
    [
        ("ggf", "(;GM[Othello]B[F5];)(;GM[Othello]B[A1];)(;GM[Othello];)", 2, "game 2: move 1"),
        ("ggf", "2 (;GM[Othello]B[F5]\n(;GM[Othello];)", 1, "game 1: character 22"),
        ("ggf", "(;GM[Othello]PB[a(;GM[Othello];)\n(;GM[Othello]PC[b];)", 2, "game 1: .*closing"),
        (
            "ggf",
            "(;GM[Othello]TY[10]BO[10 " + "-" * 100 + " *]B[J10];)(;GM[Othello];)",
            1,
            "game 1",
        ),
        ("ggf", "2 (;GM[Othello\n2 (;GM[Othello];)(;GM[Othello];)", 2, "game 1"),
        ("ggf", "log of 2003\n(;GM[Othello];)", 1, "game 1: character 1"),
        ("sgf", "(;GM[2];B[f5])(;GM[2];B[a1])(;GM[2];B[e6])", 2, "game 2: move 1"),
        ("sgf", "(;GM[2];B[f5]\n(;GM[2];B[e6])", 1, "game 1: .* no closing"),
        ("sgf", "(;GM[2]C[why;B[f5]\n(;GM[2];B[e6])", 1, "game 1"),
        ("sgf", "(;GM[1])(;GM[2])", 1, "game 1: GM"),
        ("pgn", '[Black "a"]\n\n1. f5 a1\n\n[Black "b"]\n\n1. f5 d6', 1, "game 1: move 2"),
        ("pgn", '[Black "a]\n[White "b"]\n\n1. f5\n\n[Black "b"]\n\n1. f5 d6', 1, "game 1: .*tag"),
        ("transcript", "f5d6c3\nf5d6c4a1\nf5d6\n", 2, "line 2: move 4: a1 is illegal"),
        ("positions", "-----OX--XO----- X\nhello\n", 1, "line 2"),
        ("obf", "-----OX--XO----- X;\n-----OX--XO----- X; a3:1;\n", 1, "line 2: a3 is illegal"),
    ],
)
def test_a_bad_game_is_skipped_with_its_number_and_reason(
    kind: str, text: str, games: int, reason: str
) -> None:
    good, reasons = split(text.encode(), kind)
    assert len(good) == games and len(reasons) == 1
    with pytest.raises(OthelloError, match=reason):
        read_games(text.encode(), kind)


START = str(Board.initial())
ROWS = [START[8 * row : 8 * row + 8] for row in range(8)]
SPELLINGS: dict[str, tuple[str, ...]] = {  # what is another way to write: the first of each
    "transcript": (
        "f5d6c3",
        "f5/d6/c3",
        "f5.d6.c3",
        "f5 > d6 > c3",
        "f5|d6|c3",
        "f5! d6? c3!?",
        "f5…d6…c3",
        "f5\u200bd6c3",
        "(1) f5 (2) d6 (3) c3",
        "[1]f5 [2]d6 [3]c3",
        "1. f5 d6\n2. c3",
        "1 F5\n2 D6\n3 C3",
        "An opening: f5d6c3",
        "Ada - Alan: f5 d6 c3",
        "f5d6c3 (An opening)",
        "ｆ５－ｄ６－ｃ３",
    ),
    "transcript ": (
        "f5d6c3 34-30",
        "f5d6c3 = 34-30",
        "f5d6c3 34/30",
        "f5d6c3 [34:30]",
        "f5d6c3: 34–30",
    ),
    "sgf": (
        "(;GM[2];B[f5];W[d6])",
        "(;GM[2]SZ[8:8];B[f5];W[d6])",
        "(;GM[2]SZ[8x8];B[fe];W[df])",
        "(;GM[2]AB[d5][e4]AW[d4][e5];B[f5];W[d6])",
        "(;GM[2]AB[d4:e5]AW[d4][e5];B[f5];W[d6])",
        "(;GM[2]AB[ed:dd][de]AW[dd]AW[ee:ee];B[f5];W[d6])",
        "(;GM[2]AB[a1:h8]AE[a1:h3][a6:h8][a4:c5][f4:h5]AW[d4][e5];B[f5];W[d6])",
    ),
    "sgf ": ("(;GM[2]AB[dd]AW[de][ed]PL[W];W[dc])", "(;GM[2]AB[dd]AW[de][ed];W[dc])"),
    "pgn": (
        '[Black "a"]\n\n1. f5 {[%eval 1.5]} d6 2. c3',
        '[Black "a"]\n\n1. f5 $1 {[%eval 1,5]} d6 (1... f6 2. e6 (2. d3)) 2. c3',
        '[Black "a"]\n\n% for others\n1. f5! {[%eval 1.5]} d6?! 2. c3 ({[%eval 9]} 2. d3 {why})',
    ),
    "ggf": (
        "(;GM[Othello]RB[1500]B[F5/1.5/2]W[D6];)",
        "( ;GM[Othello]RB[1500@350]B[F5/1,5/2]W[D6/-/?]; )",
        "(;GM[Othello]RB[1500 @ 33.1]RW[?]RE[*]B[F5/+1.50/0:02]W[D6/NaN];)",
    ),
    "obf": (
        f"{START}; D3:-2; C4:+0;",
        f"{START}; D3:-2; C4:+0",
        f"{START.replace(' ', '')};d3:−2;c4:0",
        f"# a\n{START};D3:-2;C4:0",
    ),
    "positions": (
        START,
        f"{START} ; 40 empties",
        f"FFO 40 {START}",
        f"1: {START}",
        f"{'/'.join(ROWS)} X",
        "\n".join(f"> {row}" for row in ROWS),
        "\n".join(f"│{row}│" for row in ROWS) + "\n黒番",
        "\n".join(ROWS).translate(str.maketrans("XO-", "⚫⚪🟩")),
        "\n".join(ROWS).translate(str.maketrans("XO-", "●○＋")),
        "\n".join(f"{8 - n} {row[::-1]}" for n, row in enumerate(ROWS)) + "\nPlayer: black",
        "\n".join(f"{n} {' '.join(row)}   Black: 2" for n, row in enumerate(ROWS, 1)),
        "\n".join(f"{n} {row if n != 3 else '---*----'}" for n, row in enumerate(ROWS, 1)),
    ),
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_other_spellings_of_a_game_are_that_game(kind: str) -> None:
    first, *others = SPELLINGS[kind]
    wanted = read_games(first.encode(), kind.strip())
    for other in others:
        assert read_games(other.encode(), kind.strip()) == wanted, other
        assert guess_format(other.encode()) == kind.strip()


@pytest.mark.parametrize(
    "kind, text, reason",
    [
        ("sgf", "(;GM[2]SZ[8:6];B[f5])", "SZ '8:6': 4, 6 and 8 are accepted"),
        ("sgf", "(;GM[2]AB[a1:c2:d3])", "AB 'a1:c2:d3': squares and rectangles"),
        ("sgf", "(;GM[2]AB[a1:k2])", "character 8: AB square 'k2'"),
        ("pgn", "1. f5 d6 (1... f6 2. e6", "variation has no closing"),
        ("pgn", "1. f5 d6) 2. c3", "without its"),
        (
            "positions",
            "\n".join(f"{n} {row}" for n, row in zip("13245678", ROWS)),
            "line 1: board string of 8",
        ),
    ],
)
def test_what_looks_like_another_spelling_and_is_none_is_refused(
    kind: str, text: str, reason: str
) -> None:
    with pytest.raises(OthelloError, match=reason):
        read_games(text.encode(), kind)


def test_numbered_openings_stay_games_of_their_own() -> None:
    assert len(read_games(b"1. f5d6c3\n2. c4c3\n3. d3c5", "transcript")) == 3


@pytest.mark.parametrize(
    "data",
    [b"f5d6c3\rf5d6\r", "f5d6c3\r\nf5d6".encode("utf-16"), b"# named\nf5d6c3\n% and\nf5d6"],
)
def test_other_line_ends_encodings_and_comments_are_read(data: bytes) -> None:
    assert [len(game.plies) for game in read_games(data, guess_format(data))] == [3, 2]


def test_a_year_of_wthor_is_read_but_for_the_games_with_an_altered_byte(tmp_path: Path) -> None:
    generator = random.Random(1)
    games = []
    for _ in range(300):
        board, actions = Board.initial(), []
        for _ in range(30):
            actions.append(generator.choice(board.legal_actions()))
            board = board.play(actions[-1])
        games.append(GameRecord.from_actions(actions, black="Ada", white="Alan"))
    base = write_wthor(games)
    file = tmp_path / "WTH_2024.wtb"
    data = bytearray(base.games)
    for number in (0, 100, 200):  # the fifth move becomes none
        data[16 + 68 * number + 8 + 4] = 99
    file.write_bytes(data[:-30])
    file.with_suffix(".jou").write_bytes(base.players)
    found = scan_file(file)
    bad = [(place, str(each)) for place, each in enumerate(found) if isinstance(each, OthelloError)]
    assert [place for place, _ in bad] == [0, 100, 200, 299]
    for place, reason in bad[:3]:
        assert f"WTHOR .wtb, game {place + 1}: move 5: byte 99" in reason and str(file) in reason
    assert "where the header's 300 games need 20416" in bad[-1][1]
    kept = [game.actions for game in found if isinstance(game, GameRecord)]
    assert kept == [
        game.actions for place, game in enumerate(games) if place not in (0, 100, 200, 299)
    ]
    with pytest.raises(ParseError, match="game 1: move 5"):
        load_games(file)


def test_games_that_a_disk_lost_are_no_games_of_a_wthor_base() -> None:
    data = bytearray(write_wthor(GAMES[:1] * 5).games)
    data[16 + 68 : 16 + 3 * 68] = bytes(2 * 68)
    good, reasons = split(bytes(data), "wthor")
    assert len(good) == 3 and [reason.partition(":")[0] for reason in reasons] == [
        "WTHOR .wtb, game 2",
        "WTHOR .wtb, game 3",
    ]
    assert all("nothing but zeros" in reason for reason in reasons)


def test_a_wthor_base_without_a_header_is_refused_as_a_whole() -> None:
    data = bytearray(write_wthor(GAMES).games)
    struct.pack_into("<B", data, 12, 10)
    with pytest.raises(ParseError, match="board size 10"):
        list(scan_games(bytes(data), "wthor"))


def survivors(kind: str, rounds: int, seed: int) -> None:
    """Damage one game of five: never more than its neighbours with it are lost, and what is lost is reported."""
    generator = random.Random(seed)
    texts = [write_games([game], kind) for game in (*GAMES, *GAMES[:2])]
    whole = [read_games(text, kind)[0] for text in texts]
    for _ in range(rounds):
        hurt = generator.randrange(len(texts))
        damaged = mutated(texts[hurt].rstrip(b"\n"), generator) + b"\n"
        parts = [*texts[:hurt], damaged, *texts[hurt + 1 :]]
        good, reasons = split(b"\n".join(parts), kind)
        near = range(hurt - 1, hurt + 2)
        far = [game for place, game in enumerate(whole) if place not in near]
        left = iter(good)
        assert all(game in left for game in far), damaged
        assert all(len(reason) < 500 and "\n" not in reason for reason in reasons)


LINES = pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "wthor"])


@LINES
def test_damage_to_one_game_leaves_the_others(kind: str) -> None:
    survivors(kind, 40, seed=3)


@pytest.mark.long
@LINES
def test_damage_to_one_game_leaves_the_others_ten_thousand_times(kind: str) -> None:
    survivors(kind, 10_000, seed=4)


def random_actions(generator: random.Random) -> list[int]:
    """A whole game of random moves, passes included."""
    board, actions = Board.initial(), list[int]()
    while not board.is_over:
        actions.append(generator.choice(board.legal_actions()))
        board = board.play(actions[-1])
    return actions


@pytest.mark.parametrize("count", [300, pytest.param(4_000, marks=pytest.mark.long)])
def test_a_base_with_a_wrong_byte_in_every_hundredth_game_gives_all_others(count: int) -> None:
    """As a year of the WTHOR base has them, passes included; the byte is any of a record's 60 moves."""
    generator = random.Random(count)
    games = [GameRecord.from_actions(random_actions(generator)) for _ in range(count)]
    data = bytearray(write_wthor(games).games)
    whole = read_games(bytes(data), "wthor")
    wrong = range(50, count, 100)
    for number in wrong:
        place = 16 + 68 * number + 8 + generator.randrange(len(games[number].transcript) // 2)
        data[place] ^= generator.randrange(1, 256)
    good, reasons = split(bytes(data), "wthor")
    numbers = [re.match(r"WTHOR \.wtb, game (\d+): move \d+: ", reason) for reason in reasons]
    named = [int(number[1]) - 1 for number in numbers if number]
    assert len(named) == len(reasons) >= len(wrong) // 3
    assert set(named) <= set(wrong) and named == sorted(named)
    left = [game for number, game in enumerate(whole) if number not in named]
    changed = [number for number, (a, b) in enumerate(zip(left, good, strict=True)) if a != b]
    unnamed = [number for number in wrong if number not in named]  # still a legal game, but another
    assert len(changed) <= len(unnamed)


@pytest.mark.parametrize(
    "kind, unit",
    [
        ("ggf", "(;GM[Othello]PB["),
        ("ggf", "(;PB["),
        ("ggf", "(;PB[\\"),
        ("ggf", "1 "),
        ("sgf", "(;GM[2];B[f5]"),
        ("sgf", "(;B[f5]"),
        ("sgf", "("),
        ("pgn", '[Black "'),
        ("pgn", "{"),
        ("transcript", "1 "),
        ("positions", "--------\n"),
        ("positions", "| "),
    ],
)
def test_a_long_text_of_beginnings_takes_time_in_proportion(kind: str, unit: str) -> None:
    data = (
        unit * (300_000 // len(unit))
    ).encode()  # hours, if every beginning were read to the end
    assert not [each for each in scan_games(data, kind) if isinstance(each, GameRecord)]


def test_what_is_no_file_of_games_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "games.txt").write_text("f5d6c3\n" * 20)
    assert len(scan_file(tmp_path / "games.txt")) == 20
    monkeypatch.setattr(files, "_MOST", 100)
    devices = [os.devnull, "/dev/zero"] if os.path.exists("/dev/zero") else [os.devnull]
    for name in (*devices, "a\0b", str(tmp_path), "x" * 5000, str(tmp_path / "games.txt")):
        for read in (scan_file, open_game):
            with pytest.raises(ParseError) as refused:
                read(name)
            assert "\n" not in str(refused.value), name
