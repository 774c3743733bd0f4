"""Game files: what is written is read back, and what is wrong is named."""

from __future__ import annotations

import contextlib
import datetime
import random
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othello.errors import IllegalMove, OthelloError, ParseError
from othello.records import (
    FORMATS,
    Ending,
    GameRecord,
    Ply,
    ScoredPosition,
    Theory,
    guess_format,
    open_game,
    read_games,
    read_ggf,
    read_names,
    read_obf,
    read_pgn,
    read_sgf,
    read_wthor,
    write_games,
    write_ggf,
    write_obf,
    write_pgn,
    write_sgf,
    write_wthor,
)
from othello.rules.board import Board
from othello.rules.notation import parse_moves
from tests.othello.positions import boards, random_position
from tests.othello.rules.test_board import FULL_GAME, PASS_GAME

DATA = Path(__file__).parents[2] / "data"
names = st.text(max_size=30)
cents = st.none() | st.integers(-6400, 6400).map(lambda number: number / 100)


@st.composite
def games(draw: st.DrawFn, sizes: tuple[int, ...] = (4, 6, 8), plain: bool = False) -> GameRecord:
    """Random games with random facts; `plain`: only what WTHOR can keep."""
    size = draw(st.sampled_from(sizes))
    generator = random.Random(draw(st.integers(0, 2**32)))
    start = Board.initial(size) if plain else draw(st.just(Board.initial(size)) | boards((size,)))
    board, plies = start, []
    for _ in range(draw(st.integers(0, size * size))):
        if board.is_over:
            break
        action = generator.choice(board.legal_actions())
        notes = (
            (None, None)
            if plain
            else (draw(cents), draw(cents.map(lambda x: None if x is None else abs(x))))
        )
        plies.append(Ply(action, *notes))
        board = board.play(action)
    if plain:
        scores = st.integers(-32, 32).map(lambda half: 2.0 * half)
        theory = Theory(draw(scores), 24)
        facts = draw(names), draw(names), draw(scores), None, "2024", draw(names)
        return GameRecord(tuple(plies), start, *facts, theory=theory)
    ending = draw(st.none() | st.sampled_from(Ending))
    result = draw(st.integers(-64, 64)) if ending or board.is_over else draw(cents)
    ratings = draw(cents), draw(cents)
    facts = (
        draw(names),
        draw(names),
        result,
        ending,
        draw(names),
        draw(names),
        *ratings,
        draw(names),
    )
    return GameRecord(tuple(plies), start, *facts, komi=draw(cents))


@settings(max_examples=40)
@given(st.lists(games(), max_size=3))
def test_ggf_survives_writing_and_reading(records: list[GameRecord]) -> None:
    assert read_ggf(write_ggf(records)) == records


@settings(max_examples=40)
@given(st.lists(games(), max_size=3))
def test_pgn_survives_writing_and_reading_evaluations_times_and_ratings_included(
    records: list[GameRecord],
) -> None:
    assert read_pgn(write_pgn(records)) == records


def test_ggf_keeps_komi_bids_clocks_and_the_kind_of_game() -> None:
    text = (
        "(;GM[Othello]PC[GGS/os]PB[a]PW[b]RB[-]RW[1500.5]TB[5:00]TW[1:00//1:00]TY[8k]KM[-3.50]"
        "KB[D3/-2.5/1.2]RE[-64.00:l]B[F5/1/2.7680000000000002]W[D6//9.0E-4];)"
    )
    (game,) = read_ggf(text)
    assert game.komi == -3.5 and game.ending is Ending.LEFT and game.black_rating is None
    (again,) = read_ggf(write_ggf([game]))
    assert again == game and again.plies[1].seconds == 0.0009
    for part in ("TB[5:00]", "TW[1:00//1:00]", "TY[8k]", "KM[-3.5]", "KB[D3/-2.5/1.2]", ":l]"):
        assert part in write_ggf([game])
    assert "RB[" not in write_ggf([game])


