"""Facts of a sentence where the search's line ends, against the network asked there by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from app.explain.network import planes_of
from app.explain.reasons.line import followed, line_end
from app.explain.reasons.sentence import Reasons, why
from app.explain.reasons.weights import USUAL, Weight
from othello.network.discs import CURVE
from othello.rules.board import Board
from othello.rules.notation import parse_moves
from othello.rules.symmetry import transform_board, transform_planes
from othello.search.result import SearchResult
from othello.search.search import Search

if TYPE_CHECKING:
    from app.models import Model

GAME = "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6f7a5a3a2a7c1b7g3g2c8b8e8"


def searched(model: Model, ply: int, tries: int = 60) -> SearchResult:
    boards = list(Board.initial().replay(parse_moves(GAME, 8)))
    return Search(model.evaluator).run(boards[ply], tries)


def saying(found: Reasons, weight: Weight) -> Reasons:
    return replace(found, facts=(weight,), spoken=(weight.name,))


def end_of(result: SearchResult) -> Board:
    board = result.board
    for square in result.principal_variation:
        board = (board.pass_turn() if board.must_pass else board).play(square)
    return board.pass_turn() if board.must_pass else board


def test_discs_that_are_still_there_change_their_owner_where_the_line_ends(model: Model) -> None:
    result = searched(model, 20)
    end, mover = end_of(result), result.board.side
    own = end.black if mover == "X" else end.white
    mine = [square for square in range(64) if own >> square & 1]
    gone = next(square for square in range(64) if not own >> square & 1)
    fact = Weight("stable", 3, 0, (*mine[:2], gone), (), 0.1, 1.0, 0.0)
    found = followed(model, result, saying(why(model, result), fact)).lines["stable"]

    def value(board: Board) -> float:
        images = [transform_board(board, s) for s in USUAL]
        words = (np.array([getattr(b, side) for b in images], np.uint64) for side in ("own", "opp"))
        sign = 1 if board.side == mover else -1
        return sign * float(CURVE(model.evaluator(*words)[1], 8).mean())

    changed = [Board(end.black ^ 1 << s, end.white ^ 1 << s, end.side, 8) for s in mine[:2]]
    expected = sum(value(end) - value(board) for board in changed)
    assert found.effect == pytest.approx(expected, abs=2e-3)
    assert found.control >= 0


def test_a_move_that_is_kept_from_the_other_side_is_given_to_it_there(model: Model) -> None:
    result = searched(model, 20)
    end, mover = end_of(result), result.board.side
    plane = 3 if end.side == mover else 2  # the network's planes of moves: to move, the other
    planes = planes_of(model, [end])[0].numpy()
    taken = end.black | end.white
    shut = next(s for s in range(64) if not taken >> s & 1 and not planes[plane].reshape(-1)[s])
    fact = Weight("keeps_out", 1, 0, (shut,), (), 0.1, 1.0, 0.0)
    found = followed(model, result, saying(why(model, result), fact)).lines["keeps_out"]
    given = planes.copy()
    given[plane].reshape(-1)[shut] = 1.0
    pair = np.stack([planes, given])
    images = np.concatenate([transform_planes(pair, s) for s in USUAL])
    with torch.inference_mode():
        values = model.network.eval()(torch.from_numpy(images))[1].reshape(-1).double().numpy()
    before, after = CURVE(values, 8).reshape(-1, 2).mean(0) * (1 if end.side == mover else -1)
    assert found.effect == pytest.approx(before - after, abs=2e-3)


def test_there_is_nothing_to_follow_where_the_search_has_no_line(model: Model) -> None:
    result = searched(model, 20)
    other = result.moves[1].square
    assert line_end(model, result, other) is None
    found = why(model, result, other)
    assert followed(model, result, found) is found
    alone = replace(result, principal_variation=result.principal_variation[:1])
    assert line_end(model, alone, result.moves[0].square) is None


def test_what_is_gone_has_no_weight_and_json_says_so(model: Model) -> None:
    result = searched(model, 20)
    end = end_of(result)
    own = end.black if result.board.side == "X" else end.white
    gone = next(square for square in range(64) if not own >> square & 1)
    fact = Weight("stable", 1, 0, (gone,), (), 0.1, 1.0, 0.0)
    found = followed(model, result, saying(why(model, result), fact))
    assert found.lines == {}
    assert [fact["line"] for fact in found.as_json()["facts"]] == [None]
    kept = followed(model, result, why(model, result))
    for fact in kept.as_json()["facts"]:
        assert (fact["line"] is None) == (fact["name"] not in kept.lines)
