"""Our engine by GTP and NBoard, and other programs' engines as players: whole games, passes, garbage, memory."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othello import checkpoint
from othello.agent import SearchPlayer, load_evaluator
from othello.arena import play_match
from othello.board import Board
from othello.engines.gtp import GtpPlayer
from othello.engines.nboard import game_text
from othello.notation import parse_moves, parse_square, square_name
from othello.records import read_ggf
from othello.search.toy import DiscCount
from othello.serve.gtp import Clock, GtpServer
from othello.serve.lines import MAX_LINE, read_lines
from othello.serve.nboard import NBoardServer
from othello.solver import exact_scores
from tests.othello.engines import grhino, our_engine
from tests.othello.networks import lively_network
from tests.othello.positions import boards, position_with_empties
from tests.othello.test_board import PASS_GAME

COMMANDS = [
    "protocol_version", "name", "version", "known_command", "list_commands", "quit", "boardsize", "clear_board", "komi",
    "play", "genmove", "reg_genmove", "undo", "time_settings", "time_left", "showboard", "final_score",
]  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "small"
    checkpoint.save(lively_network(size=8, blocks=1, channels=8), folder)
    evaluator, _ = load_evaluator(folder, 8)
    SearchPlayer(evaluator, 4).think(position_with_empties(random.Random(1), 12))  # compiled before clocks run
    return folder


def gtp(size: int = 8, simulations: int = 6) -> GtpServer:
    return GtpServer(SearchPlayer(DiscCount(size), simulations, solve_empties=8))


def ask(server: GtpServer, line: str) -> str:
    answer = server.answer(line)
    assert answer is not None and answer.endswith("\n\n") and answer.count("\n\n") == 1
    return answer[:-2]


def nboard(simulations: int = 6) -> tuple[NBoardServer, list[str]]:
    said: list[str] = []
    return NBoardServer(SearchPlayer(DiscCount(8), simulations, solve_empties=8), said.append), said


# --- GTP -------------------------------------------------------------------------------------------------------------


def test_every_command_of_the_dialect_is_known() -> None:
    server = gtp()
    assert ask(server, "list_commands").removeprefix("= ").split("\n") == COMMANDS
    for command in COMMANDS:
        assert ask(server, f"known_command {command}") == "= true"
    assert ask(server, "known_command loadsgf") == "= false"
    assert ask(server, "protocol_version") == "= 2" and len(ask(server, "version")) > 2


def test_ids_are_echoed_and_blank_lines_and_comments_are_not_answered() -> None:
    server = gtp()
    assert ask(server, "17 protocol_version") == "=17 2" and ask(server, "3 frob") == "?3 unknown command"
    assert ask(server, "12") == "?12 syntax error"
    assert ask(server, "  5\tname  # who?") == "=5 Othello LRP"
    assert [server.answer(line) for line in ("", "  ", "# remark", "\t# remark", "\r")] == [None] * 5


@pytest.mark.parametrize(
    "line, error",
    [
        ("frobnicate", "unknown command"), ("PLAY b f5", "unknown command"),
        ("play", "syntax error"), ("play b", "syntax error"), ("play green f5", "syntax error"),
        ("play b z9", "syntax error"), ("play b f55", "syntax error"), ("play b a1", "illegal move"),
        ("play w f5", "illegal move"), ("play b pass", "illegal move"), ("genmove", "syntax error"),
        ("genmove w", "illegal move"), ("boardsize", "syntax error"), ("boardsize x", "syntax error"),
        ("boardsize 19", "unacceptable size"), ("undo", "cannot undo"), ("final_score", "cannot score"),
        ("komi", "syntax error"), ("komi lots", "syntax error"), ("time_settings 1 2", "syntax error"),
        ("time_left b -1 0", "syntax error"), ("known_command", "syntax error"), ("\x00\x01", "syntax error"),
        ("boardsize " + "9" * 5000, "syntax error"), ("9" * 30 + " name", "unknown command"),
    ],
)  # fmt: skip
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
    assert ask(server, "final_score") == f"= {'B' if score > 0 else 'W'}+{abs(score)}" if score else "= 0"
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
    server = GtpServer(SearchPlayer(DiscCount(8), 10**6, solve_empties=0))
    assert ask(server, "time_settings 6 0 0") == "="
    began = time.monotonic()
    ask(server, "genmove b")
    assert time.monotonic() - began < 1.5
    assert ask(server, "time_left w 0 0") == "="
    began = time.monotonic()
    ask(server, "genmove w")
    assert time.monotonic() - began < 0.5
    assert ask(server, "time_settings 0 5 0") == "=" and server._clocks["X"] == Clock()


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


# --- NBoard ----------------------------------------------------------------------------------------------------------


def test_a_scripted_client_plays_a_whole_game_with_a_pass() -> None:
    server, said = nboard()
    server.handle("nboard 2")
    assert said.pop().startswith("set myname ")
    server.handle(f"set game {game_text(Board.initial())}")
    board, passed = Board.parse(PASS_GAME[:-8]), 0
    for i in range(0, len(PASS_GAME) - 8, 2):
        server.handle(f"move {PASS_GAME[i : i + 2]}/0.5/1.0")
    while not board.is_over:
        said.clear()
        server.handle("ping 4")
        server.handle("go")
        assert said[0] == "pong 4" and len([line for line in said if line.startswith("===")]) == 1
        assert server.board == board  # go does not apply the move
        answer = next(line for line in said if line.startswith("==="))
        move = answer[4:].partition("/")[0]
        if board.must_pass:
            assert answer == "=== PA"
            passed += 1
        else:
            evaluation, seconds = map(float, answer[4:].split("/")[1:])
            scores = exact_scores(board)
            assert scores and evaluation == max(scores.values()) == scores[parse_square(move)] and seconds >= 0
        board = board.play(move)
        server.handle(f"move {answer[4:]}")
        assert server.board == board
    assert not any("error" in line for line in said)


def test_hints_carry_exact_scores_near_the_end_and_search_values_before() -> None:
    server, said = nboard(60)
    server.handle("hint 2")
    first, second = [line.split() for line in said if line.startswith("search")]
    assert first[0] == "search" and first[3] == "0" and abs(float(first[2])) <= 64
    assert int(first[first.index("visits") + 1]) >= int(second[second.index("visits") + 1]) > 0
    for name in (first[1], second[1]):
        Board.parse(name.lower())  # the PV is a legal line without blanks
    assert any(line.startswith("nodestats ") for line in said)
    board = position_with_empties(random.Random(5), 7)
    board = board.pass_turn() if board.must_pass else board
    said.clear()
    server.handle(f"set game {game_text(board)}")
    server.handle("hint 99")
    scores = exact_scores(board)
    assert scores is not None
    hinted = {line.split()[1][:2].lower(): line.split() for line in said if line.startswith("search")}
    assert {name: float(words[2]) for name, words in hinted.items()} == {square_name(s): v for s, v in scores.items()}
    assert all(words[4] == "100%" for words in hinted.values())


def test_a_hint_where_the_side_must_pass_is_a_pass() -> None:
    server, said = nboard()
    server.handle(f"set game {game_text(Board.parse(PASS_GAME))}")
    server.handle("hint 3")
    (words,) = [line.split() for line in said if line.startswith("search")]
    scores = exact_scores(Board.parse(PASS_GAME + "--"))
    assert scores and words[1].startswith("PAH") and float(words[2]) == -max(scores.values())


def test_analysis_judges_every_position_passes_included() -> None:
    server, said = nboard(2)
    server.handle(f"set game {game_text(Board.initial())}")
    for i in range(0, len(PASS_GAME), 2):
        server.handle(f"move {PASS_GAME[i : i + 2]}")
    server.handle("move PA")
    server.handle("move H7")
    said.clear()
    server.handle("analyze")
    judged = {int(line.split()[1]): float(line.split()[2]) for line in said if line.startswith("analysis")}
    assert sorted(judged) == list(range(len(PASS_GAME) // 2 + 3))
    before_pass, after_pass = judged[len(judged) - 3], judged[len(judged) - 2]
    assert before_pass == -after_pass


@pytest.mark.parametrize(
    "line",
    [
        "frob", "set", "set depth", "set depth x", "set depth -1", "set volume 3", "set game", "set game (;", "ping",
        "set game (;GM[Othello]BO[8 -- *];)", "set game (;GM[Othello]B[A1];)", "set game (;GM[Chess];)", "ping x",
        "set game (;GM[Othello]BO[4 -----O*--*O----- *];)", "move", "move z9", "move a1", "move pa", "hint", "hint x",
        "nboard", "nboard two", "\x00\x07", "ping " + "9" * 5000, "set contempt much",
    ],
)  # fmt: skip
def test_bad_nboard_lines_get_one_status_and_change_nothing(line: str) -> None:
    server, said = nboard()
    server.handle(f"set game {game_text(Board.parse('f5d6'))}")
    before = server.board
    server.handle(line)
    assert len(said) == 1 and said[0].startswith("status error: ") and len(said[0]) < 320
    assert said[0].isprintable() and server.board == before


def test_depth_and_contempt_are_taken_and_learn_is_answered() -> None:
    server, said = nboard(50)
    for line in ("set depth 1", "set contempt -20", "set contempt 3"):
        server.handle(line)
    assert not said and server.simulations == 5
    server.handle("learn")
    assert said == ["learned"]


@given(boards(sizes=(8,)))
def test_a_position_survives_the_game_text_of_nboard(board: Board) -> None:
    assert read_ggf(game_text(board))[0].final == board


# --- lines and processes ---------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(0, 3))
def test_lines_are_those_of_the_bytes_and_only_long_ones_are_cut(pieces: list[bytes], long: int) -> None:
    pieces = [piece.replace(b"\n", b"") for piece in pieces] + [b"x" * (MAX_LINE + 5)] * long
    reading, writing = os.pipe()

    def send() -> None:
        with open(writing, "wb") as pipe:
            for piece in pieces:
                pipe.write(piece + b"\n")

    sender = threading.Thread(target=send)
    sender.start()
    read = list(read_lines(reading))
    sender.join()
    os.close(reading)
    assert len(read) == len(pieces)
    for line, piece in zip(read, pieces):
        assert line.whole == (len(piece) <= MAX_LINE)
        assert line.text == piece[:MAX_LINE].decode(errors="replace").rstrip("\r")


@pytest.fixture(params=["gtp", "nboard"])
def served(request: pytest.FixtureRequest, weights: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    process = subprocess.Popen(
        shlex.split(our_engine(request.param, weights)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    yield request.param, process
    process.kill()
    process.communicate()


def test_ten_thousand_garbage_lines_get_one_error_each_and_cost_no_memory(
    served: tuple[str, subprocess.Popen[bytes]],
) -> None:
    protocol, process = served
    assert process.stdin and process.stdout
    source = random.Random(6)

    def alive(number: int) -> None:
        line = f"{number} protocol_version\n" if protocol == "gtp" else f"ping {number}\n"
        process.stdin.write(line.encode())
        process.stdin.flush()

    def answered(number: int) -> int:
        """Errors until the answer that shows the engine is well."""
        errors = 0
        while line := process.stdout.readline():
            errors += line.startswith((b"?", b"status error"))
            if line.split() in ([b"=%d" % number, b"2"], [b"pong", b"%d" % number]):
                return errors
        raise AssertionError("the engine has gone")

    def garbage() -> bytes:
        kind = source.randrange(5)
        if kind == 0:
            return b"!" + source.randbytes(source.randrange(80)).replace(b"\n", b"").replace(b"#", b"")
        if kind == 1:
            return b"frobnicate " + b"x" * source.randrange(100)
        if kind == 2:
            return source.choice([b"play b", b"genmove", b"komi"] if protocol == "gtp" else [b"set", b"move", b"ping"])
        if kind == 3:
            return b"!\xff\xfe\x00\x01\x02"
        return b"set game (;GM[Othello]PB[" + b"y" * 20_000 if source.random() < 0.05 else b"!(;"

    for _ in range(1000):
        process.stdin.write(garbage() + b"\n")
    alive(1)
    assert answered(1) == 1000
    before = psutil.Process(process.pid).memory_info().rss
    for batch in range(2, 11):
        for _ in range(1000):
            process.stdin.write(garbage() + b"\n")
        alive(batch)
        assert answered(batch) == 1000
    process.stdin.write(b"z" * 50_000_000 + b"\n")
    alive(11)
    assert answered(11) == 1
    assert psutil.Process(process.pid).memory_info().rss - before < 20 << 20


def test_an_engine_ends_with_its_input_and_answers_a_last_line_without_an_end(weights: Path) -> None:
    for protocol, script, last in (("gtp", b"1 name\n2 genmove b", b"=2 "), ("nboard", b"set depth 10\ngo", b"=== ")):
        done = subprocess.run(
            shlex.split(our_engine(protocol, weights)), input=script, capture_output=True, timeout=120, check=True
        )
        assert last in done.stdout and not done.stderr


def test_a_ping_cuts_a_long_search_short(weights: Path) -> None:
    with subprocess.Popen(
        shlex.split(our_engine("nboard", weights, 10**7)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"ping 1\nhint 3\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"pong 1\n" and process.stdout.readline() == b"status thinking\n"
        time.sleep(0.3)
        began = time.monotonic()
        process.stdin.write(b"ping 2\n")
        process.stdin.flush()
        said = []
        while (line := process.stdout.readline()) != b"pong 2\n":
            said.append(line)
        assert time.monotonic() - began < 1.0
        assert sum(line.startswith(b"search ") for line in said) == 3
        process.stdin.close()


def test_our_engines_play_each_other_over_pipes_without_an_error(weights: Path) -> None:
    a, b = "nboard:" + our_engine("nboard", weights, 4), "gtp:" + our_engine("gtp", weights, 4)
    result = play_match(a, b, 2, opening_plies=8, seed=2, move_timeout=250)
    assert [game.termination for game in result.games] == ["score", "score"], [game.reason for game in result.games]


@pytest.mark.grhino
def test_games_with_gtp_rhino_have_no_protocol_error() -> None:
    spec = f"gtp:{grhino()} -l 1"
    result = play_match("random", spec, 8, seed=4, opening_plies=6)
    assert [game.termination for game in result.games] == ["score"] * 8, [game.reason for game in result.games]
    assert result.points <= 2 and any(_has_pass(game.moves) for game in result.games)


@pytest.mark.grhino
def test_gtp_rhino_knows_our_positions() -> None:
    player = GtpPlayer(f"{grhino()} -l 1", 10.0)
    try:
        player.new_game()
        board = Board.initial()
        source = random.Random(8)
        while not board.is_over:
            if board.side == "X" and not board.must_pass:
                action = player.move(board)
            else:
                action = source.choice(board.legal_actions())
            player.watch(action)
            board = board.play(action)
        score = board.score()
        good, text = player._exchange("final_score", time.monotonic() + 5)
        assert good and text.upper().startswith("0" if not score else "B+" if score > 0 else "W+")
    finally:
        player.close()


def _has_pass(moves: str) -> bool:
    return any(board.must_pass for board in Board.initial().replay(parse_moves(moves)))
