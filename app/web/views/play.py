"""The Play page: a game against the agent, with its values, its search and its explanations beside the board."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from app.game.session import Session
from app.present.game_view import opening_name, opponent_name, player_names, status, value_line
from app.present.numbers import percent
from app.present.sentences import side_word
from app.web import record, state, turns, widgets
from app.web.components import parts
from app.web.pages import WebPage
from app.web.views import commands, export, inspector, options, panel, welcome, why
from app.web.views.shown import judged, shown
from othello.errors import EngineError, OthelloError
from othello.rules.notation import square_name

STEPS = {  # buttons that go through the game: what they say, their icon, what they say when pointed at
    "first": ("", "first_page", "To the start"),
    "undo": ("Undo", "undo", None),
    "redo": ("Redo", "redo", None),
    "last": ("", "last_page", "To the end"),
    "continue": ("Play on from here", "play_arrow", None),
}


def page() -> None:
    """Draw the page."""
    with state.error_box():
        record.follow("play")
        _table()


@st.fragment
def _table() -> None:
    with state.drawing():
        with turns.first():
            game = state.game()
            commands.title(game)
            welcome.tour(game)
            state.messages("link_error", "move_error")
            left, right = st.columns([11, 10], gap="large")
            view = options.reading()
            options.settle(game)
            with st.container():  # below the columns, but before all that takes time
                record.write("play")
            with left:
                _board(game, view)
                waiting = st.empty()
                welcome.what_next(
                    game, review=panel.search_all, report=lambda: panel.report_of(game)
                )
                reasons = st.container()
                _toolbar(
                    game
                )  # before the agent thinks: its menu closes, and who watches can pause
        with left:
            _let_agent_move(
                game, waiting
            )  # and draw again: the rest of the page stays as it is meanwhile
            if st.session_state.get("restored"):
                why.restore(game, view)
                st.session_state.restored = False
        with turns.afterwards():
            with left:
                if said := _evaluation(game, view):
                    waiting.caption(state.plain(said))
                else:
                    waiting.empty()
            with right:
                panel.draw(game, view)
            with reasons:  # last, so that nothing else waits for them
                why.under_board(game, view)


def _board(game: Session, view: options.Choices) -> None:
    over: parts.Over = {}
    if view.reveal == "always":
        with state.error_box():
            over = panel.heat_of(game, view)
    if view.on_squares != "nothing" and view.reveal != "never":
        over |= panel.move_numbers(game, view)
    if (loss := judged(game)) is not None and not over.get("numbers"):
        over["numbers"] = _marked(game.start.size, {loss.move: "played", loss.best: "better"})
    over["outlined"] = why.outline(game, view)
    if (hint := commands.hinted(game)) is not None:
        whole = sum(move.visits for move in hint.moves) or 1
        shares = {_name(game, m.square): percent(m.visits / whole) for m in hint.moves if m.visits}
        over |= {"numbers": _marked(game.start.size, shares), "outlined": [hint.moves[0].square]}
    parts.board(
        game.board,
        key="board",
        playable=game.human_to_move,
        on_move=_on_move,
        serial=game.serial,
        ply=game.cursor,
        busy=game.agent_to_move and not st.session_state.get("paused"),
        games=st.session_state.get("games", 0),
        last=game.last_move,
        names=player_names(game.line, _opponent(game)),
        status=_status(game),
        over=over,
    )


def _marked(size: int, words: dict[str, str]) -> list[str]:
    """A text a square, most of them empty."""
    return [words.get(square_name(square, size), "") for square in range(size**2)]


def _name(game: Session, square: int) -> str:
    return square_name(square, game.start.size)


def _opponent(game: Session) -> str:
    names = options.opponents(game.start.size)
    return opponent_name(game.opponent, names.get(game.opponent))


def _status(game: Session) -> str:
    """One line on whose turn it is, or on the move that is reviewed, or on the hint."""
    line = game.line
    if (loss := judged(game)) is not None:
        side = side_word(line.board.side)
        where = f"Ply {line.cursor} of {line.length}"
        return f"{where}: {side} played {loss.move}, {loss.best} was better."
    if (hint := commands.hinted(game)) is not None:
        return f"Hint: the agent would play {_name(game, hint.moves[0].square)}."
    return status(line, _opponent(game), paused=bool(st.session_state.get("paused")))


def _on_move() -> None:
    game, event = state.game(), parts.reported("board", "move")
    if not isinstance(event, dict):
        return
    try:
        if not game.human_to_move or not game.play(int(event["square"]), int(event["ply"])):
            game.goto(game.cursor)
    except (OthelloError, KeyError, TypeError, ValueError) as error:
        game.goto(game.cursor)  # a new serial, so that the board is drawn again as it is
        st.session_state.move_error = str(error)


def _toolbar(game: Session) -> None:
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        start, end = game.cursor == 0, game.cursor == game.length
        for where, (label, icon, words) in STEPS.items():
            stuck = start if where in ("first", "undo") else end
            if where != "continue" or not end:
                widgets.button(
                    label,
                    icon,
                    key=where,
                    do=commands.go,
                    args=(where,),
                    disabled=stuck,
                    help=words,
                )
        if game.seat == "watch" and end and not game.board.is_over:
            paused = bool(st.session_state.get("paused"))
            label, icon = ("Go on", "play_arrow") if paused else ("Pause", "pause")
            widgets.button(label, icon, key="pause", do=commands.pause, args=(not paused,))
        _lines(game)
        options.new_game(game)
        export.menu(game)
        if st.button("Inspect", icon=":material/search_insights:", key="to_inspect"):
            _inspect(game)
    with st.container(horizontal=True, gap="small"):
        opening = opening_name(game.line)
        name = f"**{state.plain(opening)}** · " if opening else ""
        st.caption(f"{name}{_moves(game) or 'no moves yet'}")


def _inspect(game: Session) -> None:
    """Go to the Inspect page with what is explained here; with the position alone where nothing is."""
    asked = shown(game, options.reading())
    if asked is None:
        inspector.set_board(game.board)
    else:
        inspector.set_board(asked.board)
        inspector.ask(asked.target, asked.composite, asked.bias, asked.simulations)
    state.open_page("inspect")


def _lines(game: Session) -> None:
    """The lines of play that were left, each by the moves with which it goes its own way."""
    forks = {number: game.fork_of(line) for number, line in enumerate(game.branches)}
    apart = [number for number, fork in forks.items() if fork < len(game.branches[number])]
    if not apart:
        return
    with widgets.menu(f"Lines ({len(apart) + 1})", "alt_route", "lines"):
        st.caption("Lines of play that were left. Going over to one keeps this one.")
        for number in apart:
            line, fork = game.branches[number], forks[number]
            moves = " ".join(_names_of(line[fork : fork + 4], game.start.size))
            more = " …" if len(line) > fork + 4 else ""
            st.button(
                f"from ply {fork}: {moves}{more} ({len(line)} plies)",
                key=f"line_{number}",
                on_click=_switch,
                args=(number,),
                width="stretch",
            )


def _switch(number: int) -> None:
    widgets.close("lines")
    game = state.game()
    if number < len(game.branches):
        game.switch(number)


def _names_of(actions: Sequence[int], size: int) -> list[str]:
    return [square_name(action, size) for action in actions]


def _moves(game: Session) -> str:
    """The moves of the game, the last one that is shown in bold."""
    names = _names_of(game.actions, game.start.size)
    if game.cursor:
        names[game.cursor - 1] = f"**{names[game.cursor - 1]}**"
    return " ".join(names)


def _let_agent_move(game: Session, waiting: st.delta_generator.DeltaGenerator) -> None:
    """Let the agent think, with a progress bar once that takes long, and draw the page again."""
    if not game.agent_to_move or (game.seat == "watch" and st.session_state.get("paused")):
        return
    strength = game.strength
    if game.opponent != "agent":
        waiting.caption(
            f"{state.plain(_opponent(game))} thinks, for at most {game.engine_seconds:g} s"
        )
    elif game.model is not None and not game.model.ready.is_set():
        waiting.progress(0.0, "getting ready: the first start compiles the engine")

    def progress(visits: int) -> None:
        spent = time.monotonic() - began
        share = visits / max(1, strength.simulations)
        if strength.seconds:
            share = spent / strength.seconds
        if spent >= 0.25:
            waiting.progress(min(1.0, share), f"thinking: {visits} simulations")

    try:
        with turns.searching(waiting):
            began = time.monotonic()
            game.reply(progress)
        why.begin(game, options.reading())
    except EngineError as error:
        game.opponent = "agent"
        widgets.put("opponent", "agent")
        advice = "The opponent failed and the agent plays on; choose another under New."
        st.session_state.move_error = f"{advice} What happened: {error}"
    state.rerun()


def _evaluation(game: Session, view: options.Choices) -> str:
    """The value of the position in words, from the search made there or from the network alone.

    Empty at the end, and where the answer why says what is expected: one chance is enough.
    """
    board = game.board
    if board.is_over or view.reveal == "never" or why.searched(game, view):
        return ""
    if game.search_of(board) is None:
        game.network_value(board)  # which the line does not ask
    return value_line(game, board)


PAGE = WebPage("Play", ":material/sports_esports:", 1, page)
