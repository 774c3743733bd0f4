"""Why this move: the answer is drawn as it is, a chip names the squares to outline, and details wait to be unfolded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from app.explain.reasons.sentence import why as reasons_for
from app.game.session import Session, Strength
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name
from othello.search.search import Search

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

from app.web.views.why import Chip, Why, told

if TYPE_CHECKING:
    from app.explain.reasons.sentence import Reasons
    from app.models import Model

WHY = Why(
    "Black takes the corner *a1*, which nobody can turn.",
    (
        Chip("corner", (0,), "+2.1 discs"),
        Chip("turns a wall", (9, 17, 25), "+0.8 discs"),
        Chip("<b>x</b>", (63,), "−0.3 discs"),
        Chip("a fourth", (5,), "+0.1 discs"),
    ),
    "72 % for black, by about 6 discs.",
)
SOURCE = """
import streamlit as st
from app.web.components import parts
from app.web.views import why
from othello.rules.board import Board

answer = st.session_state["answer"]
parts.board(Board.initial(), key="board", over={"outlined": why.outlined(answer)})
st.session_state["outlined"] = why.outlined(answer)
why.draw(answer, view=lambda: st.caption("the map"), biases=lambda: st.caption("the biases"))
"""


def page(why: Why) -> AppTest:
    """The answer under a board."""
    test = AppTest.from_string(SOURCE, default_timeout=60)
    test.session_state["answer"] = why
    test.run()
    assert not test.exception
    return test


def words(test: AppTest) -> str:
    """All words on the page, with the backslashes of Markdown taken off."""
    found = [str(one.value) for one in [*test.markdown, *test.caption]]
    return "\n".join(found).replace("\\", "").replace("\u00a0", " ")


def test_the_sentence_the_expectations_and_three_chips_are_drawn_letter_by_letter() -> None:
    test = page(WHY)
    assert WHY.sentence in words(test) and WHY.expectations in words(test)
    (group,) = test.button_group
    shown = [option.replace("\\", "").replace("\u2060", "") for option in group.options]
    assert shown == ["corner · +2.1 discs", "turns a wall · +0.8 discs", "<b>x</b> · −0.3 discs"]
    assert not any("<b>" in option for option in group.options)


def test_a_chip_outlines_its_squares_and_lets_them_go_again() -> None:
    test = page(WHY)
    assert test.session_state["outlined"] == ()
    for chip in WHY.chips[:3]:
        test.button_group[0].set_value(chip.words).run()
        assert test.session_state["outlined"] == chip.squares
    test.button_group[0].set_value(None).run()
    assert test.session_state["outlined"] == ()


def test_a_chip_that_was_not_offered_outlines_nothing() -> None:
    test = AppTest.from_string(SOURCE, default_timeout=60)
    test.session_state["answer"] = WHY
    test.session_state["why_chips"] = "a fourth · +0.1 discs"
    test.run()
    assert not test.exception and test.session_state["outlined"] == ()


def test_the_networks_view_is_folded_away_and_the_biases_within_it() -> None:
    test = page(WHY)
    assert "the map" not in words(test) and "the biases" not in words(test)
    test.session_state["why_view"] = True
    test.run()
    assert "the map" in words(test) and "the biases" not in words(test)
    test.toggle[0].set_value(True).run()
    assert "the biases" in words(test)


@pytest.mark.parametrize("why", [Why("Its only move."), Why("Passed.", expectations="Even.")])
def test_an_answer_without_reasons_has_no_row_of_chips(why: Any) -> None:
    test = page(why)
    assert why.sentence in words(test) and len(test.button_group) == 0


# Under the board of a game -----------------------------------------------------------------------------------

PLAY = "from app.web.views import play\nplay.page()\n"
PLIES = "f5d6c3d3c4f4f6f3e6"  # white is to move; its reply stands out by a reason


def played(test: AppTest) -> AppTest:
    """The page after a run in which nothing went wrong."""
    test.run()
    assert not test.exception and not test.error
    return test


def table(game: Session, **held: Any) -> AppTest:
    """The Play page with a game, its widgets holding `held`."""
    test = AppTest.from_string(PLAY, default_timeout=240)
    test.session_state["game"] = game
    for name, value in held.items():
        test.session_state[name] = value
    return played(played(test))


def game_after(model: Model, moves: str, seat: str = "black", simulations: int = 100) -> Session:
    """A game with these moves played."""
    game = Session(model, seat=seat, strength=Strength(simulations))  # type: ignore[arg-type]
    game.open(moves)
    return game


def reasons_of(game: Session, ply: int, rival: str | None = None) -> Reasons:
    """The session's reasons for the move at a ply."""
    action = game.action_at(ply)
    assert action is not None
    found = game.why(ply, action, None if rival is None else parse_square(rival))
    assert found is not None
    return found


