"""The game object under both front ends: a line of moves, undo and redo, the agent's replies, values, threads."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import FrozenInstanceError
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli import run
from app.game.judged import judge_game
from app.game.session import SEATS, Session, Strength
from app.game.tries import after
from othello.errors import IllegalMove, OthelloError, ParseError
from othello.players.agent import evaluate
from othello.records import GameRecord
from othello.rules.board import Board
from othello.rules.notation import format_moves, parse_moves, parse_square
from othello.rules.symmetry import SYMMETRIES, transform_board
from othello.solver.solver import Solver
from othello.strength.review import Mark
from tests.app.lost_game import LOST

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
    losses = game.review(simulations=4, solve_empties=14)
    moved = {ply for ply, action in enumerate(game.actions) if action < 64}
    assert {loss.ply for loss in losses} == moved and len(moved) == 60
    order = [mark for mark in reversed(Mark) if any(loss.mark is mark for loss in losses)]
    assert list(dict.fromkeys(loss.mark for loss in losses)) == order
    for loss in losses:
        board = game.board_at(loss.ply)
        assert loss.exact == (board.empties <= 14) and 0 <= loss.loss <= 128
        assert (loss.loss == 0) == (loss.move == loss.best)
    last = Solver(8).scores(game.board_at(50))
    assert last is not None
    thrown = max(last.values()) - last[game.actions[50]]
    assert next(loss.loss for loss in losses if loss.ply == 50) == thrown
    assert game.search_of(0) is not None and game.value_of(50)[1]


def test_a_review_says_of_every_move_what_the_report_says(model: Any) -> None:
    game = Session(model, seat="both")
    game.open(PASSING)
    mine = {loss.ply: loss for loss in game.review(simulations=8, solve_empties=12)}
    record = GameRecord.from_actions(game.actions, game.start)
    for move in judge_game(record, model, 8, 12).moves:
        loss = mine.pop(move.ply)
        told = (move.name, move.better, move.loss, move.exact, move.mark)
        assert (loss.move, loss.best, loss.loss, loss.exact, loss.mark) == told
        assert str(loss).endswith("discs")
    assert not mine


def test_a_reviewed_moves_sentence_says_what_its_row_says(model: Any) -> None:
    game = Session(model, seat="both")
    game.open(LOST)
    costly = [loss for loss in game.review(8, solve_empties=16) if loss.loss >= 2][:8]
    assert len(costly) >= 6 and {loss.exact for loss in costly} == {True, False}
    for loss in costly:
        played, better = (parse_square(name, 8) for name in (loss.move, loss.best))
        told = game.why(loss.ply, played, better)
        assert told is not None and told is game.why(loss.ply, played)
        assert told.sentence.startswith(f"{loss.move}?")
        assert f"better {loss.best}, costs {loss.loss:.0f} discs" in told.sentence


def test_explanations_are_kept_and_belong_to_their_ply(model: Any) -> None:
    game = Session(model, seat="both")
    game.open("f5d6c3")
    first = game.explain(1, "value")
    assert game.explain(1, "value") is first and first.board == game.board_at(1)
    assert game.explain(2, "value") is not first


def test_reasons_are_kept_and_are_those_of_the_command(model: Any, capsys: Any) -> None:
    game = Session(model, seat="both")
    game.open("f5d6c3")
    assert game.why(2, parse_square("c3")) is None  # nobody has searched there
    game.analyse(2, 60)
    for square in ("c3", "c5"):  # the command looks after both, for the search hardly tries them
        game.analyse(after(game.board_at(2), parse_square(square)), 60)
    found = game.why(2, parse_square("c3"))
    assert found is not None and game.why(2, parse_square("c3")) is found
    other = game.why(2, parse_square("c3"), parse_square("c5"))
    for each, named in ((found, []), (other, ["--rather", "c5"])):
        assert run(["explain", "f5d6", "--why", "c3", *named, "-n", "60", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert each is not None and told["sentence"] == each.sentence
        assert told["rival"] == (named or [told["rival"]])[-1]
    with pytest.raises(ParseError, match="illegal"):
        game.why(2, 0)


def test_a_move_that_the_search_did_not_try_is_judged_by_the_search_after_it(model: Any) -> None:
    game = Session(model, seat="both")
    game.open("f5d6c3")
    result, move = game.analyse(2, 60), parse_square("c3")
    assert result is not None
    assert next(each.visits for each in result.moves if each.square == move) == 0
    found = game.why(2, move)
    assert found is not None and found.tries == 0 and "nothing is claimed" in found.sentence
    later = game.analyse(3, 40)
    found = game.why(2, move)
    assert found is not None and later is not None
    assert found.tries == 40 and "40 of 100 tries" in found.sentence
    best = later.moves[0].q  # white is to move there
    assert best is not None and found.expected_percent == pytest.approx(50 * (1 - best))
    first = result.moves[0].square
    assert game.why(2, first).tries == result.moves[0].visits  # type: ignore[union-attr]


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


def test_a_line_is_a_value_that_no_change_of_the_game_touches() -> None:
    game = Session(seat="both")
    game.open("f5d6c3d3")
    line = game.line
    game.goto(1)
    game.play("f6")
    game.seat = "watch"
    assert (line.transcript, line.seat, line.branches, line.cursor) == ("f5d6c3d3", "both", (), 4)
    with pytest.raises(FrozenInstanceError):
        line.cursor = 0  # type: ignore[misc]
    assert game.line.branches == (line.actions,) and game.serial > line.serial
    assert hash(line) == hash(line.goto(0).goto(4)) and line == line.goto(0).goto(4)


def test_a_ply_beyond_an_end_is_that_end(model: Any) -> None:
    game = Session(model, seat="both")
    game.open("f5d6")
    assert game.board_at(9) == game.board_at(2) and game.board_at(-3) == game.start
    assert game.action_at(9) is None and game.action_at(-1) is None
    assert game.explain(9).board == game.board and game.value_of(-3) == game.value_of(0)


class Hammer:
    """Eight threads at one game; each answer is checked to be of one line."""

    def __init__(self, game: Session, seconds: float) -> None:
        self.game, self.until = game, time.monotonic() + seconds
        self.failures: list[BaseException] = []
        self.calls = 0

    def run(self) -> None:
        jobs = (self.begin, self.moves, self.rows, self.decide) * 2
        threads = [threading.Thread(target=self.work, args=job) for job in enumerate(jobs)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)

    def work(self, number: int, job: Callable[[Random], None]) -> None:
        random = Random(number)
        while time.monotonic() < self.until and not self.failures:
            try:
                job(random)
                self.calls += 1
            except BaseException as error:
                self.failures.append(error)

    def begin(self, random: Random) -> None:
        actions = parse_moves(random.choice((FULL, PASSING, "f5d6c3", "")))
        self.game.new_game(actions=actions[: random.randrange(61)])

    def moves(self, random: Random) -> None:
        for _ in range(20):
            random.choice((self.game.undo, self.game.redo))()
            moves = self.game.board.legal_moves()
            if moves:
                with suppress(IllegalMove):  # another thread was quicker
                    self.game.play(random.choice(moves))

    def rows(self, random: Random) -> None:
        rows = self.game.plies()
        assert rows[0].board == self.game.start and rows[-1].action is None
        for row, following in pairwise(rows):
            assert row.action is not None and row.board.play(row.action) == following.board
        known = {row.board: row.value for row in rows}
        assert None not in known.values() and [row.number for row in rows] == [*range(len(rows))]

    def decide(self, random: Random) -> None:
        line = self.game.line
        *_, last = line.start.replay(line.actions)
        assert last == line.boards[-1] and len(line.boards) == line.length + 1
        assert 0 <= line.cursor <= line.length and not line.board.must_pass
        for branch in line.branches:
            assert len(list(line.start.replay(branch))) == len(branch) + 1
        ply = self.game.decision()
        assert ply is None or ply >= 0
        found = self.game.explain(self.game.cursor if ply is None else ply)
        assert np.tanh(found.value) == pytest.approx(np.tanh(self.alone(found.board)), abs=1e-5)

    def alone(self, board: Board) -> float:
        """The value by another way, without the session: the mean of the network's own over the symmetries."""
        assert self.game.model is not None
        images = [transform_board(board, symmetry) for symmetry in SYMMETRIES]
        return float(np.arctanh(evaluate(self.game.model.evaluator, images)[1]).mean())


@pytest.mark.parametrize("seconds", [2.0, pytest.param(10.0, marks=pytest.mark.long)])
def test_many_threads_get_answers_of_one_line(seconds: float, model: Any) -> None:
    game = Session(model, seat="both")
    game.explain(0)
    hammer = Hammer(game, seconds)
    hammer.run()
    if hammer.failures:
        raise hammer.failures[0]
    assert hammer.calls > 50


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
    assert game.branches == ()


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