def test_obf_keeps_the_scores_of_moves_as_games_do() -> None:
    line = "--XXXXX--OOOXX-O-OOOXXOX-OXOXOXXOXXXOXXX--XOXOXX-XXXOOO--OOOOO-- X; G8:+18; B1:-4;\n"
    (game,) = read_games(line.encode(), "obf")
    assert game.scores == ((62, 18.0), (1, -4.0))
    assert write_games([game], "obf").decode() == line


@settings(max_examples=40)
@given(st.lists(games(), max_size=3))
def test_sgf_survives_writing_and_reading_evaluations_times_and_ratings_included(
    records: list[GameRecord],
) -> None:
    back = read_sgf(write_sgf(records))
    expected = [
        replace(record, result=game.result, ending=game.ending)
        for record, game in zip(records, back)
    ]
    assert back == expected and len(back) == len(records)
    for game, record in zip(
        back, records
    ):  # a result names a winner with a score, or how the game was given up
        assert game.result == record.result and game.ending in (record.ending, None)


def test_sgf_evaluations_are_node_values_for_black() -> None:
    (game,) = read_sgf("(;GM[2];B[f5]V[1.5];W[d6]C[why]V[2]MT[3.25](;B[c3])(;B[c4]V[9]))")
    assert game.plies == (Ply(37, 1.5), Ply(43, -2.0, 3.25), Ply(18))
    assert ";W[d6]V[+2]MT[3.25]" in write_sgf([game])


@settings(max_examples=40)
@given(st.lists(games(sizes=(8,), plain=True), max_size=3))
def test_wthor_survives_writing_and_reading(records: list[GameRecord]) -> None:
    files = write_wthor(records, year=2024, created=datetime.date(2024, 5, 6))
    assert len(files.games) == 16 + 68 * len(records)
    back = read_wthor(files.games, files.players, files.tournaments)
    assert [game.transcript for game in back] == [game.transcript for game in records]
    assert [game.result for game in back] == [game.result for game in records]
    assert [game.theory for game in back] == [game.theory for game in records]
    again = write_wthor(back, year=2024, created=datetime.date(2024, 5, 6))
    assert again == files and read_wthor(again.games, again.players, again.tournaments) == back


@settings(max_examples=40)
@given(st.lists(boards(), max_size=4), st.data())
def test_obf_survives_writing_and_reading(positions: list[Board], data: st.DataObject) -> None:
    scored = []
    for board in positions:
        scores = tuple(
            (action, data.draw(cents.map(lambda x: x or 0.0))) for action in board.legal_actions()
        )
        scored.append(ScoredPosition(board, scores))
    assert read_obf(write_obf(scored)) == scored


JAVA = st.floats(allow_nan=False, allow_infinity=False).map(
    lambda number: (number, repr(number).upper())
)


@given(JAVA, JAVA)
def test_any_double_is_read_and_written_without_loss(
    value: tuple[float, str], seconds: tuple[float, str]
) -> None:
    game = GameRecord((Ply(37, value[0], seconds[0]),))
    ggf = read_ggf(f"(;GM[Othello]B[F5/{value[1]}/{seconds[1]}];)")
    assert ggf == read_sgf(f"(;GM[2];B[f5]V[{value[1]}]MT[{seconds[1]}])") == [game]
    assert read_ggf(write_ggf(ggf)) == read_sgf(write_sgf(ggf)) == ggf
    position = ScoredPosition(Board.initial(), ((19, value[0]),))
    assert (
        read_obf(f"{Board.initial()}; d3:{value[1]};")
        == read_obf(write_obf([position]))
        == [position]
    )


