"""Why this move: one sentence, chips that outline their squares on the board, and what the network saw, folded away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st

from app.explain.explanation import Explanation
from app.explain.points import POINTS, in_points
from app.explain.reasons.phrases import phrase
from app.explain.reasons.sentence import Reasons
from app.explain.reasons.weights import Weight
from app.explain.targets import Target
from app.game.session import Session
from app.game.tries import after
from app.present.sentences import side_word
from app.web import state, turns, widgets
from app.web.components.maps import Legend
from app.web.views import options, tables
from app.web.views.shown import RIVAL, judged
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name

MOST = 3  # chips: more are no answer
SIMULATIONS = 100  # of the search for a move that nobody searched


@dataclass(frozen=True)
class Chip:
    """One reason: its words, the squares that it speaks of, how much it weighs in words."""

    label: str
    squares: tuple[int, ...]
    weight: str

    @property
    def words(self) -> str:
        """What stands on the chip."""
        return f"{self.label} · {self.weight}"


@dataclass(frozen=True)
class Why:
    """The answer about one move: a sentence, its reasons, and what is expected of the game."""

    sentence: str
    chips: tuple[Chip, ...] = ()
    expectations: str = ""


def outlined(why: Why, key: str = "why") -> tuple[int, ...]:
    """The squares of the chip that is pressed, for the board above; none where none is."""
    squares = {chip.words: chip.squares for chip in why.chips[:MOST]}
    return squares.get(widgets.chosen(f"{key}_chips", squares, ""), ())


def draw(
    why: Why,
    *,
    view: Callable[[], None],
    biases: Callable[[], None],
    choice: Callable[[], None] = lambda: None,
    key: str = "why",
) -> None:
    """The answer; `view` draws the map and its account once unfolded, `biases` the biases' part of them.

    `choice` draws what else may be asked, below the answer.
    """
    with st.container(key=key, gap="xsmall"):
        st.markdown(state.plain(why.sentence))
        if why.expectations:
            st.caption(state.plain(why.expectations))
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if why.chips:
                widgets.chips(
                    "Its reasons; press one to see its squares",
                    [chip.words for chip in why.chips[:MOST]],
                    key=f"{key}_chips",
                    format_func=state.plain,
                    label_visibility="collapsed",
                )
            choice()
        folder = st.expander(
            "The network's view", key=f"{key}_view", icon=":material/grid_on:", on_change="rerun"
        )
        if folder.open:
            with folder:
                view()
                if widgets.toggle("Biases", key=f"{key}_biases"):
                    biases()


# The answer about a game's move ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A move to give reasons for, in the position where it was made, rather than a rival that somebody named."""

    board: Board
    move: int
    rival: int | None = None

    def name(self, square: int) -> str:
        """The name of a square of this board."""
        return square_name(square, self.board.size)


def asked(game: Session, view: options.Choices) -> Asked | None:
    """The reviewed move, else the one that the page explains; None where explanations are hidden or none was made."""
    if view.reveal == "never" or game.model is None:
        return None
    line, loss = game.line, judged(game)
    ply = line.decision if loss is None else loss.ply
    move = None if ply is None else line.action_at(ply)
    if ply is None or move is None:
        return None
    found = Asked(line.board_at(ply), move)
    rival = widgets.chosen(RIVAL, rivals(game, found), None)
    if rival is None and loss is not None:
        rival = loss.best
    if rival is None or rival == found.name(move):
        return found
    return replace(found, rival=parse_square(rival, found.board.size))


def rivals(game: Session, question: Asked) -> list[str]:
    """The other moves that the search of the position tried, the most visited first."""
    result = game.search_of(question.board)
    tried = [] if result is None else [move.square for move in result.moves if move.visits]
    return [question.name(square) for square in tried if square != question.move]


def told(found: Reasons) -> Why:
    """Reasons as an answer: what the sentence expects of the game stands apart, and each spoken fact is a chip."""
    facts = {weight.name: weight for weight in found.facts}
    chips = tuple(_chip(found, facts[name]) for name in found.spoken)
    if found.expected_discs is None:
        return Why(found.sentence, chips)
    reason, _, expectations = found.sentence.removesuffix(".").rpartition("; ")
    return Why(f"{reason}.", chips, f"After search: {expectations} (black minus white)")


def _chip(found: Reasons, weight: Weight) -> Chip:
    mover, other = ("black", "white") if found.board.side == "X" else ("white", "black")
    gains = mover if weight.effect > 0 else other
    most = (
        found.board.size**2
    )  # discs a game can end with; the network's weight of a fact may lie beyond
    discs = f"{abs(weight.effect):.1f}" if abs(weight.effect) <= most else f"more than {most}"
    return Chip(
        phrase(weight, found.board, found.move),
        weight.about or (found.move,),
        f"{discs} discs for {gains}",
    )