def says(test: AppTest, found: Reasons) -> bool:
    """Whether the page gives these reasons, with what they expect of the game."""
    why = told(found)
    return why.sentence in words(test) and why.expectations in words(test)


def chips_of(test: AppTest) -> list[Any]:
    return [group for group in test.button_group if str(group.key).startswith("why_chips")]


def on_board(test: AppTest) -> list[int]:
    """The squares that the board is told to outline."""
    (found,) = re.findall(r'"outlined": ?\[([\d, ]*)\]', board_data(test))
    return [int(number) for number in re.findall(r"\d+", found)]


def board_data(test: AppTest) -> str:
    protos = (str(getattr(one, "proto", "")) for one in everything(test.main))
    texts = (text.replace('\\"', '"') for text in protos)
    return next(text for text in texts if '"outlined":' in text)


def everything(block: Any) -> list[Any]:
    """All elements of a page."""
    found = []
    for child in block.children.values():
        found += [child, *(everything(child) if hasattr(child, "children") else [])]
    return found


def test_the_answer_is_the_sentence_in_two_lines_with_a_chip_for_every_spoken_fact(
    model: Model,
) -> None:
    board = Board.parse(PLIES)
    result = Search(model.evaluator).run(board, 60)
    found = {move.square: reasons_for(model, result, move.square) for move in result.moves}
    assert {each.expected_discs is None for each in found.values()} == {False, True}
    spoken = reasons_for(model, Search(model.evaluator).run(board, 100))
    assert spoken.spoken
    for each in (*found.values(), spoken):
        why = told(each)
        if each.expected_discs is None:
            assert why == Why(each.sentence)
            continue
        numbers = why.expectations.removeprefix("After search: ").removesuffix(
            " (black minus white)"
        )
        assert f"{why.sentence.removesuffix('.')}; {numbers}." == each.sentence
        assert re.match(rf"{each.tries} of (60|100) tries, ", numbers)
        assert len(why.chips) == len(each.spoken)
        facts = {fact.name: fact for fact in each.facts}
        for chip, name in zip(why.chips, each.spoken):
            assert chip.label in each.sentence or chip.label.capitalize() in each.sentence
            assert chip.squares == (facts[name].about or (each.move,))
            gains = "white" if facts[name].effect > 0 else "black"
            assert chip.weight == f"{abs(facts[name].effect):.1f} discs for {gains}"


def test_the_reply_is_explained_and_a_chip_outlines_its_squares_on_the_board(model: Model) -> None:
    game = game_after(model, PLIES)
    test = table(game)
    found = reasons_of(game, 9)
    assert found.spoken and says(test, found) and on_board(test) == []
    (group,) = chips_of(test)
    for chip in told(found).chips:
        group.set_value(chip.words)
        assert on_board(played(test)) == list(chip.squares)
    game.play(game.board.legal_moves()[0])
    played(played(test))
    assert says(test, reasons_of(game, 11)) and on_board(test) == []


