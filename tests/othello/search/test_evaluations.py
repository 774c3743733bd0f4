"""What compiled code is given: any board of discs, and only evaluations that are finite and of the right shape.

The long ones:  pytest tests/othello/search/test_evaluations.py -m long
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from othello.errors import CheckpointError, ConfigError, EvaluationError
from othello.network import checkpoint
from othello.network.architecture import Architecture, Network
from othello.network.evaluator import NetworkEvaluator
from othello.players.agent import PolicyPlayer, SearchPlayer, evaluate
from othello.rules.board import Board
from othello.search.disc_count import DiscCount
from othello.search.search import Gumbel, Puct, Search, search_many
from othello.search.tree import MAX_MOVES, wipes_out
from othello.training.selfplay import SelfPlaySettings, play_games
from othello.training.worker import Chunk, play_chunk
from tests.othello.any_boards import RICHEST
from tests.othello.networks import Uneven

ROOT = Path(__file__).parents[3]
START = Board.initial()
RICH = Board.parse("---------OXO-O-O-OXXXO-X-X-OXO-O-X---O---OX-XX---OXOOOO------X-- X")
SELF_PLAY = SelfPlaySettings(
    simulations=4, slots=2, solve_empties=4, label_empties=2, leaf_empties=2
)


class Answers:
    """An evaluator whose answer is the toy's, changed."""

    def __init__(self, change: Callable[[Any, Any], Any]) -> None:
        self.size, self._change = 8, change

    def __call__(self, own: Any, opp: Any) -> Any:
        return self._change(*DiscCount(8)(own, opp))


def with_one(array: Any, number: float) -> Any:
    """The array with its last number changed."""
    changed = array.copy()
    changed.flat[-1] = number
    return changed


