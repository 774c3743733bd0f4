"""What a player is told: one unit, black's chance in per cent, and no two numbers that lean to different sides."""

from __future__ import annotations

import math
import random
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.explain.ask import explain
from app.explain.points import in_points, unit_of
from app.explain.reasons.outlook import Outlook
from app.explain.reasons.sentence import Speech, discs_of
from app.present.sentences import account_words, players_words
from othello.network.discs import CURVE_WITH_SCORE
from othello.rules.board import Board
from othello.search.search import Search

if TYPE_CHECKING:
    from app.models import Model


def positions(count: int) -> list[Board]:
    """Positions of random games with at least two moves."""
    source, found = random.Random(3), list[Board]()
    while len(found) < count:
        board = Board.initial()
        for _ in range(source.randrange(2, 50)):
            board = board if board.is_over else board.play(source.choice(board.legal_actions()))
        if len(board.legal_moves()) > 1:
            found.append(board)
    return found


def test_no_sentence_has_a_chance_and_discs_that_lean_to_different_sides(model: Model) -> None:
    search, worth_of, without = Search(model.evaluator), discs_of(model), 0
    for board in positions(150):
        result = search.run(board, 24)
        tried = [move for move in result.moves if move.q is not None]
        worth = worth_of.of_moves(board, {move.square: float(move.q or 0) for move in tried})
        for move in tried:
            value = 0.0 - float(move.q or 0)
            score = worth_of.scores([board.play(move.square)])[0]
            without += value * CURVE_WITH_SCORE(value, scores=score) < 0
            speech = Speech(result, [move], [worth[move.square]], False, ())
            chance, discs = re.findall(r"([\d.−+]+)(?= % for black| discs)", speech.words()[1])
            assert (float(chance) - 50) * float(discs.replace("−", "-")) >= 0, speech.words()[1]
    assert without > 5  # tries of whom it would not hold without the rule


@pytest.mark.parametrize("discs", [-64.0, -2.0, 0.0, 2.0])
def test_exact_discs_say_who_wins_whatever_a_search_expected(discs: float) -> None:
    for value in (-0.3, 0.0, 0.3):
        found = Outlook.of(value, discs, exact=True)
        assert found == Outlook(50 + 50 * float(np.sign(discs)), discs)


def test_points_are_the_distance_of_blacks_chance_from_even_and_still_add_up(model: Model) -> None:
    for board in positions(12):
        found = explain(model, board)
        told = in_points(found)
        assert unit_of(found) == "points"
        assert told.value == pytest.approx(50 * math.tanh(found.value))
        assert told.closure == pytest.approx(0, abs=1e-3)
        assert np.allclose(told.squares / told.value, found.squares / found.value)
        sign = 1 if board.side == "X" else -1
        assert f": {50 + sign * told.value:.0f} % for black." in players_words(found)


def test_a_change_in_points_is_the_difference_of_two_chances(model: Model) -> None:
    board = Board.parse("f5d6c3d3c4f4")
    move = board.legal_moves()[0]
    before, after = (explain(model, each) for each in (board, board.play(move)))
    change = in_points(explain(model, board, f"change:{'abcdefgh'[move % 8]}{move // 8 + 1}"))
    assert change.value == pytest.approx(-50 * (math.tanh(after.value) + math.tanh(before.value)))


def test_nothing_that_a_player_reads_is_on_the_networks_own_scale(model: Model) -> None:
    board = Board.parse("f5d6c3d3c4f4")
    for target in ("value", "policy:e3", "policy:e3-c5", "q:e3", "q:e3-c5", "change:e3"):
        found = explain(model, board, target, simulations=40)
        told = in_points(found)
        words = f"{players_words(found)} {account_words(told)}"
        assert not re.search(r"\(−|\(\+", words) and re.search(r"%|points", words), words
        assert max(map(abs, (told.value, told.bias_total, told.squares.sum()))) <= 100
