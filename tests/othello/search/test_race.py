"""Gumbel search against a slow twin, and as a player: repeatable by seed, alone and among many."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othello.errors import ConfigError
from othello.players.agent import SearchPlayer
from othello.rules.board import Board
from othello.search.disc_count import DiscCount
from othello.search.gumbel import halving_schedule
from othello.search.search import Gumbel, Puct, Search, search_many
from othello.solver.solver import exact_scores
from othello.strength.arena import MatchSettings, play_match
from tests.othello.networks import Uneven
from tests.othello.positions import certain_value, position_with_empties, random_position


class Twin:
    """The paper's search on dictionaries, one simulation at a time."""

    def __init__(self, board: Board, evaluator: Uneven, settings: Gumbel) -> None:
        self.evaluator, self.settings = evaluator, settings
        self.root = self._node(board)
        self._expand(self.root)

    def _node(self, board: Board) -> dict[str, Any]:
        return {"board": board, "moves": None, "value": None}

    def _expand(self, node: dict[str, Any]) -> float:
        board = node["board"]
        logits, values = self.evaluator(
            np.array([board.own], np.uint64), np.array([board.opp], np.uint64)
        )
        legal = board.legal_moves()
        weights = np.exp(logits[0, list(legal)].astype(float) - logits[0, list(legal)].max())
        node["moves"] = {
            move: {
                "logit": float(logits[0, move]),
                "P": w / weights.sum(),
                "N": 0,
                "W": 0.0,
                "child": None,
            }
            for move, w in zip(legal, weights)
        }
        node["value"] = float(values[0])
        return node["value"]

    def completed(self, node: dict[str, Any]) -> dict[int, float]:
        tried = [m for m in node["moves"].values() if m["N"]]
        visits = sum(m["N"] for m in tried)
        mixed = node["value"]
        if tried:
            mean = sum(m["P"] * m["W"] / m["N"] for m in tried) / sum(m["P"] for m in tried)
            mixed = (mixed + visits * mean) / (1 + visits)
        scale = (
            self.settings.c_visit + max(m["N"] for m in node["moves"].values())
        ) * self.settings.c_scale
        return {
            move: scale * (m["W"] / m["N"] if m["N"] else mixed)
            for move, m in node["moves"].items()
        }

    def policy(self, node: dict[str, Any]) -> dict[int, float]:
        completed = self.completed(node)
        scores = {move: m["logit"] + completed[move] for move, m in node["moves"].items()}
        top = max(scores.values())
        total = sum(np.exp(score - top) for score in scores.values())
        return {move: float(np.exp(score - top) / total) for move, score in scores.items()}

    def root_choice(self, wanted: int, noise: dict[int, float]) -> int:
        completed = self.completed(self.root)
        racing = [move for move, m in self.root["moves"].items() if m["N"] == wanted]
        return max(
            racing,
            key=lambda move: noise[move] + self.root["moves"][move]["logit"] + completed[move],
        )

    def simulate(self, first: int) -> None:
        node, move, path = self.root, first, []
        while True:
            entry = node["moves"][move]
            board, sign = node["board"].play(move), -1
            if board.must_pass:
                board, sign = board.pass_turn(), 1
            path.append((entry, sign))
            value = certain_value(board)
            if value is not None:
                break
            if entry["child"] is None:
                entry["child"] = self._node(board)
                value = self._expand(entry["child"])
                break
            node = entry["child"]
            policy, total = self.policy(node), sum(m["N"] for m in node["moves"].values())
            move = max(
                policy, key=lambda each: policy[each] - node["moves"][each]["N"] / (1 + total)
            )
        for entry, sign in reversed(path):
            value *= sign
            entry["N"] += 1
            entry["W"] += value


