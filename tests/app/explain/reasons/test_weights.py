"""Weights of facts against the maps and the interventions that they are made of."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from app.explain.move_effect import explain_change
from app.explain.network import planes_of
from app.explain.reasons.chosen import CHOSEN
from app.explain.reasons.facts import KINDS, facts_of, seen_by_other
from app.explain.reasons.weights import LEAST, Weight, exact, weigh
from othello.network.discs import CURVE
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, transform_action, transform_board
from othello.solver.solver import solve

if TYPE_CHECKING:
    from app.models import Model


def choices(count: int, seed: int, name: str = "") -> list[tuple[Board, int, int]]:
    """Positions of random games with two moves, the first of which has the fact."""
    source, found = random.Random(seed), []
    while len(found) < count:
        board = Board.initial()
        for _ in range(source.randrange(8, 44)):
            if board.is_over:
                break
            board = board.play(source.choice(board.legal_actions()))
        moves = list(board.legal_moves())
        source.shuffle(moves)
        moves.sort(key=lambda move, b=board: name != "" and not facts_of(b, move)[name].value)
        if len(moves) > 1 and (not name or facts_of(board, moves[0])[name].value):
            found.append((board, moves[0], moves[1]))
    return found


def of(weights: tuple[Weight, ...], name: str) -> Weight:
    return next(weight for weight in weights if weight.name == name)


def test_relevance_is_what_the_change_map_has_on_the_squares(model: Model) -> None:
    for board, move, rival in choices(6, seed=1):
        maps = [
            explain_change(model, board, each, composite="EpsilonGammaBox", bias="sink").change
            for each in (move, rival)
        ]
        weights = weigh(model, board, move, rival, symmetries=(0,))
        for kind in KINDS:
            if kind.name == "pass":
                continue
            weight = of(weights, kind.name)
            squares = [weight.squares, weight.rival_squares]
            first, second = (
                m.squares.ravel()[list(s)].sum() for m, s in zip(maps, squares, strict=True)
            )
            assert weight.relevance == pytest.approx(first - second, abs=1e-5), kind.name
            assert (weight.value, weight.squares) == (
                facts_of(board, move)[kind.name].value,
                facts_of(board, move)[kind.name].squares,
            )


def value_for(model: Model, board: Board, mover: str) -> float:
    own, opp = (np.array([word], np.uint64) for word in (board.own, board.opp))
    return CURVE(float(model.evaluator(own, opp)[1][0])) * (1 if board.side == mover else -1)


def test_a_corner_s_effect_is_what_its_owner_is_worth(model: Model) -> None:
    for board, move, _ in choices(3, seed=2, name="takes_corner"):
        after = board.play(move)
        after = after.pass_turn() if after.must_pass else after
        bit = 1 << move
        swapped = Board(after.black ^ bit, after.white ^ bit, after.side, 8)
        expected = value_for(model, after, board.side) - value_for(model, swapped, board.side)
        found = of(weigh(model, board, move, symmetries=(0,)), "takes_corner")
        assert found.effect == pytest.approx(expected, abs=1e-3)
        assert found.claim == 1


def test_a_given_corner_s_effect_is_what_the_plane_of_moves_says(model: Model) -> None:
    for board, move, _ in choices(3, seed=3, name="gives_corner"):
        after = board.play(move)
        planes = planes_of(model, [after, after]).clone()
        for square in facts_of(board, move)["gives_corner"].squares:
            planes[1, 2].view(-1)[square] = 0.0
        with torch.inference_mode():
            with_it, without = (-CURVE(float(v)) for v in model.network.eval()(planes)[1])
        found = of(weigh(model, board, move, symmetries=(0,)), "gives_corner")
        assert found.effect == pytest.approx(with_it - without, abs=1e-3)
        assert found.claim == -1
        assert found.control >= 0


def test_a_move_and_its_rival_change_places_with_the_signs(model: Model) -> None:
    for board, move, rival in choices(4, seed=4):
        pairs = zip(weigh(model, board, move, rival), weigh(model, board, rival, move))
        for one, other in pairs:
            if one.name in CHOSEN:
                continue
            assert one.claim == -other.claim or None in (one.value, other.value)
            assert one.relevance == pytest.approx(-other.relevance, abs=1e-5)
            assert one.effect == pytest.approx(-other.effect, abs=1e-3)
            assert one.control == pytest.approx(other.control, abs=1e-3)


def test_turned_boards_have_the_same_weights(model: Model) -> None:
    board, move, rival = choices(1, seed=5)[0]
    plain = weigh(model, board, move, rival, symmetries=SYMMETRIES)
    for turn in (1, 6):
        image = transform_board(board, turn)
        moves = (transform_action(move, turn), transform_action(rival, turn))
        for one, other in zip(plain, weigh(model, image, *moves, symmetries=SYMMETRIES)):
            assert one.relevance == pytest.approx(other.relevance, abs=1e-4)
            assert one.effect == pytest.approx(other.effect, abs=2e-3)


def test_a_fact_holds_only_where_both_weights_agree_and_the_control_is_exceeded() -> None:
    good = Weight("mobility", 3, 7, (1, 2, 3), (4,), relevance=0.2, effect=2.0, control=0.5)
    assert good.claim == 1
    assert good.holds
    spoiled = (
        {"relevance": -0.2},
        {"relevance": 0.0},
        {"effect": -2.0},
        {"effect": LEAST / 2},
        {"control": 2.5},
        {"rival_value": 3},
        {"value": None},
    )
    assert not any(replace(good, **change).holds for change in spoiled)


def test_the_exact_outcome_is_the_solver_s() -> None:
    board, move, _ = choices(1, seed=6)[0]
    assert exact(board.play(move)).value is None
    late = Board.parse("XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXOOOOOO-XOOOOOO- X")
    for square in late.legal_moves():
        solution = solve(late.play(square)) if not late.play(square).is_over else None
        score = late.play(square).score() if solution is None else -solution.score
        assert exact(late.play(square)).value == score


def test_a_position_seen_by_the_other_side_has_the_same_discs() -> None:
    other = seen_by_other(Board.initial())
    assert (other.black, other.side) == (Board.initial().black, "O")


def test_a_chosen_reply_is_the_strongest_that_only_one_of_two_moves_leaves(model: Model) -> None:
    for board, move, rival in choices(4, seed=7):
        weights = weigh(model, board, move, rival, symmetries=(0,))
        turned = weigh(model, board, rival, move, symmetries=(0,))
        mine = set(of(weights, "mobility").squares) - set(of(weights, "gives_corner").squares)
        theirs = set(of(weights, "mobility").rival_squares)
        allowed, denied = of(weights, "lets_in"), of(turned, "keeps_out")
        assert bool(allowed.value) == bool(mine - theirs)
        if allowed.value:
            (square,) = allowed.squares
            assert square in mine - theirs
            assert (denied.squares, denied.claim, allowed.claim) == ((square,), 1, -1)
            assert denied.effect == pytest.approx(-allowed.effect, abs=1e-3)
            assert denied.relevance == pytest.approx(-allowed.relevance, abs=1e-5)
            after = board.play(move)
            replies = after.legal_moves()
            planes = planes_of(model, [after] * (len(replies) + 1)).clone()
            for row, reply in enumerate(replies):
                planes[row, 2].view(-1)[reply] = 0.0
            with torch.inference_mode():
                *less, whole = (-CURVE(float(v)) for v in model.network.eval()(planes)[1])
            worth = {reply: whole - value for reply, value in zip(replies, less)}
            assert allowed.effect == pytest.approx(min(worth[s] for s in mine - theirs), abs=1e-3)
