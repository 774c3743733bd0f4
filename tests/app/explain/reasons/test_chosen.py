"""Facts about a chosen square, against the rules walked by hand and the network asked directly."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from app.explain.network import planes_of
from app.explain.reasons.chosen import CHOSEN
from app.explain.reasons.weights import Weight, weigh
from othello.network.discs import CURVE
from othello.rules.board import Board, squares_of

if TYPE_CHECKING:
    from app.models import Model


def choices(count: int, seed: int) -> list[tuple[Board, int, int]]:
    """Positions of random games with two moves."""
    source, found = random.Random(seed), []
    while len(found) < count:
        board = Board.initial()
        for _ in range(source.randrange(10, 44)):
            board = board if board.is_over else board.play(source.choice(board.legal_actions()))
        if len(board.legal_moves()) > 1:
            move, rival = source.sample(board.legal_moves(), 2)
            found.append((board, move, rival))
    return found


def turned(board: Board, move: int) -> set[int]:
    """The discs that a move turns, walked along its eight lines."""
    own, opp = (set(squares_of(word, 8)) for word in (board.own, board.opp))
    row, column = divmod(move, 8)
    found: set[int] = set()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            line, at = [], (row + down, column + right)
            while (down or right) and all(0 <= k < 8 for k in at) and 8 * at[0] + at[1] in opp:
                line.append(8 * at[0] + at[1])
                at = (at[0] + down, at[1] + right)
            if all(0 <= k < 8 for k in at) and 8 * at[0] + at[1] in own:
                found.update(line)
    return found


def of(weights: tuple[Weight, ...], name: str) -> Weight:
    return next(weight for weight in weights if weight.name == name)


def worth_of_disc(model: Model, board: Board, move: int, disc: int) -> float:
    """What a disc is worth to the mover after a move: the value as it is less that with the disc's owner swapped."""
    after = board.play(move)
    after = after.pass_turn() if after.must_pass else after
    bit, values = 1 << disc, []
    for each in (after, Board(after.black ^ bit, after.white ^ bit, after.side, 8)):
        own, opp = (np.array([word], np.uint64) for word in (each.own, each.opp))
        sign = 1 if each.side == board.side else -1
        values.append(sign * CURVE(float(model.evaluator(own, opp)[1][0])))
    return values[0] - values[1]


def worth_of_reply(model: Model, board: Board, move: int, reply: int) -> float:
    """What a reply is worth to the mover after a move: the value less that with the reply's square put out."""
    planes = planes_of(model, [board.play(move)] * 2).clone()
    planes[1, 2].view(-1)[reply] = 0.0
    with torch.inference_mode():
        whole, less = (-CURVE(float(value)) for value in model.network.eval()(planes)[1])
    return whole - less


def test_a_disc_that_one_move_alone_turns_is_the_most_harmful_of_them(model: Model) -> None:
    seen = 0
    for board, move, rival in choices(3, seed=1):
        weights = weigh(model, board, move, rival, symmetries=(0,))
        back = weigh(model, board, rival, move, symmetries=(0,))
        alone = turned(board, rival) - turned(board, move)
        spares, overturns = of(weights, "spares"), of(back, "overturns")
        assert bool(spares.value) == bool(overturns.value) == bool(alone)
        if not alone:
            continue
        seen += 1
        worth = {disc: worth_of_disc(model, board, rival, disc) for disc in alone}
        assert spares.effect == pytest.approx(-min(worth.values()), abs=1e-3)
        assert spares.squares == overturns.squares
        assert set(spares.squares) <= alone
        assert (spares.claim, overturns.claim) == (1, -1)
        assert overturns.effect == pytest.approx(-spares.effect, abs=1e-3)
        assert overturns.relevance == pytest.approx(-spares.relevance, abs=1e-5)
        assert overturns.control == pytest.approx(spares.control, abs=1e-3)
    assert seen >= 2


def test_what_both_moves_leave_counts_by_its_difference(model: Model) -> None:
    seen = 0
    for board, move, rival in choices(12, seed=2):
        first, second = board.play(move), board.play(rival)
        both = sorted(set(first.legal_moves()) & set(second.legal_moves()))
        if not both or seen == 3:
            continue
        seen += 1
        among = {"keeps_out": (both[0],), "lets_in": (both[0],)}
        weights = weigh(model, board, move, rival, (0,), among=among)
        gap = worth_of_reply(model, board, move, both[0]) - worth_of_reply(
            model, board, rival, both[0]
        )
        assert of(weights, "keeps_out").effect == pytest.approx(gap, abs=1e-3)
        assert of(weights, "lets_in").effect == pytest.approx(gap, abs=1e-3)
        assert of(weights, "keeps_out").squares == (both[0],)
    assert seen == 3


def test_a_square_that_is_no_move_and_no_disc_of_the_mover_makes_no_fact(model: Model) -> None:
    board, move, rival = choices(1, seed=3)[0]
    nowhere = {
        name: (27,) if name in ("keeps_out", "lets_in", "opens") else (move, rival)[:0]
        for name in CHOSEN
    }
    assert all(
        of(weigh(model, board, move, rival, (0,), among=nowhere), n).value == 0 for n in CHOSEN
    )