@settings(max_examples=30)
@given(
    st.sampled_from((4, 6, 8)),
    st.integers(0, 10**6),
    st.integers(1, 70),
    st.integers(2, 16),
    st.booleans(),
)
def test_a_race_is_that_of_the_slow_twin(
    size: int, seed: int, count: int, considered: int, noisy: bool
) -> None:
    generator = random.Random(seed)
    board = random_position(generator, size, generator.randrange(size * size - 8))
    if not board.legal_moves():
        return
    race = Gumbel(considered=considered, noise=float(noisy), leaf_empties=0)
    result = Search(Uneven(size), race, seed=seed).run(board, count)
    twin = Twin(board, Uneven(size), race)
    noise = {
        move.square: move.perturbed_logit - twin.root["moves"][move.square]["logit"]
        for move in result.moves
    }
    assert noisy or max(map(abs, noise.values())) < 1e-5
    schedule = halving_schedule(count)[min(considered, len(noise))]
    for wanted in schedule:
        twin.simulate(twin.root_choice(int(wanted), noise))
    expected = {move: entry["N"] for move, entry in twin.root["moves"].items()}
    assert {move.square: move.visits for move in result.moves} == expected
    most = max(expected.values())
    assert result.moves[0].square == result.principal_variation[0] == twin.root_choice(most, noise)
    improved = twin.policy(twin.root)
    for move in result.moves:
        assert move.improved == pytest.approx(improved[move.square], abs=1e-4)
        assert result.policy()[move.square] == pytest.approx(move.improved, abs=1e-5)
    assert result.simulations == count and sum(expected.values()) == count


def test_each_root_has_numbers_of_its_own_beside_visits_prior_and_q() -> None:
    board = Board.parse("f5d6c3d3c4f4f6")
    for move in Search(Uneven(8), Puct(c_puct=2.0)).run(board, 40).moves:
        bonus = 2.0 * move.prior * 40**0.5 / (1 + move.visits)
        assert move.u == pytest.approx(bonus)
        assert move.improved is None and move.perturbed_logit is None
    for move in Search(Uneven(8), Gumbel()).run(board, 40).moves:
        assert move.u is None
        assert move.improved is not None and move.perturbed_logit is not None


def test_a_seed_settles_the_race_and_seeds_differ() -> None:
    board = Board.parse("f5d6c3d3c4f4f6")

    def visits(seed: int) -> list[tuple[int, int]]:
        return [
            (move.square, move.visits)
            for move in Search(Uneven(8), Gumbel(), seed=seed).run(board, 40).moves
        ]

    assert visits(1) == visits(1)
    assert len({tuple(visits(seed)) for seed in range(8)}) > 1


def test_many_boards_are_searched_as_one_by_one() -> None:
    generator = random.Random(5)
    boards = [
        board for board in (random_position(generator, 6) for _ in range(12)) if board.legal_moves()
    ]
    together = search_many(Uneven(6), boards, 30, Gumbel(), range(len(boards)))
    for seed, (board, result) in enumerate(zip(boards, together)):
        alone = Search(Uneven(6), Gumbel(), seed=seed).run(board, 30)
        assert (alone.moves, alone.principal_variation) == (
            result.moves,
            result.principal_variation,
        )
    assert search_many(Uneven(6), [], 30, Gumbel(), []) == []


def test_a_race_can_be_called_off_and_has_its_limits() -> None:
    seen: list[int] = []
    search = Search(DiscCount(8), Gumbel())
    assert (
        search.run(Board.initial(), 50_000, seconds=0.05, on_progress=seen.append).simulations
        < 50_000
    )
    assert seen == sorted(seen)
    assert search.run(Board.initial(), 1000, stop=lambda: True).simulations == 0
    with pytest.raises(ConfigError, match=str(Gumbel.most)):
        search.run(Board.initial(), Gumbel.most + 1)
    with pytest.raises(ValueError, match="no move"):
        Search(DiscCount(4), Gumbel()).run(Board.parse("XXXXXXXXXXXXXXX- X"), 10)


def test_a_gumbel_player_solves_endgames_and_plays_the_same_alone_and_in_step() -> None:
    board = position_with_empties(random.Random(4), 9)
    board = board.pass_turn() if board.must_pass else board
    player = SearchPlayer(DiscCount(8), 6, Gumbel(), solve_empties=10)
    scores = exact_scores(board)
    assert (
        scores is not None
        and scores[player.move(board)] == max(scores.values()) == player.think(board).exact
    )
    small = SearchPlayer(DiscCount(6), 8, Gumbel(), solve_empties=6)
    together, alone = (
        play_match(small, "random", MatchSettings(8, seed=3, size=6, parallel=games))
        for games in (None, 1)
    )
    assert [game.moves for game in together.games] == [game.moves for game in alone.games]
    assert together.points >= 5
