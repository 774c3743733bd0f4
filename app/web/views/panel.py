"""Beside the board: the value of the game, the explanation with ledger and bias map, the moves of the search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app.explain.explanation import Explanation
from app.explain.points import in_points, unit_of
from app.game.judged import judge_game
from app.game.session import Loss, Session
from app.present.game_view import opponent_name, player_names
from app.present.numbers import percent
from app.present.report import report
from app.present.sentences import (
    chance_words,
    outcome_words,
    players_words,
    side_word,
    value_words,
)
from app.web import state, turns, widgets
from app.web.components import parts
from app.web.components.maps import Legend
from app.web.views import options, tables
from app.web.views.shown import ASKED, Shown, candidates, judge, shown
from othello.errors import OthelloError
from othello.records import GameRecord
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.strength.review import Mark

FINE = (Mark.BEST, Mark.GOOD)
SIMULATIONS = 64  # of a search of the review and of the report


def draw(game: Session, view: options.Choices) -> None:
    """The right-hand side of the Play page."""
    _graph(game, view)
    _review(game, view)
    options.revealing()
    if view.reveal == "never":
        st.caption(
            "Explanations are hidden. Choose *After my move* to see what the agent based its replies on."
        )
        return
    asked = shown(game, view)
    if asked is None:
        st.caption(
            "Play a move: what the network saw before the last reply is explained here, square by square."
        )
        return
    target = ASKED.draw(candidates(game, asked.ply), game.start.size)
    with state.error_box():
        asked = replace(asked, target=target)
        _explanation(asked, asked.explain(game), view)
    _search_table(game, asked.ply)
    _second_opinion(game, asked.ply)


def _second_opinion(game: Session, ply: int) -> None:
    """What the operator's programs would play at a ply, asked for by a button each."""
    programs = options.engines(game.start.size)
    board = game.board_at(ply)
    if not programs or not board.legal_moves() or game.agent_to_move:
        return
    answers: dict[tuple[str, str], str] = st.session_state.setdefault("opinions", {})
    with st.container(horizontal=True, vertical_alignment="center"):
        for number, (spec, name) in enumerate(programs.items()):
            asked, label = (spec, str(board)), f"Ask {state.plain(name)}"
            widgets.button(label, "forum", key=f"ask_{number}", do=_ask, args=(spec, name, ply))
            if asked in answers:
                st.caption(answers[asked])


def _ask(spec: str, name: str, ply: int) -> None:
    game = state.game()
    board = game.board_at(ply)
    try:
        move = game.second_opinion(spec, ply)
    except OthelloError as error:
        st.session_state.move_error = f"{name} gave no answer: {error}"
        return
    if move is None:
        return
    text = f"**{state.plain(name)}** would play **{square_name(move, board.size)}**"
    found, played = game.search_of(ply), game.action_at(ply)
    order = [searched.square for searched in found.moves] if found else []
    if move in order[:1]:
        text += ", as the agent would"
    elif move in order:
        text += f", the agent's number {order.index(move) + 1}"
    if played is not None:
        text += "; played" if played == move else f"; played was {square_name(played, board.size)}"
    st.session_state.opinions[spec, str(board)] = f"{text}."


def heat_of(game: Session, view: options.Choices) -> parts.Over:
    """The map of what is explained, for the main board."""
    if (asked := shown(game, view)) is None:
        return {}
    found = asked.explain(game)
    told = in_points(found)
    return Legend.of(told, view.look, unit=unit_of(found)).heat(told.squares)


def move_numbers(game: Session, view: options.Choices) -> parts.Over:
    """A number on every legal move, its prior or black's chance after it; or the line that the search expects."""
    board, wanted = game.board, view.on_squares
    asked_for = wanted in ("prior", "Q", "best line") and view.reveal == "always"
    if not asked_for or not board.legal_moves() or not game.human_to_move:
        return {}
    simulations = 1 if wanted == "prior" else max(64, game.strength.simulations)
    found = game.search_of(game.cursor)
    if found is None or found.simulations < simulations:
        with turns.searching():
            found = game.analyse(game.cursor, simulations)
    if found is None:
        return {}
    if wanted == "best line":
        return parts.expected(board, found.principal_variation, 6)
    texts = [""] * board.size**2
    for move in found.moves:
        chance = chance_words(move.q, board.side)
        texts[move.square] = percent(move.prior) if wanted == "prior" else chance
    return {"numbers": texts}


def _graph(game: Session, view: options.Choices) -> None:
    """The value of the game by ply: what searches found and what the network says at first sight, never mixed."""
    searched: list[float | None] = []
    sight: list[float | None] = []
    words = []
    for ply in game.plies():
        found, first = None, None
        if ply.board.is_over:
            found = first = ply.value
        elif game.model is not None and view.reveal != "never":
            first = game.network_value(ply.board) * (1 if ply.board.side == "X" else -1)
            found = ply.value if ply.searched else None
        searched.append(found)
        sight.append(first)
        words.append(f"ply {ply.number}: {_said(ply.board, found, first)}")
    parts.graph(
        parts.Course(
            searched, sight, words, game.start.size**2 - 4, [loss.ply for loss in _losses(game)]
        ),
        game.cursor,
        key="graph",
        serial=game.serial,
        title="Chance for black, in per cent",
        on_jump=_on_jump,
    )


