"""Our engine by GTP: the dialect, passes, clocks, and one answer to whatever is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othello.players.agent import SearchPlayer
from othello.rules.board import Board
from othello.search.disc_count import DiscCount
from othello.serve.gtp import Clock, GtpServer
from tests.othello.rules.test_board import PASS_GAME

COMMANDS = [
    "protocol_version",
    "name",
    "version",
    "known_command",
    "list_commands",
    "list_games",
    "set_game",
    "quit",
    "boardsize",
    "clear_board",
    "komi",
    "play",
    "genmove",
    "reg_genmove",
    "undo",
    "time_settings",
    "time_left",
    "showboard",
    "final_score",
    "loadsgf",
    "gogui-analyze_commands",
    "legal_moves",
    "search_gfx",
    "cputime",
]


def gtp(size: int = 8, simulations: int = 6) -> GtpServer:
    return GtpServer(SearchPlayer(DiscCount(size), simulations, solve_empties=8))


def ask(server: GtpServer, line: str) -> str:
    answer = server.answer(line)
    assert answer is not None and answer.endswith("\n\n") and answer.count("\n\n") == 1
    return answer[:-2]


def test_every_command_of_the_dialect_is_known() -> None:
    server = gtp()
    assert ask(server, "list_commands").removeprefix("= ").split("\n") == COMMANDS
    for command in COMMANDS:
        assert ask(server, f"known_command {command}") == "= true"
    assert ask(server, "known_command gogui-rules_board") == "= false"
    assert ask(server, "protocol_version") == "= 2" and len(ask(server, "version")) > 2


def test_ids_are_echoed_and_blank_lines_and_comments_are_not_answered() -> None:
    server = gtp()
    assert (
        ask(server, "17 protocol_version") == "=17 2"
        and ask(server, "3 frob") == "?3 unknown command"
    )
    assert ask(server, "12") == "?12 syntax error"
    assert ask(server, "  5\tname  # who?") == "=5 Othello LRP"
    assert [server.answer(line) for line in ("", "  ", "# remark", "\t# remark", "\r")] == [
        None
    ] * 5


@pytest.mark.parametrize(
    "line, error",
    [
        ("frobnicate", "unknown command"),
        ("PLAY b f5", "unknown command"),
        ("play", "syntax error"),
        ("play b", "syntax error"),
        ("play green f5", "syntax error"),
        ("play b z9", "syntax error"),
        ("play b f55", "syntax error"),
        ("play b a1", "illegal move"),
        ("play w f5", "illegal move"),
        ("play b pass", "illegal move"),
        ("genmove", "syntax error"),
        ("genmove w", "illegal move"),
        ("boardsize", "syntax error"),
        ("boardsize x", "syntax error"),
        ("boardsize 19", "unacceptable size"),
        ("undo", "cannot undo"),
        ("final_score", "cannot score"),
        ("komi", "syntax error"),
        ("komi lots", "syntax error"),
        ("time_settings 1 2", "syntax error"),
        ("time_left b -1 0", "syntax error"),
        ("known_command", "syntax error"),
        ("set_game", "syntax error"),
        ("set_game Go", "unsupported game"),
        ("loadsgf", "syntax error"),
        ("loadsgf /nowhere.sgf", "cannot load file"),
        ("loadsgf /dev/zero", "cannot load file"),
        ("time_left w 1e3 0", "syntax error"),
        ("time_left w nan 0", "syntax error"),
        ("\x00\x01", "syntax error"),
        ("boardsize " + "9" * 5000, "syntax error"),
        ("9" * 30 + " name", "unknown command"),
    ],
)
def test_bad_lines_get_one_error_and_change_nothing(line: str, error: str) -> None:
    server = gtp()
    before = server.board
    assert ask(server, line) == f"? {error}" and server.board == before


def test_moves_undo_and_the_board_are_those_of_the_game() -> None:
    server = gtp()
    assert ask(server, "play BLACK F5") == ask(server, "play w d6") == "="
    assert server.board == Board.parse("f5d6")
    assert ask(server, "showboard") == f"= \n{Board.parse('f5d6').diagram()}\nBlack to move"
    assert ask(server, "undo") == "=" and server.board == Board.parse("f5")
    answer = ask(server, "reg_genmove w")
    assert server.board == Board.parse("f5") and answer[2:].lower() in ("d6", "f4", "f6")
    move = ask(server, "genmove w")[2:]
    assert server.board == Board.parse("f5").play(move)
    assert ask(server, "clear_board") == "=" and server.board == Board.initial()


def test_a_pass_may_be_said_or_left_out() -> None:
    final = Board.parse(PASS_GAME)
    for lines in (["play b pass", "play w h7"], ["play w h7"], ["genmove b", "play w h7"]):
        server = gtp()
        board = Board.initial()
        for name in (PASS_GAME[i : i + 2] for i in range(0, len(PASS_GAME), 2)):
            board = board.pass_turn() if board.must_pass else board
            assert ask(server, f"play {'b' if board.side == 'X' else 'w'} {name}") == "="
            board = board.play(name)
        assert server.board == final
        answers = [ask(server, line) for line in lines]
        assert answers == ["= pass" if line == "genmove b" else "=" for line in lines]
        assert server.board == final.pass_turn().play("h7")


def test_a_finished_game_is_scored_and_only_passes_follow() -> None:
    server, board = gtp(simulations=2), Board.initial()
    while not board.is_over:
        name = ask(server, f"genmove {'b' if board.side == 'X' else 'w'}")[2:]
        board = board.play(name)
    assert server.board == board
    score = board.score()
    assert (
        ask(server, "final_score") == f"= {'B' if score > 0 else 'W'}+{abs(score)}"
        if score
        else "= 0"
    )
    assert ask(server, "genmove b") == "= pass" and ask(server, "play w pass") == "="
    assert ask(server, "play w a1") == "? illegal move"
    assert ask(server, "quit") == "=" and server.done


def test_clocks_give_every_move_a_share() -> None:
    assert Clock().budget(40) is None
    assert Clock(60.0).budget(60) == pytest.approx(0.9 * 2)
    assert Clock(10.0, 5, 10.0, 5).budget(60) == pytest.approx(0.9 * 2)
    assert Clock(1.0, 0, 30.0, 10).after(2.0) == Clock(30.0, 10, 30.0, 10)
    assert Clock(10.0, 1, 10.0, 5).after(2.0) == Clock(10.0, 5, 10.0, 5)
    assert Clock(10.0, 3).after(12.0) == Clock(0.0, 2) and Clock(5.0).after(6.0) == Clock(0.0)


def test_a_clock_is_kept() -> None:
    server = GtpServer(
        SearchPlayer(DiscCount(8), 10**7, solve_empties=0)
    )  # minutes without a clock
    assert ask(server, "time_settings 6 0 0") == "="
    assert ask(server, "genmove b").startswith("= ")
    assert ask(server, "time_left w 0 0") == "="
    assert ask(server, "genmove w").startswith("= ")
    assert ask(server, "time_settings 0 5 0") == "=" and server._clocks["X"] == Clock()


def test_a_controller_of_several_games_finds_othello() -> None:
    server = gtp()
    assert ask(server, "list_games") == "= Othello" and ask(server, "3 set_game Othello") == "=3"
    assert (
        ask(server, "known_command list_games") == ask(server, "known_command set_game") == "= true"
    )


def test_times_may_have_decimals() -> None:
    server = gtp()
    assert ask(server, "time_settings 60.5 0 0") == ask(server, "time_left w 0.5 0") == "="
    assert server._clocks == {"X": Clock(60.5), "O": Clock(0.5)}
    assert float(ask(server, "cputime")[2:]) > 0


def test_gogui_finds_commands_that_answer_in_its_words() -> None:
    server = gtp()
    offered = ask(server, "gogui-analyze_commands").removeprefix("= ").split("\n")
    assert [line.split("/")[2] for line in offered] == ["legal_moves", "search_gfx"]
    assert ask(server, "legal_moves") == "= D3 C4 F5 E6"
    labels, text = ask(server, "search_gfx").removeprefix("= LABEL ").split("\n")
    assert {"D3", "C4", "F5", "E6"} >= set(labels.split()[::2]) and text.startswith("TEXT value ")
    assert sum(map(int, labels.split()[1::2])) > 0


def test_a_game_file_is_loaded_to_its_end_or_to_a_move(tmp_path: Path) -> None:
    file, server = tmp_path / "game.sgf", gtp()
    file.write_text("(;GM[2]SZ[8];B[f5];W[d6];B[c3])")
    assert ask(server, f"loadsgf {file}") == "=" and server.board == Board.parse("f5d6c3")
    assert ask(server, "undo") == "=" and server.board == Board.parse("f5d6")
    assert ask(server, f"loadsgf {file} 2") == "=" and server.board == Board.parse("f5")
    file.write_text("(;GM[2]SZ[6])")
    for line in (f"loadsgf {file}", f"loadsgf {tmp_path}", f"loadsgf {file} 0"):
        assert ask(server, line) == "? cannot load file" and server.board == Board.parse("f5")


WORDS = [*COMMANDS, "b", "w", "f5", "d6", "pass", "8", "-1", "1e9", "#", "9" * 20]
lines = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60).map(lambda data: data.decode(errors="replace")),
    st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
)


@settings(max_examples=300)
@given(st.lists(lines, max_size=8))
def test_any_line_gets_at_most_one_well_formed_gtp_answer(script: list[str]) -> None:
    server = gtp(4, 2)
    for line in (piece for text in script for piece in text.split("\n")):
        answer = server.answer(line)
        if answer is not None:
            assert answer[0] in "=?" and answer.endswith("\n\n") and "\n\n" not in answer[:-2]