def answer(game: Session, question: Asked) -> Why:
    """What is known of a move, and no more: without a search nothing is claimed."""
    try:
        found = game.why(question.board, question.move, question.rival)
    except ParseError as error:
        return Why(f"Nothing is claimed of {question.name(question.move)}: {error}.")
    if found is None:
        name = question.name(question.move)
        return Why(f"{name}: no search was made before it, so nothing is claimed.")
    return told(found)


def searched(game: Session, view: options.Choices) -> bool:
    """Whether the answer tells what a search expects of the game."""
    question = asked(game, view)
    return question is not None and game.search_of(question.board) is not None


def begin(game: Session, view: options.Choices) -> None:
    """Work out the reasons of the move just made in a thread, while the page draws what comes before them."""
    question = asked(game, view)
    if question is not None:
        threading.Thread(target=answer, args=(game, question), daemon=True).start()


def outline(game: Session, view: options.Choices) -> tuple[int, ...]:
    """The squares of the pressed chip, if the answer that is drawn is still the one that is asked for."""
    question, why = st.session_state.get("why_drawn", (None, Why("")))
    return outlined(why) if question is not None and question == asked(game, view) else ()


def under_board(game: Session, view: options.Choices) -> None:
    """Why the move that the page explains; nothing where explanations are hidden or no move was made."""
    question = asked(game, view)
    if question is None:
        return
    before, _ = st.session_state.get("why_drawn", (None, None))
    if before is not None and (before.board, before.move) != (question.board, question.move):
        widgets.forget(RIVAL, "why_chips")  # they were about another move
        question = asked(game, view) or question
    elif before is not None and before != question:
        widgets.forget("why_chips")
    why = answer(game, question)
    st.session_state.why_drawn = question, why
    draw(
        why,
        view=lambda: _map(game, question, view),
        biases=lambda: _bias_map(game, question, view),
        choice=lambda: _choice(game, question, why),
    )


def _choice(game: Session, question: Asked, why: Why) -> None:
    """Another move to compare with; where the move was not tried, the offer to search it."""
    if not why.expectations and game.search_of(after(question.board, question.move)) is None:
        args = (question,)
        widgets.button("Search it", "account_tree", key="why_search", do=_search, args=args)
    elif len(names := rivals(game, question)) > 1:  # one alone is the rival already
        widgets.maybe(
            "Why not another move?",
            names,
            key=RIVAL,
            format_func="Why not {}?".format,
            placeholder="Why not …?",
            label_visibility="collapsed",
            width=150,
        )


def restore(game: Session, view: options.Choices) -> None:
    """Search again what stood behind a restored answer: the agent's choice as strong as it plays, a reviewed move."""
    question = asked(game, view)
    if question is None or game.search_of(question.board) is not None:
        return
    if judged(game) is not None:
        _search(question)
    elif not game.is_human(question.board.side) and game.opponent == "agent":
        with turns.searching():
            game.analyse(question.board, max(1, game.strength.simulations))


def _search(question: Asked) -> None:
    """Search the position, and the one after the move where that search does not try it."""
    game = state.game()
    with turns.searching():
        result = game.analyse(question.board, SIMULATIONS)
        tried = [] if result is None else [move.square for move in result.moves if move.visits]
        if question.move not in tried:
            game.analyse(after(question.board, question.move), SIMULATIONS)


def _change(game: Session, question: Asked, view: options.Choices) -> Explanation:
    """What the move changes in the network's value, in points."""
    target = Target("change", question.move, size=question.board.size)
    found = game.explain(question.board, target, composite=view.composite, bias=view.bias)
    return in_points(found)


def _map(game: Session, question: Asked, view: options.Choices) -> None:
    """What the move changes in the network's value, square by square, and its account."""
    with state.error_box():
        found, name = _change(game, question, view), question.name(question.move)
        left, right = st.columns(2, gap="small")
        with left:
            Legend.of(found, view.look, unit=POINTS).picture(
                question.board,
                found.squares,
                key="why_map",
                title=f"What {name} changes",
                label=f"What {name} changes in the network's value for {side_word(question.board.side)}",
                last=question.move,
            )
        with right:
            tables.account(found, key="why_ledger", colours=view.look.colours, unit=POINTS)


def _bias_map(game: Session, question: Asked, view: options.Choices) -> None:
    with state.error_box():
        found = _change(game, question, view)
        Legend.of(found, view.look, unit=POINTS).picture(
            question.board, found.bias_squares, key="why_bias_map", title="Where the biases act"
        )
