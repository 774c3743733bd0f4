"""Our engine by NBoard: whole games, hints, analysis, and one status line for whatever is wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given

from othello.engines.nboard import game_text
from othello.network.discs import Discs
from othello.network.evaluator import NetworkEvaluator
from othello.players.agent import SearchPlayer
from othello.records import read_ggf
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name
from othello.search.disc_count import DiscCount
from othello.search.search import Search
from othello.serve.lines import MAX_LINE
from othello.serve.nboard import NBoardServer
from othello.solver.solver import exact_scores
from tests.othello.networks import lively_network
from tests.othello.positions import boards, position_with_empties
from tests.othello.rules.test_board import PASS_GAME


def nboard(simulations: int = 6) -> tuple[NBoardServer, list[str]]:
    said: list[str] = []
    return NBoardServer(SearchPlayer(DiscCount(8), simulations, solve_empties=8), said.append), said


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
            assert (
                scores
                and evaluation == max(scores.values()) == scores[parse_square(move)]
                and seconds >= 0
            )
        board = board.play(move)
        server.handle(f"move {answer[4:]}")
        assert server.board == board
    assert not any("error" in line for line in said)


def test_hints_carry_exact_scores_near_the_end_and_search_values_before() -> None:
    server, said = nboard(60)
    server.handle("hint 2")
    first, second = [line.split() for line in said if line.startswith("search")]
    assert first[0] == "search" and first[3] == "0" and abs(float(first[2])) <= 64
    assert float(first[2]) >= float(second[2]) and int(second[second.index("visits") + 1]) > 0
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
    hinted = {
        line.split()[1][:2].lower(): line.split() for line in said if line.startswith("search")
    }
    assert {name: float(words[2]) for name, words in hinted.items()} == {
        square_name(s): v for s, v in scores.items()
    }
    assert all(words[4] == "100%" for words in hinted.values())


def test_hints_come_while_the_search_goes_on_and_each_time_in_order() -> None:
    server, said = nboard(400)
    server.handle(f"set game {game_text(Board.parse('f5d6c3d3c4f4f6'))}")
    server.handle("hint 3")
    hints = [line.split() for line in said if line.startswith("search")]
    assert len(hints) == 9 and said.index("status thinking") < said.index(" ".join(hints[0]))
    visits = []
    for stage in (hints[:3], hints[3:6], hints[6:]):
        evaluations = [float(words[2]) for words in stage]
        assert evaluations == sorted(evaluations, reverse=True)
        visits.append(sum(int(words[words.index("visits") + 1]) for words in stage))
    assert visits == sorted(visits) and visits[0] <= 50 < visits[1] <= 200 < visits[2] <= 400


def test_symmetric_moves_have_one_evaluation_by_the_one_scale() -> None:
    evaluator, said = NetworkEvaluator(lively_network(3, blocks=1, channels=8)), list[str]()
    server = NBoardServer(SearchPlayer(evaluator, 40, solve_empties=0), said.append)
    server.handle("hint 4")
    server.handle("analyze")
    hinted = [float(line.split()[2]) for line in said if line.startswith("search")]
    assert len(hinted) == 4 and len(set(hinted)) == 1
    result = Search(evaluator, batch=8).run(Board.initial(), 40)
    first, total = result.moves[0].square, sum(m.visits * m.q for m in result.moves if m.q)
    (worth,) = Discs(evaluator).of_moves(Board.initial(), {first: total / 40}).values()
    assert hinted[0] == pytest.approx(worth, abs=6e-3) and abs(worth) > 0.1
    assert said[-2] == f"analysis 0 {worth:+.2f}"


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
    judged = {
        int(line.split()[1]): float(line.split()[2]) for line in said if line.startswith("analysis")
    }
    assert sorted(judged) == list(range(len(PASS_GAME) // 2 + 3))
    before_pass, after_pass = judged[len(judged) - 3], judged[len(judged) - 2]
    assert before_pass == -after_pass


@pytest.mark.parametrize(
    "line",
    [
        "frob",
        "set",
        "set depth",
        "set depth x",
        "set depth -1",
        "set volume 3",
        "ping",
        "ping x",
        "move",
        "move z9",
        "move a1",
        "move pa",
        "hint",
        "hint x",
        "nboard",
        "nboard two",
        "\x00\x07",
        "ping " + "9" * 5000,
        "set contempt much",
    ],
)
def test_bad_nboard_lines_get_one_status_and_change_nothing(line: str) -> None:
    server, said = nboard()
    server.handle(f"set game {game_text(Board.parse('f5d6'))}")
    before = server.board
    server.handle(line)
    assert len(said) == 1 and said[0].startswith("status error: ") and len(said[0]) < 320
    assert said[0].isprintable() and server.board == before


@pytest.mark.parametrize(
    "line",
    [
        "set game",
        "set game (;",
        "set game (;GM[Othello]BO[8 -- *];)",
        "set game (;GM[Othello]B[A1];)",
        "set game (;GM[Chess];)",
        "set game (;GM[Othello]BO[4 -----O*--*O----- *];)",
        "set game " + "(;;)" * 5000,
        "set game (;GM[Othello]B[F5//soon];)",
        "set game (;GM[Othello];)(;GM[Othello];)",
    ],
)
def test_after_a_refused_game_nothing_is_said_about_the_old_position(line: str) -> None:
    server, said = nboard()
    server.handle(f"set game {game_text(Board.parse('f5d6'))}")
    server.handle(line, whole=len(line) < MAX_LINE)
    for asked in ("go", "hint 3", "move c3", "analyze"):
        server.handle(asked)
    assert len(said) == 5 and all(answer.startswith("status error: ") for answer in said)
    assert (
        said[1:]
        == ["status error: no game: the last set game was refused; a valid set game is accepted"]
        * 4
    )
    said.clear()
    server.handle("ping 7")
    server.handle("set depth 3")
    assert said == ["pong 7"]
    server.handle(f"set game {game_text(Board.parse('f5'))}")
    server.handle("move d6")
    assert said == ["pong 7"] and server.board == Board.parse("f5d6")
    server.handle("go")
    assert sum(answer.startswith("=== ") for answer in said) == 1


@pytest.mark.parametrize(
    "value", ["2.449", "2.7680000000000002", "9.0E-4", "1.0E10", "4.9E-324", "-0.0", ".5", "NaN"]
)
def test_evaluations_and_times_are_read_as_java_writes_them(value: str) -> None:
    server, said = nboard()
    start = game_text(Board.initial()).removesuffix(";)")
    server.handle(f"set game {start}B[F5/{value}/{value}]W[D6//{value}]B[C3]W[D3]B[C4];)")
    server.handle(f"move B3/{value}/{value}")
    assert not said and server.board == Board.parse("f5d6c3d3c4b3")


@pytest.mark.parametrize(
    "clock, seconds",
    [
        ("TI[5:00]", 300.0 - 40.0),
        ("TI[05:00,0/00:10,1/02:00]", 300.0 + 2 * 10.0 - 40.0),
        ("TB[1:00]TW[9:00]", 60.0 - 40.0),
        ("TI[0:30]", 0.0),
        ("TI[soon]", None),
        ("", None),
    ],
)
def test_go_has_a_share_of_what_the_clock_leaves(clock: str, seconds: float | None) -> None:
    server, said = nboard()
    start = game_text(Board.initial()).removesuffix(";)").replace("TI[15:00]", clock)
    server.handle(f"set game {start}B[F5//15]W[D6//99];)")
    server.handle("move C3//25.0")
    server.handle("move D3//99")
    budget = server._budget()
    assert not said and (budget is None) == (seconds is None)
    assert budget is None or budget == pytest.approx(0.9 * seconds / 28)
    server.handle("go")
    assert sum(line.startswith("=== ") for line in said) == 1


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
