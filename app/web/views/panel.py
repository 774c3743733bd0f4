"""Beside the board: the value of the game, the explanation with ledger and bias map, the moves of the search."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import streamlit as st

from app.explain.explanation import Explanation
from app.game.session import Session
from app.present.colormap import scale_of
from app.present.sentences import (
    account_words,
    headline_words,
    outcome_words,
    q_words,
    side_word,
    value_words,
)
from app.web import state, widgets
from app.web.components import parts
from app.web.views import options
from app.web.views.shown import Shown, candidates, shown
from othello.errors import OthelloError
from othello.rules.notation import square_name
from othello.search.search import SearchResult
from othello.strength.review import Mark


def draw(game: Session, view: options.View) -> None:
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
    widgets.segments("Question", options.QUESTIONS, key="question", default=options.QUESTIONS[0])
    with state.error_box():
        asked = _asked(game, view, asked)
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
            asked = (spec, str(board))
            label = f"Ask {state.plain(name)}"
            st.button(
                label,
                icon=":material/forum:",
                key=f"ask_{number}",
                on_click=_ask,
                args=(spec, name, ply),
            )
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
    found = game.search_of(ply)
    order = [searched.square for searched in found.moves] if found else []
    if move in order:
        text += (
            ", as the agent would"
            if order[0] == move
            else f", the agent's number {order.index(move) + 1}"
        )
    played = game.action_at(ply)
    if played is not None:
        text += "; played" if played == move else f"; played was {square_name(played, board.size)}"
    st.session_state.opinions[spec, str(board)] = f"{text}."


def heat_of(game: Session, view: options.View) -> dict[str, Any]:
    """The map of what is explained, for the main board."""
    if (asked := shown(game, view)) is None:
        return {}
    found = asked.explain(game)
    return parts.heat(
        found.squares, colours=view.colours, with_numbers=view.on_squares == "relevance"
    )


def move_numbers(game: Session, view: options.View) -> dict[str, Any]:
    """A number on every legal move, its prior or its Q after a search; or the line that the search expects."""
    board, wanted = game.board, view.on_squares
    shown = wanted in ("prior", "Q", "best line") and view.reveal == "always"
    if not shown or not board.legal_moves() or not game.human_to_move:
        return {}
    found = game.analyse(
        game.cursor, 1 if wanted == "prior" else max(64, game.strength.simulations)
    )
    if found is None:
        return {}
    if wanted == "best line":
        line = [square for square in found.principal_variation if square < board.size**2][:6]
        return {"arrows": list(pairwise(line)), "steps": line}
    texts = [""] * board.size**2
    for move in found.moves:
        texts[move.square] = f"{100 * move.prior:.0f} %" if wanted == "prior" else q_words(move.q)
    return {"numbers": texts}


def _graph(game: Session, view: options.View) -> None:
    plies = game.plies()
    hidden = view.reveal == "never"
    values = [None if hidden and not ply.board.is_over else ply.value for ply in plies]
    words = [
        f"ply {p.number}: "
        + (
            outcome_words(p.board)
            if p.board.is_over
            else "hidden"
            if v is None
            else value_words(p.board, v if p.board.side == "X" else -v)
        )
        for p, v in zip(plies, values)
    ]
    marks = [
        loss.ply
        for loss in st.session_state.get("review", [])
        if loss.serious and loss.ply < len(plies)
    ]
    parts.graph(
        values,
        [p.searched for p in plies],
        words,
        game.cursor,
        key="graph",
        serial=game.serial,
        marks=marks,
        title="Value of the game, black above",
        span=game.start.size**2 - 4,
        on_jump=_on_jump,
    )


def _review(game: Session, view: options.View) -> None:
    """After a game: a search of every position, and the moves that cost most."""
    if (
        view.reveal == "never"
        or game.length < 2
        or not (game.board.is_over or game.cursor < game.length)
    ):
        return
    losses = (
        st.session_state.get("review", [])
        if st.session_state.get("reviewed") == game.actions
        else []
    )
    if not losses:
        st.session_state.pop("review", None)
        st.button(
            "Review the game", icon=":material/rate_review:", key="do_review", on_click=_search_all
        )
        return
    rows = [
        {
            "cells": [f"{loss.ply + 1}. {loss.move}", loss.best, str(loss)],
            "value": loss.ply,
            "chosen": loss.ply == game.cursor,
        }
        for loss in losses[:5]
        if loss.mark not in (Mark.BEST, Mark.GOOD)
    ]
    parts.moves(
        ("move", "better", "lost"),
        rows,
        key="losses",
        title="The moves that cost most" if rows else "No move cost much",
        pickable=True,
        verb="go there",
        serial=game.serial,
        on_pick=_on_loss,
    )


def _search_all() -> None:
    game = state.game()
    st.session_state.review = game.review(64)
    st.session_state.reviewed = game.actions
    game.goto(game.cursor)


def _on_loss() -> None:
    event = st.session_state.losses.pick
    if isinstance(event, dict) and isinstance(event.get("value"), int):
        state.game().goto(event["value"])


def _on_jump() -> None:
    event = st.session_state.graph.jump
    if isinstance(event, dict) and isinstance(event.get("ply"), int):
        state.game().goto(event["ply"])


def _asked(game: Session, view: options.View, asked: Shown) -> Shown:
    """What is asked, after the widgets that choose its moves."""
    target, size = asked.target, game.board.size
    if target.action is None:
        return asked
    names = [square_name(move, size) for move in candidates(game, asked.ply)]
    with st.container(horizontal=True):
        widgets.select(
            "Move", names, key="move_x", default=square_name(target.action, size), width=140
        )
        if target.against is not None:
            rival = square_name(target.against, size)
            widgets.select("rather than", names, key="move_y", default=rival, width=140)
    return shown(game, view) or asked


def _explanation(asked: Shown, found: Explanation, view: options.View) -> None:
    board, played = found.board, asked.marked
    st.markdown(state.plain(headline_words(found)))
    numbers = view.on_squares == "relevance"
    left, right = st.columns(2, gap="small")
    if view.reveal != "always":
        who = (
            f"Before {square_name(played, board.size)}"
            if played is not None
            else "What the agent sees"
        )
        with left:
            parts.picture(
                board,
                key="map",
                title=who,
                last=played,
                label=f"Relevance of every square for {found.target}, {side_word(board.side)} to move",
                extra=parts.heat(found.squares, colours=view.colours, with_numbers=numbers),
            )
    else:
        with left:
            st.markdown("**On the board**")
            st.caption(
                f"Red squares speak for {side_word(board.side)} to move, blue ones against."
                if view.colours == "blue–red"
                else f"Orange squares speak for {side_word(board.side)}, purple ones against."
            )
            st.caption(f"Full colour is ±{scale_of(found.squares):.3g}.")
    with right:
        parts.picture(
            board,
            key="bias_map",
            title="Where the biases act",
            label=f"Bias relevance of every square for {found.target}",
            extra=parts.heat(found.bias_squares, colours=view.colours, with_numbers=numbers),
        )
    parts.ledger(found, key="ledger", title="Where the number comes from", colours=view.colours)
    st.caption(state.plain(account_words(found)))


def _search_table(game: Session, ply: int) -> None:
    found = game.search_of(ply)
    if found is None:
        if game.board_at(ply).legal_moves() and not game.agent_to_move:
            st.button(
                "Search this position",
                icon=":material/account_tree:",
                key="analyse",
                on_click=_analyse,
                args=(ply,),
            )
        return
    search_table(found, key="moves", played=game.action_at(ply), serial=game.serial)


def search_table(
    found: SearchResult, *, key: str, played: int | None = None, serial: int = 0, count: int = 6
) -> None:
    """The most visited moves with prior, visits and Q."""
    size, total = found.board.size, max(1, sum(move.visits for move in found.moves))
    rows = [
        {
            "cells": [
                square_name(m.square, size),
                {"share": m.prior, "text": f"{100 * m.prior:.1f} %"},
                {"share": m.visits / total, "text": str(m.visits)},
                q_words(m.q),
            ],
            "value": m.square,
            "chosen": m.square == played,
        }
        for m in found.moves[:count]
    ]
    solved = f", solved: {found.exact:+d} discs" if found.exact is not None else ""
    title = f"{side_word(found.board.side).capitalize()}'s moves after {found.simulations} simulations{solved}"
    parts.moves(("move", "prior", "visits", "Q"), rows, key=key, title=title, serial=serial)


def _analyse(ply: int) -> None:
    game = state.game()
    game.analyse(ply, max(64, game.strength.simulations))