def _said(board: Board, searched: float | None, sight: float | None) -> str:
    """A ply's value in words; both numbers are for black."""
    if board.is_over:
        return outcome_words(board)
    value = sight if searched is None else searched
    if value is None:
        return "hidden"
    how = "at first sight" if searched is None else "after search"
    return f"{value_words(board, value if board.side == 'X' else -value)} ({how})"


def _losses(game: Session, count: int = 5) -> list[Loss]:
    """The moves of a reviewed game that cost most, the worst first."""
    if st.session_state.get("reviewed") != game.actions:
        return []
    return [loss for loss in st.session_state.review[:count] if loss.mark not in FINE]


def _review(game: Session, view: options.Choices) -> None:
    """After a game: a search of every position, and the moves that cost most."""
    ended = game.board.is_over or game.cursor < game.length
    if view.reveal == "never" or game.length < 2 or not ended:
        return
    if st.session_state.get("reviewed") != game.actions:
        widgets.button("Review the game", "rate_review", key="do_review", do=search_all)
        return
    rows = []
    for loss in _losses(game):
        rows.append(
            {
                "cells": [f"{loss.ply + 1}. {loss.move}", loss.best, str(loss)],
                "value": loss.ply,
                "chosen": loss.ply == game.cursor,
            }
        )
    parts.moves(
        ("move", "better", "lost"),
        rows,
        key="losses",
        title="The moves that cost most" if rows else "No move cost much",
        verb="show it",
        serial=game.serial,
        shows=".st-key-board",
        on_pick=_on_loss,
    )
    make = report_of(game)
    st.download_button(
        "Report, HTML",
        make,
        "othello.html",
        "text/html",
        key="save_report",
        icon=":material/description:",
        on_click="ignore",
        help="The whole game with its turning points in one file; takes some seconds to write.",
    )


def report_of(game: Session) -> Callable[[], str]:
    """What writes the report of the game as it is now, once it is called."""
    line, model = game.line, game.model
    assert model is not None
    opponent = opponent_name(game.opponent, options.engines(line.start.size).get(game.opponent))
    names = player_names(line, opponent)
    record = GameRecord.from_actions(line.actions, line.start, *names)
    return turns.in_turn(lambda: report(judge_game(record, model, SIMULATIONS)))


def search_all() -> None:
    """Review the game that is shown."""
    game = state.game()
    with turns.searching():
        st.session_state.review = game.review(SIMULATIONS)
    st.session_state.reviewed = game.actions
    parts.into_view("losses")
    game.goto(game.cursor)


def _on_loss() -> None:
    game, ply = state.game(), parts.picked("losses", "pick")
    for loss in _losses(game):
        if loss.ply == ply:
            judge(game, loss.ply, loss.best)


def _on_jump() -> None:
    ply = parts.picked("graph", "jump", "ply")
    if isinstance(ply, int):
        state.game().goto(ply)


def _explanation(asked: Shown, found: Explanation, view: options.Choices) -> None:
    told, unit = in_points(found), unit_of(found)
    legend = Legend.of(told, view.look, unit=unit)
    said = players_words(found)
    if asked.marked is not None and found.target.kind == "value" and view.reveal != "always":
        move = square_name(asked.marked, found.board.size)
        said = f"Before {move}, {said[0].lower()}{said[1:]}"
    st.markdown(state.plain(said))
    left, right = st.columns(2, gap="small")
    with left:
        if view.reveal == "always":
            st.markdown("**Relevance: on the board**")
            st.caption("The biases beside it have the same colours and the same scale.")
        else:
            played = asked.marked
            legend.picture(
                found.board,
                told.squares,
                key="map",
                title="What the agent sees"
                if played is None
                else f"Before {square_name(played, found.board.size)}",
                label=f"Relevance of every square for {found.target}, {side_word(found.board.side)} to move",
                last=played,
            )
    with right:
        legend.picture(
            found.board,
            told.bias_squares,
            key="bias_map",
            title="Where the biases act",
            label=f"Bias relevance of every square for {found.target}",
        )
    tables.account(told, key="ledger", colours=view.look.colours, unit=unit)


def _search_table(game: Session, ply: int) -> None:
    found = game.search_of(ply)
    if found is None:
        if game.board_at(ply).legal_moves() and not game.agent_to_move:
            widgets.button(
                "Search this position", "account_tree", key="analyse", do=_analyse, args=(ply,)
            )
        return
    tables.moves(found, key="moves", chosen=game.action_at(ply), count=6, serial=game.serial)


def _analyse(ply: int) -> None:
    game = state.game()
    with turns.searching():
        game.analyse(ply, max(64, game.strength.simulations))
