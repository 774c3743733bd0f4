"""Engines as processes: ours under garbage and over pipes, other programs as players, memory."""

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
from hypothesis import given
from hypothesis import strategies as st

from othello.engines.gtp import GtpPlayer
from othello.engines.nboard import game_text
from othello.network import checkpoint
from othello.players.agent import SearchPlayer, load_evaluator
from othello.rules.board import Board
from othello.rules.notation import parse_moves, parse_square, square_name
from othello.serve.lines import MAX_LINE, read_lines
from othello.strength.arena import MatchSettings, play_match
from tests.othello.engines.programs import grhino, our_engine
from tests.othello.networks import lively_network
from tests.othello.positions import position_with_empties
from tests.othello.rules.test_board import PASS_GAME


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "small"
    checkpoint.save(lively_network(size=8, blocks=1, channels=8), folder)
    evaluator, _ = load_evaluator(folder, 8)
    SearchPlayer(evaluator, 4).think(
        position_with_empties(random.Random(1), 12)
    )  # compiled before clocks run
    return folder


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(0, 3))
def test_lines_are_those_of_the_bytes_and_only_long_ones_are_cut(
    pieces: list[bytes], long: int
) -> None:
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
def served(
    request: pytest.FixtureRequest, weights: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    process = subprocess.Popen(
        shlex.split(our_engine(request.param, weights)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    yield request.param, process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("thousands", [10, pytest.param(50, marks=pytest.mark.long)])
def test_garbage_lines_get_one_error_each_and_cost_no_memory(
    served: tuple[str, subprocess.Popen[bytes]], thousands: int
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
            return b"!" + source.randbytes(source.randrange(80)).replace(b"\n", b"").replace(
                b"#", b""
            )
        if kind == 1:
            return b"frobnicate " + b"x" * source.randrange(100)
        if kind == 2:
            return source.choice(
                [b"play b", b"genmove", b"komi"]
                if protocol == "gtp"
                else [b"set", b"move", b"ping"]
            )
        if kind == 3:
            return b"!\xff\xfe\x00\x01\x02"
        return b"set game (;GM[Othello]PB[" + b"y" * 20_000 if source.random() < 0.05 else b"!(;"

    for _ in range(1000):
        process.stdin.write(garbage() + b"\n")
    alive(1)
    assert answered(1) == 1000
    before = psutil.Process(process.pid).memory_info().rss
    for batch in range(2, thousands + 1):
        for _ in range(1000):
            process.stdin.write(garbage() + b"\n")
        alive(batch)
        assert answered(batch) == 1000
    process.stdin.write(b"z" * 50_000_000 + b"\n")
    alive(thousands + 1)
    assert answered(thousands + 1) == 1
    assert psutil.Process(process.pid).memory_info().rss - before < 20 << 20


def test_an_engine_ends_with_its_input_and_answers_a_last_line_without_an_end(
    weights: Path,
) -> None:
    for protocol, script, last in (
        ("gtp", b"1 name\n2 genmove b", b"=2 "),
        ("nboard", b"set depth 10\ngo", b"=== "),
    ):
        done = subprocess.run(
            shlex.split(our_engine(protocol, weights)),
            input=script,
            capture_output=True,
            timeout=120,
            check=True,
        )
        assert last in done.stdout
        assert not done.stderr or done.stderr.startswith(b"compiling for")


def test_a_scripted_nboard_client_takes_our_process_through_a_whole_game_with_a_pass(
    weights: Path,
) -> None:
    with subprocess.Popen(
        shlex.split(our_engine("nboard", weights)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        pings = 0

        def said(*lines: str) -> list[str]:
            """What the engine says to these lines, until the pong of a ping behind them."""
            nonlocal pings
            pings += 1
            process.stdin.write("".join(f"{line}\n" for line in lines).encode())
            process.stdin.flush()
            answers = [process.stdout.readline().decode().rstrip("\n")] if "go" in lines else []
            while answers and not answers[-1].startswith(
                ("===", "status error")
            ):  # a ping would cut it short
                answers.append(process.stdout.readline().decode().rstrip("\n"))
            process.stdin.write(f"ping {pings}\n".encode())
            process.stdin.flush()
            while (line := process.stdout.readline().decode().rstrip("\n")) != f"pong {pings}":
                answers.append(line)
            return answers

        assert said("nboard 2", "set depth 5", "set contempt 0")[0].startswith("set myname ")
        assert said(f"set game {game_text(Board.initial())}") == []
        board, passes, asked = Board.initial(), 0, 0
        script = list(parse_moves(PASS_GAME))
        while not board.is_over:
            if script and not board.must_pass:
                action = script.pop(0)
                asked += (ours := board.side == "X")
                if ours:  # our turn: the script overrules the answer, as a person at the board may
                    answer = next(line for line in said("go") if line.startswith("==="))
                    assert parse_square(answer[4:].partition("/")[0]) in board.legal_moves()
            else:
                answer = next(line for line in said("go") if line.startswith("==="))
                action = parse_square(answer[4:].partition("/")[0])
                passes += action == 64
            assert said(f"move {square_name(action) if action < 64 else 'PA'}/1.5/0.1") == []
            board = board.play(action)
        assert passes == 1 and asked > 25
        assert [line.partition(":")[0] for line in said("go")] == ["status error"]
        process.stdin.close()


def test_a_ping_cuts_a_search_of_hours_short(weights: Path) -> None:
    with subprocess.Popen(
        shlex.split(our_engine("nboard", weights, 10**7)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"ping 1\nhint 3\n")
        process.stdin.flush()
        assert (
            process.stdout.readline() == b"pong 1\n"
            and process.stdout.readline() == b"status thinking\n"
        )
        time.sleep(0.3)
        process.stdin.write(b"ping 2\n")
        process.stdin.flush()
        said = []
        while (line := process.stdout.readline()) != b"pong 2\n":
            said.append(line)
        assert sum(line.startswith(b"search ") for line in said) == 3
        process.stdin.close()


def test_our_engines_play_each_other_over_pipes_without_an_error(weights: Path) -> None:
    a, b = "nboard:" + our_engine("nboard", weights, 4), "gtp:" + our_engine("gtp", weights, 4)
    result = play_match(a, b, MatchSettings(2, opening_plies=8, seed=2, move_timeout=250))
    assert [game.termination for game in result.games] == ["score", "score"], [
        game.reason for game in result.games
    ]


@pytest.mark.grhino
def test_games_with_gtp_rhino_have_no_protocol_error() -> None:
    spec = f"gtp:{grhino()} -l 1"
    result = play_match("random", spec, MatchSettings(8, seed=4, opening_plies=6))
    assert [game.termination for game in result.games] == ["score"] * 8, [
        game.reason for game in result.games
    ]
    assert result.points <= 2 and any(_has_pass(game.moves) for game in result.games)


@pytest.mark.grhino
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "protocol, games",
    [
        ("nboard", 2),
        pytest.param("gtp", 500, marks=pytest.mark.long),
        pytest.param("nboard", 500, marks=pytest.mark.long),
    ],
)
def test_games_of_our_engine_with_gtp_rhino_have_no_protocol_error_on_either_side(
    weights: Path, protocol: str, games: int
) -> None:
    """The arena is the client of both: a strict one, to which every answer out of place is an error."""
    ours, theirs = f"{protocol}:" + our_engine(protocol, weights, 10), f"gtp:{grhino()} -l 1"
    settings = MatchSettings(games, seed=7, opening_plies=6, move_timeout=120)
    result = play_match(ours, theirs, settings)
    assert [game.termination for game in result.games] == ["score"] * games, [
        game.reason for game in result.games
    ]
    assert sum(_has_pass(game.moves) for game in result.games) >= games // 10
    print(f"{games} games by {protocol}, {result.points:g} points")


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
