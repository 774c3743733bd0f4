"""Sentences about moves: what they claim, and what they leave out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.explain.reasons.chosen import CHOSEN
from app.explain.reasons.phrases import phrase
from app.explain.reasons.sentence import CORNERS, MISTAKE, Speech, why
from app.explain.reasons.weights import BETTER, Weight
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import parse_moves, square_name
from othello.search.result import MoveStatistics, SearchResult
from othello.search.search import Search

if TYPE_CHECKING:
    from app.models import Model

GAME = "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6f7a5a3a2a7c1b7g3g2c8b8e8"


def searched(board: Board, *rows: tuple[str, int, float | None]) -> SearchResult:
    """A search's result made up of moves, tries and values."""
    squares = {square_name(s, board.size): s for s in board.legal_moves()}
    known = {name for name, *_ in rows}
    every = [*rows, *((name, 0, None) for name in squares if name not in known)]
    moves = tuple(MoveStatistics(squares[name], n, 0.1, q, 0.0) for name, n, q in every)
    total = sum(visits for _, visits, _ in rows)
    return SearchResult(board, 0.0, 0.0, moves, (), total, total, 0.0)


def test_what_a_sentence_says_holds_and_is_outlined(model: Model) -> None:
    search = Search(model.evaluator)
    said = 0
    for board in list(Board.initial().replay(parse_moves(GAME, 8)))[6:40:3]:
        if len(board.legal_moves()) < 2:
            continue
        found = why(model, search.run(board, 60))
        report = found.as_json()
        json.dumps(report, allow_nan=False)
        spoken = [weight for weight in found.facts if weight.name in found.spoken]
        said += bool(spoken)
        assert len(spoken) <= 2
        assert all(weight.holds and weight.claim == 1 for weight in spoken)
        assert all(
            weight.squares or weight.rival_squares or weight.name in ("pass", "exact")
            for weight in spoken
        )
        if found.rival is None:
            continue
        assert bool(spoken) != ("no single reason stands out" in found.sentence)
        assert report["sentence"].startswith(f"{report['move']} rather than {report['rival']}: ")
        assert (
            f"{report['tries']} of 60 tries, {round(report['expected_percent'])} % for black"
            in found.sentence
        )
        assert [fact["name"] for fact in report["facts"]] == list(BETTER)
        assert [fact["name"] for fact in report["facts"] if fact["spoken"]] == sorted(
            found.spoken, key=list(BETTER).index
        )
        assert set(report) == {
            "schema", "position", "move", "rival", "sentence", "tries", "expected_discs", "expected_percent", "facts",
        }  # fmt: skip
    assert said >= 3


def test_a_mistake_says_what_it_gives_and_what_it_costs(model: Model) -> None:
    board = Board.parse("f5d6c3d3c4f4f6")
    result = searched(
        board,
        *[(square_name(s, 8), 10, 0.9 - 0.9 * i) for i, s in enumerate(board.legal_moves()[:3])],
    )
    best, _, worst = (move.square for move in result.moves[:3])
    found = why(model, result, worst)
    assert found.rival == best
    assert found.sentence.startswith(f"{square_name(worst, 8)}? ")
    assert f"better {square_name(best, 8)}, costs " in found.sentence
    assert found.expected_percent == pytest.approx(50 * (1 - (0.9 - 1.8)))  # white is to move
    spoken = [weight for weight in found.facts if weight.name in found.spoken]
    assert all(weight.holds and weight.claim == -1 for weight in spoken)


def test_a_small_loss_is_no_mistake(model: Model) -> None:
    board = Board.initial()
    found = why(model, searched(board, ("d3", 50, 0.1), ("c4", 50, 0.1 - 0.005 * MISTAKE)), 26)
    assert found.sentence.startswith("c4 rather than d3: ")


@pytest.mark.parametrize(
    ("side", "q", "rival_q", "solved", "said"),
    [
        ("X", -0.5, 0.5, False, "stands out, but the search expects 20.0 discs less for black;"),
        ("O", 0.5, -0.5, False, "stands out, but the search expects 20.0 discs more for white;"),
        ("X", 0.5, 0.5, False, "stands out, and the search expects as much from both;"),
        ("O", 0.0, 0.001, False, "stands out, and the search expects as much from both;"),
        ("X", 0.1, 0.2, True, "stands out, but best play brings 1.0 discs less for black;"),
    ],
)
def test_without_a_reason_the_sentence_says_which_move_is_expected_to_bring_more(
    side: str, q: float, rival_q: float, solved: bool, said: str
) -> None:
    board = replace(Board.initial(), side=side)
    first, second, *_ = (square_name(s, 8) for s in board.legal_moves())
    result = searched(board, (first, 50, q), (second, 50, rival_q))
    worth = [2.0, 3.0] if solved else [20 * q, 20 * rival_q]
    spoken, sentence = Speech(result, result.moves[:2], worth, solved, ()).words()
    assert spoken == ()
    assert sentence.startswith(f"{first} rather than {second}: no single reason ")
    assert said in sentence
    assert "difference" not in sentence