def test_a_time_or_an_evaluation_that_is_no_number_to_java_is_none_to_us() -> None:
    (game,) = read_ggf(
        "(;GM[Othello]B[F5/NaN/2.7680000000000002]W[D6/-Infinity/9.0E-4]B[C3//1:3.0E1];)"
    )
    assert game.plies == (
        Ply(37, None, 2.7680000000000002),
        Ply(43, None, 0.0009),
        Ply(18, None, 90.0),
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_recognised_and_keeps_a_game(kind: str) -> None:
    games = [GameRecord.from_transcript(FULL_GAME), GameRecord.from_transcript(PASS_GAME + "h7")]
    data = write_games(games, kind)
    assert guess_format(data) == kind
    finals = [game.final for game in read_games(data, kind)]
    assert [(f.black, f.white) for f in finals] == [
        (game.final.black, game.final.white) for game in games
    ]


def test_a_ggf_file_as_servers_write_it() -> None:
    first, second = read_ggf((DATA / "games.ggf").read_text(encoding="utf-8"))
    assert first.transcript == "f5d6c3d3" and first.ending is Ending.TIME and first.result == 2.0
    assert (
        first.plies[0] == Ply(37, 0.5, 2.31)
        and first.plies[1].seconds == 5.04
        and first.plies[3].value == -1.25
    )
    assert (first.black, first.white_rating, first.place) == ("alpha", 2384.55, "GGS/os")
    assert second.start.size == 4 and second.black == "a ] bracket" and second.result is None


def test_sgf_takes_squares_letter_pairs_and_the_main_line() -> None:
    text = "(;GM[2]FF[4]SZ[8]C[hi \\] there]PB[x]RE[W+R];B[fe];W[d6]\n(;B[c3];W[dc])(;B[c4](;W[a1])))\n(;GM[2];B[c4])"
    first, second = read_sgf(text)
    assert (
        first.transcript == "f5d6c3d3" and first.result == -64.0 and first.ending is Ending.RESIGNED
    )
    assert second.transcript == "c4" and second.start.size == 8


def test_forced_passes_are_put_in_and_survive() -> None:
    game = GameRecord.from_transcript(PASS_GAME + "h7")
    assert game.actions[-2:] == (64, 55) and game == GameRecord.from_transcript(PASS_GAME + "--h7")
    assert read_ggf(write_ggf([game])) == [game] and "B[PA]" in write_ggf([game])
    assert read_ggf(write_ggf([game]).replace("B[PA]", "")) == [game]
    assert read_sgf(write_sgf([game]))[0].actions == game.actions
    assert len(game.boards) == len(game.plies) + 1 and game.boards[-1] == game.final


def test_wthor_bytes_are_those_of_its_description() -> None:
    moves = bytes([56, 64, 33]) + bytes(57)
    data = bytes([20, 24, 5, 6]) + struct.pack("<IHHBBBB", 1, 0, 2023, 8, 0, 0, 0)
    data += struct.pack("<HHHBB", 0, 1, 2, 40, 40) + moves
    players = bytes([20, 24, 5, 6]) + struct.pack("<IHHBBBB", 0, 3, 0, 0, 0, 0, 0)
    players += (
        b"???".ljust(20, b"\0")
        + "Émile".encode("latin-1").ljust(20, b"\0")
        + b"Zoe".ljust(20, b"\0")
    )
    (game,) = read_wthor(data, players)
    assert (game.transcript, game.black, game.white) == ("f5d6c3", "Émile", "Zoe")
    assert (game.result, game.date, game.place) == (16.0, "2023", "#0")
    assert read_names(players, 20)[1] == "Émile"


def test_wthor_keeps_the_theoretical_score_and_its_depth() -> None:
    game = GameRecord.from_transcript(FULL_GAME)
    plain, known = (
        write_wthor([game]).games,
        write_wthor([replace(game, theory=Theory(-6.0, 22))]).games,
    )
    assert (plain[14], known[14]) == (0, 22) and known[16 + 7] == 29
    assert read_wthor(plain)[0].theory is None and read_wthor(known)[0].theory == Theory(-6.0, 22)
    with pytest.raises(ParseError, match="from 20 and 22 empty squares"):
        write_wthor([replace(game, theory=Theory(0.0, empties)) for empties in (22, 20)])


@pytest.mark.parametrize(
    "read, text, said",
    [
        (
            read_ggf,
            "(;GM[Othello];)\n(;GM[Othello]B[F5]W[A1];)",
            "game 2: move 2, character 35: a1 is illegal",
        ),
        (read_ggf, "(;GM[Chess];)", "Othello is accepted"),
        (read_ggf, "(;GM[Othello]B[F5]B[D6];)", "white is to move"),
        (read_ggf, "(;GM[Othello]B[F5]", "closing ;\\)"),
        (read_ggf, "(;GM[Othello", "closing \\]"),
        (read_ggf, "(;GM[Othello]BO[10 " + "-" * 100 + " *];)", "accepted are 16, 36 or 64"),
        (read_ggf, "(;RB[1e999];)", "decimal number"),
        (read_ggf, "(;GM[Othello]B[F5/1e]W[D6];)", "game 1: move 1, .*decimal number"),
        (read_ggf, "(;GM[Othello]B[F5//1E308:0];)", "too long"),
        (read_ggf, "hello", "begins with"),
        (read_sgf, "(;GM[1])", "Othello, is accepted"),
        (read_sgf, "(;GM[2];B[f5];W[a1])", "game 1: move 2, character 15"),
        (read_sgf, "(;GM[2]", "closing \\)"),
        (read_sgf, "(;SZ[19])", "4, 6 and 8"),
        (read_sgf, "(;SZ[1E300])", "4, 6 and 8"),
        (read_obf, "\n" + "-" * 64 + ";", "line 2: .* side to move"),
        (read_obf, "-" * 27 + "OX------XO" + "-" * 27 + " X; a1:+2;", "line 1: a1 is illegal"),
        (read_obf, "-" * 27 + "OX------XO" + "-" * 27 + " X; d3:nan;", "decimal number"),
    ],
)
def test_a_fault_is_named_with_its_place(
    read: Callable[[str], object], text: str, said: str
) -> None:
    with pytest.raises((ParseError, IllegalMove), match=said):
        read(text)


def test_damaged_wthor_files_are_refused() -> None:
    files = write_wthor([GameRecord.from_transcript(FULL_GAME, black="a")])
    for data, said in [
        (files.games[:10], "16"),
        (files.games[:-1], "need 84"),
        (files.games[:24] + b"\x0b" + files.games[25:], "game 1: move 1: a1 is illegal for black"),
        (files.games[:24] + b"\xff" + files.games[25:], "byte 255"),
        (files.games[:12] + b"\x0a" + files.games[13:], "board size 10"),
        (files.games[:18] + b"\x07\0" + files.games[20:], "player 7"),
        (files.games[:22] + b"\x41" + files.games[23:], "score 65"),
    ]:
        with pytest.raises((ParseError, IllegalMove), match=re.escape(said)):
            read_wthor(data, files.players, files.tournaments)
    with pytest.raises(ParseError, match="names"):
        read_wthor(files.games, files.players[:-3])
    with pytest.raises(ParseError, match="usual 8×8"):
        write_wthor([GameRecord(start=Board.initial(6))])


@given(st.binary(max_size=300), st.sampled_from(FORMATS))
def test_any_bytes_are_read_or_refused(data: bytes, kind: str) -> None:
    with contextlib.suppress(OthelloError):
        read_games(data, kind)


def test_records_refuse_what_is_no_game() -> None:
    with pytest.raises(IllegalMove, match="move 2: f5"):
        GameRecord.from_actions(parse_moves("f5f5"))
    with pytest.raises(ParseError, match="finite"):
        GameRecord(result=float("nan"))
    assert GameRecord.from_transcript(FULL_GAME).result == Board.parse(FULL_GAME).score()
    assert GameRecord(black=" a\n\tb\0 ").black == "a b"
    assert random_position(random.Random(1)).size == 8


def test_a_game_is_opened_from_a_file_or_from_its_own_text(tmp_path: Path) -> None:
    file = tmp_path / "games.txt"
    file.write_text("f5d6\nf5f6e6\nf5f5\n")
    assert open_game(str(file)).transcript == "f5d6"
    assert open_game(str(file), 2).transcript == "f5f6e6"
    assert open_game("f5 d6 c3").transcript == "f5d6c3"
    assert open_game("b1a1", size=4).start.size == 4
    for source, number, words in (
        (str(file), 4, "holds 3 games, there is no game 4"),
        (str(tmp_path / "none.ggf"), 1, "no such file"),
        ("zz", 1, "zz"),
    ):
        with pytest.raises(ParseError, match=words):
            open_game(source, number)
    for source, number in (("f5f5", 1), (str(file), 3)):
        with pytest.raises(IllegalMove, match="move 2"):
            open_game(source, number)