def test_nothing_is_said_or_outlined_while_explanations_are_hidden(model: Model) -> None:
    test = table(game_after(model, PLIES), reveal="Never")
    assert not chips_of(test) and "tries" not in words(test) and "rather than" not in words(test)
    assert not any(str(box.key).startswith("why") for box in test.selectbox)


def test_a_move_that_nobody_searched_is_searched_when_that_is_asked(model: Model) -> None:
    game = game_after(model, "f5d6c3", seat="both")
    test = table(game)
    assert "c3: no search was made before it, so nothing is claimed." in words(test)
    (button,) = [one for one in test.button if one.key == "why_search"]
    button.click()
    played(test)
    assert game.search_of(2).simulations == 100  # type: ignore[union-attr]
    assert says(test, reasons_of(game, 2)) and "nothing is claimed" not in words(test)


def test_another_move_that_was_searched_can_be_named_until_the_game_goes_on(model: Model) -> None:
    game = game_after(model, PLIES, seat="both")
    game.undo()
    result = game.analyse(8, 100)
    assert result is not None
    game.redo()
    test = table(game)
    (box,) = [one for one in test.selectbox if str(one.key).startswith("why_rival")]
    tried = [move for move in result.moves if move.visits and move.square != game.action_at(8)]
    assert box.options == [f"Why not {square_name(move.square, 8)}?" for move in tried]
    assert len(tried) > 1
    rival = square_name(tried[-1].square, 8)
    box.set_value(rival)
    played(test)
    assert (
        says(test, reasons_of(game, 8, rival))
        and f"{rival}" in told(reasons_of(game, 8, rival)).sentence
    )
    game.undo()
    game.analyse(7, 100)
    played(played(test))
    assert says(test, reasons_of(game, 7))


def test_a_reviewed_mistake_is_explained_beside_the_better_move(model: Model) -> None:
    game = game_after(model, "f5d6c3d3c4f4f6b3", seat="both")  # b3 costs discs
    test = table(game)
    game.goto(game.length - 1)  # a review is offered before the end of a line
    played(test)
    (button,) = [one for one in test.button if one.key == "do_review"]
    button.click()
    played(test)
    loss = max(test.session_state["review"], key=lambda each: each.loss)
    assert loss.loss > 0
    game.goto(loss.ply)
    test.session_state["judged"] = (game.serial, loss)
    played(test)
    found = reasons_of(game, loss.ply, loss.best)
    assert says(test, found) and loss.best in found.sentence and found.tries > 0


def test_the_networks_view_is_the_map_of_what_the_move_changes(model: Model) -> None:
    test = table(game_after(model, PLIES))
    maps = board_count(test)
    test.session_state["why_view"] = True
    played(test)
    assert board_count(test) == maps + 1
    (switch,) = [one for one in test.toggle if str(one.key).startswith("why_biases")]
    switch.set_value(True)
    assert board_count(played(test)) == maps + 2


def board_count(test: AppTest) -> int:
    return sum("othello_board" in str(getattr(one, "proto", "")) for one in everything(test.main))


def test_a_position_that_no_game_reaches_is_explained_by_saying_so(model: Model) -> None:
    game = Session(model, seat="both", start=Board.parse("XO" + "-" * 62), strength=Strength(16))
    game.analyse(0, 16)
    game.play("c1")
    assert "no game reaches this position" in words(table(game))


def test_after_a_reply_one_chance_stands_under_the_board_and_the_maps_says_whose_it_is(
    model: Model,
) -> None:
    game = game_after(model, PLIES)
    test = table(game)
    first = "Agent: "
    assert not [one.value for one in test.caption if one.value.startswith(first)]
    assert "After search: " in words(test)
    move = game.line.action_at(game.line.decision or 0)
    assert f"Before {square_name(move or 0)}, the value of the position" in words(test)
    assert ", at first sight: " in words(test)
    begun = table(Session(model))  # where nothing is told yet, the network's view stands there
    assert [one.value for one in begun.caption if one.value.replace("\\", "").startswith(first)]
