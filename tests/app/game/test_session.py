"""The game object under both front ends: a line of moves, undo and redo, the agent's replies, values, threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.game.session import SEATS, Session, Strength
from othello.errors import IllegalMove, OthelloError, ParseError
from othello.rules.board import Board
from othello.rules.notation import format_moves, parse_moves

FULL = (
    "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6f7a5a3a2a7c1b7g3g2c8b8e8d1e1f1b2a6a8h2h1g1f2g7"
    "g8a1b1h8h7"
)
PASSING = (
    "e6f4e3d2d3e7f2c5d6g1b4c2f5g4d1a3b5b6g5f6c4f3e8h6h4d7b1h5f7f8"
    "c7b7g2c3b3b2g8c1h3e1d8a1a4g3a2c6a6a5f1a7c8h1b8h2e2g6g7a8"
)


def test_a_transcript_opens_at_its_end_and_walks_back_to_the_start() -> None:
    game = Session(seat="both")
    game.open(FULL)
    assert game.board.is_over and game.transcript == FULL and game.cursor == game.length
    boards = [str(game.board)]
    while game.cursor:
        game.undo()
        boards.append(str(game.board))
    assert boards[-1] == str(Board.initial())
    for text in reversed(boards[:-1]):
        game.redo()
        assert str(game.board) == text


def test_a_forced_pass_is_played_and_told() -> None:
    game = Session(seat="both")
    game.open(PASSING)
    assert game.passed == "black" and game.board.side == "O" and game.human_to_move
    game.undo()
    assert game.board.side == "O" and game.action_at(game.cursor) is not None
    game.redo()
    assert game.passed == "black"


def test_playing_after_going_back_cuts_the_line_unless_it_is_the_same_move() -> None:
    game = Session(seat="both")
    game.open("f5d6c3d3")
    game.goto(2)
    assert game.play("c3") and game.length == 4 and game.cursor == 3
    game.goto(2)
    assert game.play("c4") and game.length == 3 and game.transcript == "f5d6c4"


def test_a_move_for_another_ply_is_ignored() -> None:
    game = Session(seat="both")
    assert game.play("f5", ply=0)
    assert not game.play("d6", ply=0) and game.transcript == "f5"


def test_an_illegal_move_leaves_the_game_as_it_was() -> None:
    game = Session(seat="both")
    game.open("f5d6")
    with pytest.raises(IllegalMove, match="legal"):
        game.play("a1")
    with pytest.raises(OthelloError):
        game.open("f5f5")
    with pytest.raises(ParseError):
        game.open("<script>alert(1)</script>")
    assert game.transcript == "f5d6" and game.cursor == 2


def test_undo_returns_to_the_persons_own_turn(model: Any) -> None:
    game = Session(model, seat="black", strength=Strength(8))
    game.play("f5")
    assert game.agent_to_move and not game.human_to_move
    game.reply()
    assert game.human_to_move and game.length == 2
    game.undo()
    assert game.cursor == 0 and not game.agent_to_move and game.human_to_move
    game.redo()
    assert game.cursor == 2


@pytest.mark.parametrize(
    "strength",
    [
        Strength(0),
        Strength(0, temperature=1.0),
        Strength(16),
        Strength(16, temperature=1.0),
        Strength(seconds=0.05),
    ],
    ids=str,
)
def test_the_agent_plays_a_whole_game_at_every_strength(strength: Strength, model: Any) -> None:
    game = Session(model, seat="watch", strength=strength, seed=1)
    game.open("f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6", seat="watch")
    while not game.board.is_over:
        game.reply()
    *_, last = Board.initial().replay(parse_moves(game.transcript))
    assert last == game.board


def test_temperature_0_repeats_and_a_seed_repeats_the_rest(model: Any) -> None:
    def line(seed: int, temperature: float) -> str:
        game = Session(
            model, seat="watch", strength=Strength(8, temperature=temperature), seed=seed
        )
        for _ in range(6):
            game.reply()
        return game.transcript

    assert line(1, 0.0) == line(2, 0.0)
    assert line(1, 1.5) == line(1, 1.5)


@pytest.mark.parametrize("opponent", ["random", "greedy", "alphabeta:2"])
def test_other_opponents_take_the_agents_seat(opponent: str, model: Any) -> None:
    game = Session(model, seat="black", opponent=opponent)
    game.play("f5")
    assert game.reply() in Board.parse("f5").legal_moves()


def test_values_are_blacks_and_end_with_the_outcome(model: Any) -> None:
    game = Session(model, seat="both")
    game.open(FULL)
    plies = game.plies()
    assert len(plies) == game.length + 1 and all(
        -1 <= ply.value <= 1 for ply in plies if ply.value is not None
    )
    score = game.board.score()
    assert plies[-1].value == (score > 0) - (score < 0)
    start = plies[0]
    assert start.value == pytest.approx(game.network_value(start.board))
    assert plies[1].value == pytest.approx(-game.network_value(plies[1].board))


def test_a_review_finds_the_move_that_threw_a_solved_game_away(model: Any) -> None:
    game = Session(model, seat="both")
    game.open(FULL)
    losses = game.review(simulations=4)
    assert losses == sorted(losses, key=lambda loss: -loss.loss) and all(
        0 <= loss.loss <= 2 for loss in losses
    )
    exact = {loss.ply: loss.loss for loss in losses if loss.ply >= game.length - 10}
    assert set(exact.values()) <= {0.0, 1.0, 2.0}


def test_explanations_are_kept_and_belong_to_their_ply(model: Any) -> None:
    game = Session(model, seat="both")
    game.open("f5d6c3")
    first = game.explain(1, "value")
    assert game.explain(1, "value") is first and first.board == game.board_at(1)
    assert game.explain(2, "value") is not first


def test_the_decision_is_the_agents_last_move(model: Any) -> None:
    game = Session(model, seat="black", strength=Strength(4))
    assert game.decision() is None
    game.play("f5")
    assert game.decision() == 1
    game.reply()
    assert game.decision() == 1
    game.play(game.board.legal_moves()[0])
    assert game.decision() == 3
    game.seat = "both"
    assert game.decision() == 2


def test_many_threads_leave_one_legal_line(model: Any) -> None:
    game = Session(model, seat="both")
    failures: list[BaseException] = []

    def play() -> None:
        for _ in range(30):
            try:
                board = game.board
                if board.is_over:
                    return
                game.play(board.legal_moves()[0], ply=game.cursor)
                game.undo()
                game.redo()
                game.plies()
            except IllegalMove:
                pass  # another thread was quicker
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    fresh = Session(seat="both")
    fresh.new_game(actions=list(game.actions))
    assert [str(fresh.board_at(n)) for n in range(fresh.length + 1)] == [
        str(game.board_at(n)) for n in range(game.length + 1)
    ]


def test_a_reply_for_a_game_that_moved_on_is_dropped(model: Any) -> None:
    game = Session(model, seat="black", strength=Strength(64))
    game.play("f5")

    def interfere(visits: int) -> None:
        if game.transcript == "f5":
            game.new_game()

    assert game.reply(interfere) is None
    assert game.transcript == ""


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["play", "undo", "redo", "goto", "continue", "seat"]),
            st.integers(0, 63),
        ),
        max_size=40,
    )
)
def test_any_sequence_of_actions_keeps_the_line_legal(steps: list[tuple[str, int]]) -> None:
    game = Session(seat="both")
    for what, number in steps:
        if what == "play" and game.board.legal_moves():
            moves = game.board.legal_moves()
            game.play(moves[number % len(moves)])
        elif what == "undo":
            game.undo()
        elif what == "redo":
            game.redo()
        elif what == "goto":
            game.goto(number)
        elif what == "continue":
            game.continue_here()
        elif what == "seat":
            game.seat = SEATS[number % 4]
        assert 0 <= game.cursor <= game.length
        replayed = Session(seat="both")
        replayed.new_game(actions=game.actions)
        assert replayed.board_at(game.cursor) == game.board


def test_a_line_that_is_left_stays_as_a_branch_and_can_be_taken_up_again() -> None:
    game = Session(seat="both")
    game.open("f5d6c3d3c4", seat="both")
    game.goto(2)
    game.play("c4")
    assert game.transcript == "f5d6c4" and [format_moves(line) for line in game.branches] == [
        "f5d6c3d3c4"
    ]
    game.switch(0)
    assert game.transcript == "f5d6c3" and game.length == 5
    assert [format_moves(line) for line in game.branches] == ["f5d6c4"]
    game.goto(0)
    game.switch(0)
    assert game.transcript == "f5d6c4" and game.board == Board.parse("f5d6c4")
    game.new_game()
    assert game.branches == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 20)), max_size=12))
def test_no_line_of_play_is_ever_lost(steps: list[tuple[int, int]]) -> None:
    game, seen = Session(seat="both"), set()
    for back, choice in steps:
        game.goto(game.cursor - back % 4)
        if game.branches and choice % 5 == 0:
            game.switch(choice % len(game.branches))
        elif moves := game.board.legal_moves():
            game.play(moves[choice % len(moves)])
        seen.add(game.actions)
        *_, board = game.start.replay(game.actions)
        assert board == game.board_at(game.length)
        kept = [game.actions, *game.branches]
        assert all(any(line[: len(old)] == old for line in kept) for old in seen)
