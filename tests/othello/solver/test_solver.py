"""The exact solver against plain recursion, known endgames, and its limits."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from othello.errors import ConfigError
from othello.rules.bitboard import BOARD_MASK, final_score, flip_mask, legal_mask, lowest_bit_index
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.solver.move_ordering import corners_of, edges_of, stable_discs
from othello.solver.search import UNSOLVED, new_workspace, solve_best, solve_exact
from othello.solver.solver import Result, Solution, Solver, exact_scores, solve, solve_wld
from othello.solver.workspace import NODES
from tests.othello.positions import position_with_empties, random_position

FFO = [
    line.split()
    for line in (Path(__file__).parents[2] / "data" / "ffo.txt")
    .read_text(encoding="utf-8")
    .splitlines()
    if not line.startswith("#")
]
DEEP = [
    pytest.param(*row[:4], row[4:], marks=[pytest.mark.long] if row[0] > "40" else [])
    for row in FFO
]


@numba.njit
def brute(own: int, opp: int, board: int) -> int:
    """The exact score by plain recursion: no window, no order, no memory."""
    moves = legal_mask(own, opp, board)
    if moves == np.uint64(0):
        if legal_mask(opp, own, board) == np.uint64(0):
            return final_score(own, opp, board)
        return -brute(opp, own, board)
    best = np.int64(-100)
    while moves:
        bit = lowest_bit_index(moves)
        flips = flip_mask(own, opp, bit)
        best = max(best, -brute(opp ^ flips, own | flips | moves & -moves, board))
        moves &= moves - np.uint64(1)
    return best


def brute_score(board: Board) -> int:
    return int(brute(np.uint64(board.own), np.uint64(board.opp), BOARD_MASK[board.size]))


def window_score(board: Board, workspace: np.ndarray, alpha: int, beta: int) -> int:
    words = np.uint64(board.own), np.uint64(board.opp)
    return int(solve_exact(*words, np.int64(alpha), np.int64(beta), workspace, np.int64(2**60)))


@pytest.mark.parametrize("size, empties", [(8, 8), (6, 8), (4, 10)])
def test_scores_are_those_of_plain_recursion(size: int, empties: int) -> None:
    generator, workspace = random.Random(size), new_workspace(size, 10)
    for _ in range({8: 1500, 6: 400, 4: 200}[size]):
        board = random_position(generator, size)
        while not board.is_over and board.empties > generator.randrange(1, empties + 1):
            board = board.play(generator.choice(board.legal_actions()))
        score = brute_score(board)
        assert window_score(board, workspace, -64, 64) == score, board
        alpha = generator.randrange(-20, 20)
        found = window_score(board, workspace, alpha, alpha + 1)
        assert (found > alpha) == (score > alpha) and (
            found <= score if found > alpha else found >= score
        ), board


@pytest.mark.long
def test_ten_thousand_scores_are_those_of_plain_recursion() -> None:
    generator, workspace = random.Random(99), new_workspace(8, 12)
    for _ in range(10_000):
        board = position_with_empties(generator, generator.randrange(1, 10))
        assert window_score(board, workspace, -64, 64) == brute_score(board), board


@pytest.mark.parametrize("size", [4, 6, 8])
def test_all_best_moves_are_found_and_the_line_plays_out(size: int) -> None:
    generator, solver = random.Random(size + 50), Solver(size, 12)
    for _ in range(40):
        board = position_with_empties(generator, min(9, size * size - 5), size)
        solution = solver.solve(board)
        scores = {action: -brute_score(board.play(action)) for action in board.legal_actions()}
        assert solution is not None and solution.score == max(scores.values())
        assert solution.best == tuple(
            action for action, score in scores.items() if score == solution.score
        )
        *_, end = board.replay(solution.pv)
        assert end.is_over and end.score() * (1 if board.side == "X" else -1) == solution.score


def test_win_draw_and_loss_agree_with_the_score() -> None:
    generator, seen = random.Random(4), set()
    for _ in range(150):
        board = position_with_empties(generator, generator.randrange(1, 8), 4)
        verdict, score = solve_wld(board), brute_score(board)
        assert verdict is not None
        assert verdict.result is (
            Result.WIN if score > 0 else Result.LOSS if score < 0 else Result.DRAW
        )
        seen.add(verdict.result)
        for action in verdict.best:
            assert (-brute_score(board.play(action)) > 0) == (score > 0)
    assert len(seen) == 3


def test_every_action_gets_its_score() -> None:
    board = position_with_empties(random.Random(8), 8)
    scores = exact_scores(board)
    assert scores == {action: -brute_score(board.play(action)) for action in board.legal_actions()}


def test_the_4x4_game_is_lost_by_ten_for_black() -> None:
    solution = solve(Board.initial(4))
    assert (
        solution is not None
        and solution.score == -10
        and solution.best == Board.initial(4).legal_moves()
    )


@pytest.mark.parametrize("number, squares, side, score, best", DEEP)
def test_published_endgames(
    number: str, squares: str, side: str, score: str, best: list[str]
) -> None:
    began = time.process_time()
    solution = solve(Board.parse(f"{squares} {side}"))
    assert solution is not None and solution.score == int(score)
    assert number > "44" or time.process_time() - began < 20
    assert {square_name(square) for square in solution.best} == set(best)
    assert len(solution.pv) >= Board.parse(squares).empties


@pytest.mark.parametrize("size", [4, 6, 8])
def test_edges_and_corners_are_those_of_the_size(size: int) -> None:
    ends = (0, size - 1)
    squares = [(row, column) for row in range(size) for column in range(size)]
    columns, rows = edges_of(BOARD_MASK[size])
    assert int(columns) == sum(1 << (8 * row + column) for row, column in squares if column in ends)
    assert int(rows) == sum(1 << (8 * row + column) for row, column in squares if row in ends)
    assert int(corners_of(BOARD_MASK[size])) == sum(1 << (8 * r + c) for r in ends for c in ends)


@pytest.mark.parametrize("size", [4, 6, 8])
def test_whole_edges_are_stable_and_a_lone_edge_disc_is_not(size: int) -> None:
    board = BOARD_MASK[size]
    columns = np.uint64(edges_of(board)[0])
    assert stable_discs(columns, np.uint64(0), board) == columns
    assert stable_discs(np.uint64(2), np.uint64(0), board) == 0
    assert stable_discs(np.uint64(1 << (size - 1) | 1 << (size - 2)), np.uint64(0), board) == 3 << (
        size - 2
    )


def test_stable_discs_are_never_flipped() -> None:
    generator = random.Random(6)
    for _ in range(200):
        size = generator.choice([4, 6, 8])
        board = random_position(generator, size)
        masks = np.uint64(board.black), np.uint64(board.white)
        black, white = (int(stable_discs(*pair, BOARD_MASK[size])) for pair in (masks, masks[::-1]))
        while not board.is_over:
            board = board.play(generator.choice(board.legal_actions()))
            assert not black & ~board.black and not white & ~board.white
    full = np.uint64(2**64 - 1)
    assert stable_discs(full, np.uint64(0), full) == full


def test_a_pass_and_an_end_have_their_answers() -> None:
    over = solve(Board.parse("XXX-" + "-" * 12 + " O"))
    assert over == Solution(-16, (), (), over.nodes, over.seconds) if over else False
    generator = random.Random(1)
    while True:
        board = random_position(generator, 6, 30)
        if board.must_pass:
            break
    solution = solve(board)
    assert solution is not None and solution.best == (36,) and solution.pv[0] == 36
    assert solution.score == brute_score(board)


def test_limits_end_a_search_without_an_answer() -> None:
    board, solver = Board.initial(), Solver(8, 14)
    assert solver.solve(board, nodes=10_000) is None
    assert solver.solve(board, seconds=0.2) is None
    assert solver.solve_wld(board, seconds=0.1) is None
    assert exact_scores(board, seconds=0.1) is None
    timer = threading.Timer(0.2, solver.stop)
    timer.start()
    assert solver.solve(board) is None  # it would take years
    late = position_with_empties(random.Random(3), 12)
    assert solver.solve(late, seconds=60).score == solve(late).score  # type: ignore[union-attr]


@pytest.mark.parametrize("empties", [8, 14, 20])
@pytest.mark.parametrize("line", [False, True])
def test_a_node_limit_holds_also_while_moves_are_ordered_and_a_line_is_found(
    empties: int, line: bool
) -> None:
    generator, solver = random.Random(empties), Solver(8, 12)
    for limit in (1, 200, 3000):
        position = position_with_empties(generator, empties)
        counted: list[int] = []
        run = solver._run

        def counting(*asked: Any, run: Any = run, counted: list[int] = counted) -> Any:
            answer = run(*asked)
            counted.append(int(solver._workspace[NODES]))
            return answer

        solver._run = counting  # type: ignore[method-assign]
        found = solver.solve(position, nodes=limit, line=line)
        solver._run = run  # type: ignore[method-assign]
        assert sum(counted) <= 1.5 * limit + 100
        assert found is None or found.nodes <= limit


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="6×6"):
        Solver(8).solve(Board.initial(6))
    with pytest.raises(ConfigError, match="1 and more"):
        Solver(8, 10).solve(Board.initial(), nodes=0)
    with pytest.raises(ConfigError, match="table"):
        new_workspace(8, 40)
    with pytest.raises(ValueError, match="new_workspace"):
        solve_exact(
            np.uint64(1),
            np.uint64(2),
            np.int64(-1),
            np.int64(1),
            np.zeros(10**5, np.uint64),
            np.int64(9),
        )


def test_one_result_for_one_workspace() -> None:
    board = position_with_empties(random.Random(12), 13)
    counts = {solve(board).nodes for _ in range(3)}  # type: ignore[union-attr]
    assert len(counts) == 1


def test_a_kernel_of_another_file_may_call_the_solver() -> None:
    @numba.njit
    def label(own: int, opp: int, workspace: np.ndarray) -> tuple[int, int]:
        return solve_best(own, opp, np.int64(-64), np.int64(64), workspace, np.int64(10**6), False)

    board = position_with_empties(random.Random(2), 8)
    score, bits = label(np.uint64(board.own), np.uint64(board.opp), new_workspace(8, 10))
    assert (
        score == brute_score(board)
        and -brute_score(board.play(int(bits).bit_length() - 1)) == score
    )
    assert (
        label(np.uint64(Board.initial().own), np.uint64(Board.initial().opp), new_workspace(8, 10))[
            0
        ]
        == UNSOLVED
    )