def test_what_the_move_alone_is_worth_for_certain_is_what_is_expected(model: Model) -> None:
    result = searched(Board.initial(), ("d3", 50, -0.1), ("c4", 50, -0.2))
    found = why(model, result, 19, known={19: 22.0})
    assert (found.expected_percent, found.expected_discs) == (100.0, 22.0)
    assert found.sentence.endswith("50 of 100 tries, 100 % for black, +22.0 discs.")
    assert "best play" not in found.sentence


def test_nothing_is_claimed_for_a_move_that_was_not_tried(model: Model) -> None:
    result = searched(Board.initial(), ("d3", 50, 0.1))
    found = why(model, result, 26)
    assert found.sentence == "c4: the search did not try it, so nothing is claimed."
    assert (found.spoken, found.expected_discs, found.expected_percent) == ((), None, None)
    found = why(model, result, 19, 26)
    assert found.sentence.startswith("d3: the search did not try c4, so nothing is claimed beside")
    found = why(model, result)
    assert found.rival is None
    assert found.sentence.startswith(
        "d3: no other move was tried; at first sight the network gave it 10 % and c4 10 %; 50 of 50 tries, 55 %"
    )


def test_a_move_without_a_rival_is_told_beside_the_one_that_the_network_likes_next() -> None:
    result = searched(Board.initial(), ("d3", 50, 0.1))
    priors = {19: 0.93, 26: 0.01, 37: 0.056, 44: 0.004}
    moves = tuple(replace(each, prior=priors[each.square]) for each in result.moves)
    result = replace(result, moves=moves)
    spoken, sentence = Speech(result, moves[:1], [1.0], False, ()).words()
    assert spoken == () and "the network gave it 93 % and f5 6 %; 50 of 50 tries" in sentence
    result = replace(result, moves=moves[:1])
    _, sentence = Speech(result, moves[:1], [1.0], False, ()).words()
    assert sentence.startswith("d3: it is the only move; 50 of 50 tries")


@pytest.mark.parametrize(
    ("move", "rival", "said"),
    [
        (0, None, "move a1 is illegal for black; legal: d3"),
        (19, 0, "rival a1 is illegal"),
        (19, 19, "rival d3: it is the move itself"),
    ],
)
def test_bad_moves_are_named(model: Model, move: int, rival: int | None, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        why(model, searched(Board.initial(), ("d3", 1, 0.0)), move, rival)


def test_every_fact_has_words_for_and_against() -> None:
    board = Board.initial()
    for name in BETTER:
        for value, rival in ((0, 2), (2, 0), (1, 3)):
            squares = ((0, 7, 56)[:value], (0, 7, 56)[:rival])
            weight = Weight(name, value, rival, *squares, 0.0, 0.0, 0.0)
            for side in ("X", "O"):
                words = phrase(weight, replace(board, side=side), 19)
                if name in CHOSEN and weight.claim != CHOSEN[name]:
                    continue  # such a fact is not made
                assert words
                assert "  " not in words
    mobile = Weight("mobility", 5, 7, (1,), (2,), 0.1, 1.0, 0.0)
    assert phrase(mobile, board, 19) == "leaves white 5 moves instead of 7"
    closed = Weight("gives_corner", 0, 1, (), (7,), 0.1, 1.0, 0.0)
    assert phrase(closed, board, 19) == "keeps h1 closed"
    given = Weight("gives_corner", 1, 0, (63,), (), -0.1, -1.0, 0.0)
    assert phrase(given, board, 19) == "gives white h8"
    ends = Weight("exact", 6, -2, (), (), 0.1, 8.0, 0.0)
    assert phrase(ends, replace(board, side="O"), 19) == "ends at −6 with best play instead of +2"
    kept = Weight("keeps_out", 1, 0, (19,), (), 0.1, 1.0, 0.0)
    assert phrase(kept, board, 26) == "keeps white out of d3"
    assert phrase(kept, board, 19) == "takes d3 before white can"


def test_one_thing_is_not_said_twice(model: Model) -> None:
    search = Search(model.evaluator)
    for board in list(Board.initial().replay(parse_moves(GAME, 8)))[24:44:4]:
        if len(board.legal_moves()) < 2:
            continue
        found = why(model, search.run(board, 40))
        said = [weight for weight in found.facts if weight.name in found.spoken]
        corners = {s for w in said if w.name in CORNERS for s in w.about}
        assert not any(w.name in CHOSEN and corners.issuperset(w.squares) for w in said)
        assert (
            not {"x_square", "c_square"} & set(found.spoken) or "gives_corner" not in found.spoken
        )
