"""PUCT over one board and over many, against a slow twin and golden visits."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othello.rules.board import Board
from othello.search.disc_count import DiscCount
from othello.search.search import Puct, Search, choose, search_many
from othello.search.tree import EXACT, ROOT
from tests.othello.networks import Uneven
from tests.othello.positions import certain_value, position_with_empties, random_position

GOLDEN = Path(__file__).parents[2] / "data" / "search_visits.json"


class Twin:
    """PUCT as a dictionary of Python objects, one leaf at a time; follows the published formula word by word."""

    def __init__(self, board: Board, evaluator: Uneven, c_puct: float, first_play: float) -> None:
        self.evaluator, self.c_puct, self.first_play = evaluator, c_puct, first_play
        self.root = self._node(board)
        self._expand(self.root)

    def _node(self, board: Board) -> dict:
        return {"board": board, "edges": None, "value": None}

    def _expand(self, node: dict) -> float:
        board = node["board"]
        logits, values = self.evaluator(
            np.array([board.own], np.uint64), np.array([board.opp], np.uint64)
        )
        moves = board.legal_moves()
        weights = np.exp(logits[0, list(moves)].astype(np.float64))
        node["value"] = float(values[0])
        node["edges"] = {
            move: {"P": w / weights.sum(), "N": 0, "W": 0.0, "child": None}
            for move, w in zip(moves, weights)
        }
        return node["value"]

    def _select(self, node: dict) -> int:
        edges = node["edges"]
        total = sum(e["N"] for e in edges.values())
        tried = sum(e["P"] for e in edges.values() if e["N"])
        mean = (node["value"] + sum(e["W"] for e in edges.values())) / (total + 1)
        unvisited = max(-1.0, mean - self.first_play * math.sqrt(tried))

        def score(move: int) -> float:
            e = edges[move]
            q = e["W"] / e["N"] if e["N"] else unvisited
            return q + self.c_puct * e["P"] * math.sqrt(max(total, 1)) / (1 + e["N"])

        return max(edges, key=score)

    def simulate(self) -> None:
        node, path = self.root, []
        while True:
            move = self._select(node)
            edge = node["edges"][move]
            board = node["board"].play(move)
            sign = -1
            if not board.is_over and not board.legal_moves():
                board, sign = board.play(board.size**2), 1
            path.append((edge, sign))
            value = certain_value(board)
            if value is not None:
                break
            if edge["child"] is None:
                edge["child"] = self._node(board)
                value = self._expand(edge["child"])
                break
            node = edge["child"]
        for edge, sign in reversed(path):
            value *= sign
            edge["N"] += 1
            edge["W"] += value


def position(size: int, seed: int, plies: int) -> Board:
    """A position of random play, at most `plies` plies in, in which the side to move has a move."""
    while True:
        board = random_position(random.Random(seed), size, plies)
        if board.legal_moves():
            return board
        plies -= 1


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from((4, 6, 8)),
    st.integers(0, 10**6),
    st.integers(0, 50),
    st.floats(0.1, 4),
    st.integers(1, 80),
)
def test_visits_equal_those_of_the_slow_twin(size, seed, plies, c_puct, simulations):
    board = position(size, seed, min(plies, size * size - 8))
    twin = Twin(board, Uneven(size), c_puct, 0.2)  # uneven, so that no two moves tie
    for _ in range(simulations):
        twin.simulate()
    result = Search(Uneven(size), Puct(c_puct, 0.2, leaf_empties=0), batch=1).run(
        board, simulations
    )
    assert {move.square: move.visits for move in result.moves} == {
        m: e["N"] for m, e in twin.root["edges"].items()
    }
    for move in result.moves:
        edge = twin.root["edges"][move.square]
        if edge["N"]:
            assert move.q == pytest.approx(edge["W"] / edge["N"], abs=1e-5)
        else:
            assert move.q is None
    assert result.simulations == simulations


def test_visits_of_four_positions_are_the_golden_ones():
    golden = json.loads(GOLDEN.read_text("utf-8"))
    for case in golden["cases"]:
        board = Board.parse(case["position"])
        search = Search(
            DiscCount(board.size), Puct(case["c_puct"], leaf_empties=0), batch=case["batch"]
        )
        result = search.run(board, case["simulations"])
        assert {str(m.square): m.visits for m in result.moves} == case["visits"]


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_the_same_search_twice_gives_the_same_visits(batch):
    def visits() -> list[tuple[int, int, float | None]]:
        result = Search(DiscCount(8), Puct(root_noise=0.25), batch=batch, seed=3).run(
            Board.initial(), 300
        )
        return [(move.square, move.visits, move.q) for move in result.moves]

    assert visits() == visits()


def test_the_statistics_of_a_search_add_up():
    board = position(8, 5, 20)
    search = Search(DiscCount(8), batch=8)
    result = search.run(board, 200)
    tree = search.tree()
    assert result.simulations == 200 == sum(move.visits for move in result.moves)
    assert {move.square for move in result.moves} == set(board.legal_moves())
    assert sum(move.prior for move in result.moves) == pytest.approx(1, abs=1e-5)
    assert result.policy().sum() == pytest.approx(1)
    mean = (
        result.network_value + sum(m.visits * m.q for m in result.moves if m.q is not None)
    ) / 201
    assert result.value == pytest.approx(mean, abs=1e-6)
    for node in range(
        len(tree.own)
    ):  # every inner node was entered once more than its edges were taken
        edges = slice(tree.first[node], tree.first[node] + tree.count[node])
        entered = [tree.visits[e] for e in range(len(tree.child)) if tree.child[e] == node] or [201]
        if tree.state[node] != EXACT:
            assert tree.visits[edges].sum() == entered[0] - 1
    assert tree.own[ROOT] == board.own


def test_the_tree_is_kept_between_moves():
    board = Board.initial()
    search = Search(DiscCount(8), batch=4)
    first = search.run(board, 200)
    move = first.moves[0]
    following = search.run(board.play(move.square), 200)
    assert following.simulations == 200
    assert following.evaluations <= 200 - (move.visits - 1)


def test_a_forced_pass_is_played_on_the_way_and_costs_no_evaluation():
    generator = random.Random(1)
    while True:  # a position in which one of the moves leaves the opponent without an answer
        board = random_position(generator, 6, 24)
        passing = [move for move in board.legal_moves() if board.play(move).must_pass]
        if passing:
            break
    search = Search(DiscCount(6), Puct(leaf_empties=0), batch=1)
    result = search.run(board, 30)
    tree = search.tree()
    edges = {int(tree.square[e]): e for e in range(tree.count[ROOT])}
    after = board.play(passing[0]).play(36)
    child = tree.child[edges[passing[0]]]
    assert (
        tree.sign[edges[passing[0]]] == 1
        and tree.own[child] == after.own
        and tree.opp[child] == after.opp
    )
    assert result.evaluations <= len(tree.own)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_many_boards_searched_together_equal_one_by_one(seed):
    boards = [position(6, seed + i, 3 * i) for i in range(6)]
    together = search_many(DiscCount(6), boards, 60)
    for board, result in zip(boards, together):
        alone = Search(DiscCount(6), batch=1).run(board, 60)
        assert [(m.square, m.visits) for m in alone.moves] == [
            (m.square, m.visits) for m in result.moves
        ]


def test_leaf_solving_spends_no_evaluation_at_the_end():
    board = position_with_empties(random.Random(1), 8)
    board = board.pass_turn() if board.must_pass else board
    result = Search(DiscCount(8), Puct(leaf_empties=8), batch=4).run(board, 100)
    assert (
        result.evaluations == 1
        and result.simulations == 100
        and all(abs(m.q or 0) <= 1 for m in result.moves)
    )


def test_a_time_budget_ends_the_search_and_progress_is_reported():
    seen: list[int] = []
    result = Search(DiscCount(8)).run(Board.initial(), seconds=0.05, on_progress=seen.append)
    assert result.simulations > 16 and seen == sorted(seen) and result.seconds < 5


def test_stop_ends_the_search():
    assert (
        Search(DiscCount(8), batch=2).run(Board.initial(), 10**6, stop=lambda: True).simulations
        == 0
    )


def test_temperature_spreads_the_choice_over_the_visits():
    result = Search(DiscCount(8), batch=1).run(Board.initial(), 100)
    random = np.random.default_rng(0)
    assert {choose(result, 0.0, random) for _ in range(20)} == {result.moves[0].square}
    assert len({choose(result, 1.0, random) for _ in range(200)}) == 4


def test_a_position_without_a_move_or_of_another_size_is_refused():
    with pytest.raises(ValueError, match="no move"):
        Search(DiscCount(4)).run(Board.parse("XXXXXXXXXXXXXXX- X"), 10)
    with pytest.raises(ValueError, match="evaluator plays 8"):
        Search(DiscCount(8)).run(Board.initial(6), 10)