ODD: dict[str, Callable[[Any, Any], Any]] = {
    "logit NaN": lambda p, v: (with_one(p, np.nan), v),
    "logit inf": lambda p, v: (with_one(p, np.inf), v),
    "logit -inf": lambda p, v: (with_one(p, -np.inf), v),
    "all logits NaN": lambda p, v: (p + np.float32(np.nan), v),
    "value NaN": lambda p, v: (p, with_one(v, np.nan)),
    "value inf": lambda p, v: (p, with_one(v, np.inf)),
    "value -inf": lambda p, v: (p, with_one(v, -np.inf)),
    "value 2": lambda p, v: (p, with_one(v, 2.0)),
    "no rows of logits": lambda p, v: (p[:0], v),
    "one action": lambda p, v: (p[:, :1], v),
    "64 actions": lambda p, v: (p[:, :64], v),
    "66 actions": lambda p, v: (np.pad(p, ((0, 0), (0, 1))), v),
    "transposed logits": lambda p, v: (p.T, v),
    "flat logits": lambda p, v: (p.ravel(), v),
    "no values": lambda p, v: (p, v[:0]),
    "a value too many": lambda p, v: (p, np.append(v, v[:1])),
    "values as a column": lambda p, v: (p, v[:, None]),
    "one number for all values": lambda p, v: (p, np.float32(0)),
    "logits of float64": lambda p, v: (p.astype(np.float64), v),
    "values of float16": lambda p, v: (p, v.astype(np.float16)),
    "whole logits": lambda p, v: (p.astype(np.int32), v),
    "objects": lambda p, v: (p.astype(object), v),
    "the other byte order": lambda p, v: (p.astype(">f4"), v),
    "lists": lambda p, v: (p.tolist(), v.tolist()),
    "tensors": lambda p, v: (torch.from_numpy(p), torch.from_numpy(v)),
    "None": lambda p, v: None,
    "logits alone": lambda p, v: p,
    "three arrays": lambda p, v: (p, v, v),
}
ENTRIES: dict[str, Callable[[Any], Any]] = {
    "Search": lambda e: Search(e).run(START, 20),
    "Search, Gumbel": lambda e: Search(e, Gumbel()).run(START, 20),
    "search_many": lambda e: search_many(e, [START, RICH], 20),
    "search_many, Gumbel": lambda e: search_many(e, [START, RICH], 20, Gumbel(), [1, 2]),
    "self-play": lambda e: play_games(e, SELF_PLAY, 1, 0, range(2)),
    "evaluate": lambda e: evaluate(e, [START]),
    "net": lambda e: PolicyPlayer(e).choose([START], [0]),
    "mcts": lambda e: SearchPlayer(e, 20).move(START),
    "mcts, many games": lambda e: SearchPlayer(e, 20).choose([START, RICH], [0, 0]),
    "gumbel": lambda e: SearchPlayer(e, 20, Gumbel()).think(START),
    "gumbel, many games": lambda e: SearchPlayer(e, 20, Gumbel()).choose([START, RICH], [0, 0]),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_evaluation_is_refused_in_one_line(odd: str, entry: str) -> None:
    with pytest.raises(
        EvaluationError, match=r"^Answers: .*accepted are finite float32 logits"
    ) as caught:
        ENTRIES[entry](Answers(ODD[odd]))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize("entry", sorted(ENTRIES.keys() - {"evaluate", "net"}))
@pytest.mark.parametrize("size", [0, 5, 64, "8", None, 8.0])
def test_an_evaluator_of_no_board_size_is_refused_in_one_line(size: Any, entry: str) -> None:
    evaluator = Answers(lambda p, v: (p, v))
    evaluator.size = size
    with pytest.raises(EvaluationError, match=r"its size is .*accepted are 4, 6 and 8"):
        ENTRIES[entry](evaluator)


LAYOUTS = [np.asfortranarray, lambda p: np.repeat(p, 2, 1)[:, ::2], lambda p: p.view(np.memmap)]


@pytest.mark.parametrize("order", LAYOUTS)
def test_the_layout_of_an_evaluation_does_not_matter(order: Callable[[Any], Any]) -> None:
    def read_only(logits: Any, values: Any) -> tuple[Any, Any]:
        logits, values = order(logits + np.arange(65, dtype=np.float32) / 65), values
        values.setflags(write=False)
        return logits, values

    plain = Answers(lambda p, v: (p + np.arange(65, dtype=np.float32) / 65, v))
    found, expected = (Search(e).run(RICH, 40).moves for e in (Answers(read_only), plain))
    assert found == expected


def poisoned(folder: Path) -> Path:
    """A checkpoint of finite weights whose network overflows."""
    torch.manual_seed(0)
    network = Network(Architecture(blocks=1, channels=8))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(3e37)
    checkpoint.save(network, folder)
    return folder


def test_finite_weights_that_overflow_fail_verification_and_do_not_play(tmp_path: Path) -> None:
    folder = poisoned(tmp_path / "huge")
    with pytest.raises(
        CheckpointError, match="huge: cannot play: NetworkEvaluator: position"
    ) as caught:
        checkpoint.verify(folder)
    assert "\n" not in str(caught.value)
    network = checkpoint.load(folder).network
    for backend in ("winograd", "torch"):
        with pytest.raises(EvaluationError):
            SearchPlayer(NetworkEvaluator(network, backend=backend), 10).move(START)


@pytest.mark.parametrize(
    "words", ["checkpoint verify", "analyze start", "analyze start --root=gumbel"]
)
def test_the_command_says_in_one_line_that_a_checkpoint_cannot_play(
    tmp_path, capsys, words
) -> None:
    from app.cli import run

    command = words.split() if "verify" in words else [*words.split(), "--checkpoint"]
    assert run([*command, str(poisoned(tmp_path / "huge"))]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "finite" in said


def test_a_worker_tells_which_games_met_an_evaluation_that_is_not_finite(tmp_path: Path) -> None:
    from othello.training.learner import NotFinite

    chunk = Chunk(
        str(poisoned(tmp_path / "huge")), SELF_PLAY, 1, 3, 4, 6, str(tmp_path / "out.npz")
    )
    with pytest.raises(NotFinite, match=r"^iteration 3, games 4\.\.5: NetworkEvaluator: position"):
        play_chunk(chunk)
    assert not (tmp_path / "out.npz").exists()


class Failing(Uneven):
    """Raises at one call."""

    def __init__(self, at: int) -> None:
        super().__init__(8)
        self.calls, self.at = 0, at

    def __call__(self, own: Any, opp: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return super().__call__(own, opp)


@pytest.mark.parametrize("at", [1, 2, 5, 12, 20, 26])
@pytest.mark.parametrize("plies", [0, 2])
def test_an_evaluator_that_raises_leaves_the_tree_clean_and_the_next_run_undisturbed(
    at: int, plies: int
) -> None:
    board = Board.parse("f5d6c3d3c4f4f6")
    disturbed, undisturbed = (
        Search(e, Puct(leaf_empties=8), batch=8) for e in (Failing(0), Uneven(8))
    )
    for search in (disturbed, undisturbed):
        search.run(board, 150)
    for move in undisturbed.run(board, 150).principal_variation[:plies]:
        board = board.play(move)
    disturbed.evaluator = Failing(at)
    with pytest.raises(KeyboardInterrupt):
        disturbed.run(board, 500)
    assert not disturbed._forest.pending.any()
    assert disturbed.run(board, 500).moves == undisturbed.run(board, 500).moves
    assert not disturbed._forest.pending.any()


def test_after_an_evaluator_raised_another_board_is_searched_as_if_nothing_had_been() -> None:
    search = Search(Failing(9), batch=8)
    with pytest.raises(KeyboardInterrupt):
        search.run(START, 300)
    assert search.run(RICH, 300).moves == Search(Uneven(8), batch=8).run(RICH, 300).moves


@pytest.mark.parametrize("board", [START, RICH])
def test_no_simulations_are_the_raw_policy_everywhere(board: Board) -> None:
    evaluator = Uneven(8)
    likeliest = PolicyPlayer(evaluator).choose([board], [0])[0]
    results = [
        Search(evaluator).run(board, 0),
        Search(evaluator, Gumbel(), seed=3).run(board, 0),
        *search_many(evaluator, [board], 0),
        *search_many(evaluator, [board], 0, Gumbel(), [3]),
        *(
            SearchPlayer(evaluator, 0, solve_empties=0).think(board, simulations=count)
            for count in (None, 0)
        ),
        *(
            SearchPlayer(evaluator, 0, Gumbel(), solve_empties=0).think(board, simulations=count)
            for count in (None, 0)
        ),
        SearchPlayer(evaluator, 50, solve_empties=0).think(board, simulations=0),
    ]
    for result in results:
        assert (result.simulations, result.evaluations, result.principal_variation) == (0, 1, ())
        assert result.moves[0].square == likeliest and not any(move.visits for move in result.moves)
        priors = [move.prior for move in result.moves]
        assert priors == sorted(priors, reverse=True)
    for player in (
        SearchPlayer(evaluator, 0, solve_empties=0),
        SearchPlayer(evaluator, 0, Gumbel(), solve_empties=0),
    ):
        assert player.move(board) == player.choose([board], [5])[0] == likeliest


def test_numbers_that_no_search_has_are_refused() -> None:
    evaluator = DiscCount(8)
    for run in (
        Search(evaluator).run,
        Search(evaluator, Gumbel()).run,
        SearchPlayer(evaluator, 5).think,
    ):
        with pytest.raises(ConfigError, match=r"-1 simulations: accepted are 0\.\."):
            run(START, simulations=-1)
    for make in (
        lambda: search_many(evaluator, [START], -1),
        lambda: SearchPlayer(evaluator, -1),
        lambda: Search(evaluator, batch=0),
        lambda: Gumbel(considered=0),
    ):
        with pytest.raises(ConfigError, match="accepted are"):
            make()


def checked_searches(boards: int, seed: int) -> str:
    """What `tests.othello.any_boards` says of so many boards with array bounds checked in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "tests.othello.any_boards",
        "--boards",
        str(boards),
        "--seed",
        str(seed),
    ]
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.timeout(900)
def test_any_board_is_searched_within_the_bounds_of_every_array() -> None:
    assert checked_searches(384, 1) == "784 searches, at most 35 moves"


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(10))
def test_a_million_boards_are_searched_within_the_bounds_of_every_array(seed: int) -> None:
    assert checked_searches(100_000, 100 + seed).startswith("204168 searches")


@given(st.lists(st.sampled_from("-XO"), min_size=64, max_size=64))
def test_no_board_has_more_moves_than_the_arrays_hold(squares: list[str]) -> None:
    board = Board.parse("".join(squares) + " X")
    moves = len(board.legal_moves())
    assert moves <= MAX_MOVES and 11 * moves <= 8 * 64
    assert moves <= 4 * squares.count("O") and moves <= 8 * squares.count("X")


def test_the_board_of_most_moves_is_searched_in_full_by_both_roots() -> None:
    board = Board.parse(RICHEST + " X")
    everything = Gumbel(considered=MAX_MOVES, noise=0)
    for result in (
        Search(DiscCount(8)).run(board, 200),
        Search(DiscCount(8), everything).run(board, 200),
    ):
        assert len(result.moves) == 35 and all(move.visits for move in result.moves)


def test_a_move_that_turns_over_nineteen_discs_and_the_last_of_them_ends_the_game() -> None:
    own = [(3, 0), (3, 7), (0, 3), (7, 3), (0, 0), (7, 7), (0, 6), (6, 0)]
    squares = ["-"] * 64
    for row, column in own:
        for step in range(1, max(abs(row - 3), abs(column - 3))):
            down, right = np.sign(row - 3), np.sign(column - 3)
            squares[(3 + step * down) * 8 + 3 + step * right] = "O"
        squares[row * 8 + column] = "X"
    board = Board.parse("".join(squares) + " X")
    assert squares.count("O") == 19 and not board.play(27).white
    assert wipes_out(np.uint64(board.own), np.uint64(board.opp), np.uint64(1 << 27))
