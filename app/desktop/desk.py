"""`Desk`: one game on the desktop without its window: commands in, views out, searches in threads.

Every method is called by the window's thread; the two workers only return answers, which `collect` takes in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.desktop import describe, files
from app.desktop.view import HEAT_MODES, Button, Ghost, HeatMode, Prompt, Turning, View
from app.desktop.worker import Answer, Stop, Worker
from app.explain.targets import Target
from app.session import SEATS, Session
from lrp.errors import LRPError
from othello.board import Board, squares_of
from othello.errors import EngineError, OthelloError

if TYPE_CHECKING:
    from app.explain.position import Explanation
    from othello.search.mcts import SearchResult

STRENGTHS = (0, 10, 25, 50, 100, 200, 400, 800, 1600)  # simulations a move; 0 is the policy alone
TURN_SECONDS = 0.22
_HINT_SIMULATIONS = 100
_WORDS = {"off": "Heat: off", "value": "Heat: value", "move": "Heat: move"}
_ARROWS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


@dataclass(frozen=True)
class Study:
    """What was found out about a position for its heatmap."""

    board: Board
    heat: HeatMode
    explanation: Explanation | None


class Desk:
    """A session with what the person has switched on; `view` is what to draw now."""

    def __init__(
        self, game: Session, wake: Callable[[], None] = lambda: None, *, folder: Path | None = None,
        heat: HeatMode = "off", dark: bool = False, animate: bool = True, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.game, self.folder = game, folder if folder is not None else Path.cwd()
        self.heat, self.biases, self.numbers, self.dark = heat, False, False, dark
        self.animate, self.help, self.paused, self.running = animate, False, False, True
        self.cursor: int | None = None
        self.prompt: Prompt | None = None
        self.notice = "F1: help"
        self.thinker, self.scholar = Worker("agent", wake), Worker("explainer", wake)
        self._wake, self._clock = wake, clock
        self._hover: int | None = None
        self._hint: SearchResult | None = None
        self._study: Study | None = None
        self._studied: tuple[object, ...] = ()
        self._asked = -1
        self._visits, self._woken = 0, 0.0
        self._turning: tuple[tuple[int, ...], float] | None = None
        self._shown = game.board
        self._wanted: str | None = None  # what only the window can do: screenshot, film, copy, paste
        self.update()

    # Commands ---------------------------------------------------------------------------------------------------

    def do(self, command: str) -> None:
        """Carry out a command of `keys.BINDINGS` or of a button; what is wrong with it becomes the notice."""
        if command not in _ARROWS:
            self.notice = ""
        try:
            self._do(command)
        except (OthelloError, LRPError, OSError) as error:
            self.notice = _first_line(error)
        self.update()

    def _do(self, command: str) -> None:
        game = self.game
        if command in _ARROWS:
            self._move_cursor(*_ARROWS[command])
        elif command == "play":
            if self.cursor is not None:
                self.play(self.cursor)
        elif command in ("undo", "redo", "back", "forward", "first", "last"):
            moves: dict[str, Callable[[], None]] = {
                "undo": game.undo, "redo": game.redo, "first": lambda: game.goto(0),
                "last": lambda: game.goto(game.length), "back": lambda: game.goto(game.cursor - 1),
                "forward": lambda: game.goto(game.cursor + 1),
            }  # fmt: skip
            moves[command]()
            self.paused = game.seat == "watch"
        elif command == "hint":
            self._ask_hint()
        elif command == "heat":
            self.heat = HEAT_MODES[(HEAT_MODES.index(self.heat) + 1) % len(HEAT_MODES)]
        elif command in ("bias", "numbers"):
            self._switch_map(command)
        elif command == "new":
            game.new_game(start=game.start)
            self.paused = False
        elif command == "seat":
            game.seat = SEATS[(SEATS.index(game.seat) + 1) % len(SEATS)]
            self.paused = False
        elif command == "pause":
            self._pause()
        elif command in ("stronger", "weaker"):
            self._change_strength(1 if command == "stronger" else -1)
        elif command == "dark":
            self.dark = not self.dark
        elif command == "help":
            self.help = not self.help
        elif command == "escape":
            self.help, self.prompt, self._hint, self.cursor = False, None, None, None
        elif command == "open":
            self.prompt = Prompt("Open a file, a transcript or a position:", "")
        elif command == "save":
            self.notice = f"Saved {files.save_game(game, self.folder)}"
        elif command == "quit":
            self.running = False
        elif command in ("screenshot", "film", "copy", "paste"):
            self._wanted = command

    def take_wanted(self) -> str | None:
        """The command that waits for the window, once."""
        wanted, self._wanted = self._wanted, None
        return wanted

    def play(self, square: int) -> None:
        """Play a square for the person whose turn it is; IllegalMove."""
        if self.game.board.is_over:
            self.notice = "The game is over: N begins another, U takes back."
        elif not self.game.human_to_move:
            self.notice = "It is not your turn; S changes the side you play."
        else:
            self.game.play(square, self.game.cursor)

    def press_square(self, square: int) -> None:
        """A click on a square."""
        self.notice = ""
        try:
            self.play(square)
        except OthelloError as error:
            self.notice = _first_line(error)
        self.cursor = None
        self.update()

    def hover(self, square: int | None) -> None:
        """The mouse is over a square, or over none."""
        self._hover = square

    def jump(self, ply: int) -> None:
        """Show a ply."""
        self.game.goto(ply)
        self.paused = self.game.seat == "watch"
        self.update()

    def open_text(self, text: str) -> None:
        """Open what a text names, see `files.open_game`."""
        try:
            self.notice = files.open_game(self.game, text)
        except (OthelloError, OSError) as error:
            self.notice = _first_line(error)
        self.update()

    def type_text(self, text: str) -> None:
        """Characters typed into the prompt."""
        if self.prompt is not None:
            room = 4096 - len(self.prompt.text)
            self.prompt = Prompt(self.prompt.label, self.prompt.text + " ".join(text.split("\n"))[: max(0, room)])

    def prompt_key(self, command: str | None, erase: bool = False) -> None:
        """A key pressed while the prompt is open."""
        if self.prompt is None:
            return
        if erase:
            self.prompt = Prompt(self.prompt.label, self.prompt.text[:-1])
        elif command == "escape":
            self.prompt = None
        elif command == "play":
            text, self.prompt = self.prompt.text, None
            self.open_text(text)

    def _move_cursor(self, down: int, right: int) -> None:
        n, board = self.game.board.size, self.game.board
        if self.cursor is None:
            legal = board.legal_moves()
            self.cursor = legal[0] if legal else n * (n // 2) + n // 2
            return
        row, column = divmod(self.cursor, n)
        self.cursor = (row + down) % n * n + (column + right) % n

    def _switch_map(self, command: str) -> None:
        if self.heat == "off":
            self.heat = "value"
        if command == "bias":
            self.biases = not self.biases
        else:
            self.numbers = not self.numbers

    def _pause(self) -> None:
        game = self.game
        if game.cursor < game.length and not game.is_human(game.board.side):
            game.continue_here()
            self.paused = False
        elif not game.agent_to_move:
            self.notice = "The agent is not to move."
        else:
            self.paused = not self.paused

    def _change_strength(self, step: int) -> None:
        now = self.game.strength.simulations
        place = min(range(len(STRENGTHS)), key=lambda i: abs(STRENGTHS[i] - now))
        place = min(max(place + step, 0), len(STRENGTHS) - 1)
        self.game.set_strength(simulations=STRENGTHS[place])

    # Threads ----------------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Bring the workers in line with the game: a move where the agent is to move, facts of the position shown."""
        game = self.game
        board = game.board
        if board != self._shown:
            self._note_turned(self._shown, board)
            self._shown = board
        if self._hint is not None and self._hint.board != board:
            self._hint = None
        wanted = (board, game.length, self.heat)
        if wanted != self._studied:
            self._studied = wanted
            self.scholar.submit("study", self._study_job(game.cursor, self.heat))
        if game.agent_to_move and not self.paused:
            if self._asked != game.serial:
                self._asked, self._visits = game.serial, 0
                self.thinker.submit("reply", lambda stop: game.reply(self._progress, stop))
        elif self.thinker.busy == "reply":
            self._asked = -1
            self.thinker.cancel()

    def _study_job(self, ply: int, heat: HeatMode) -> Callable[[Stop], Study | None]:
        game = self.game
        board = game.board_at(ply)

        def job(stop: Stop) -> Study | None:
            game.plies()
            if heat == "off" or board.is_over or stop() or game.board_at(ply) != board:
                return Study(board, heat, None)
            target = "value" if heat == "value" else str(best_move_target(game, ply))
            return Study(board, heat, game.explain(ply, target))

        return job

    def _ask_hint(self) -> None:
        game, simulations = self.game, max(_HINT_SIMULATIONS, self.game.strength.simulations)
        if self._hint is not None:
            self._hint = None
        elif not game.board.legal_moves():
            self.notice = "There is no move to hint at."
        elif self.thinker.busy == "reply":
            self.notice = "The agent is thinking."
        else:
            ply = game.cursor
            self.thinker.submit("hint", lambda stop: game.analyse(ply, simulations, self._progress))

    def _progress(self, visits: int) -> None:
        self._visits = visits
        if self._clock() - self._woken > 0.1:
            self._woken = self._clock()
            self._wake()

    def collect(self) -> None:
        """Take in what the workers have found."""
        answers = self.thinker.collect() + self.scholar.collect()
        for answer in answers:
            if answer.error is not None:
                self._failed(answer)
            elif answer.name == "study":
                self._study = answer.result  # type: ignore[assignment]
            elif answer.name == "hint":
                self._hint = answer.result  # type: ignore[assignment]
            elif answer.name == "film":
                self.notice = f"Film written: {answer.result}"
        if answers:
            self.update()

    def _failed(self, answer: Answer) -> None:
        error = answer.error
        if isinstance(error, EngineError):
            self.game.opponent, self._asked = "agent", -1
            self.notice = f"The opponent failed, the agent plays on: {_first_line(error)}"
        elif isinstance(error, OthelloError | LRPError | OSError):
            self.notice = _first_line(error)
        elif answer.name == "film" or self._asked == self.game.serial:
            raise error if error is not None else RuntimeError(answer.name)

    @property
    def settled(self) -> bool:
        """Whether the workers have nothing to do and the discs lie still."""
        return self.thinker.idle and self.scholar.idle and not self.animating

    def close(self) -> None:
        """Stop the workers."""
        self.running = False
        self.thinker.close()
        self.scholar.close()

    # What is shown ----------------------------------------------------------------------------------------------

    def _note_turned(self, old: Board, new: Board) -> None:
        self._turning = None
        if new.black.bit_count() + new.white.bit_count() != old.black.bit_count() + old.white.bit_count() + 1:
            return
        turned = (old.black & new.white) | (old.white & new.black)
        if self.animate and turned and old.size == new.size:
            self._turning = squares_of(turned, new.size), self._clock()

    @property
    def animating(self) -> bool:
        """Whether discs are turning."""
        return self._turning is not None and self._clock() - self._turning[1] < TURN_SECONDS

    def view(self) -> View:
        """The game as it is to be drawn now."""
        game = self.game
        board, ply = game.board, game.cursor
        study = self._study
        found = study.explanation if study and study.board == board and study.heat == self.heat else None
        legal = board.legal_moves() if game.human_to_move else ()
        searched = describe.last_search(game, ply)
        title, candidates = "", ()
        if self._hint is not None:
            title, candidates = "Hint", describe.candidates_of(self._hint, self._hint.moves[0].square)
        elif searched is not None:
            number, result = searched
            title, candidates = "The agent's move", describe.candidates_of(result, game.action_at(number))
        marks: dict[int, str] = {}
        if self._hint is not None:
            whole = sum(move.visits for move in self._hint.moves) or 1
            marks = {move.square: f"{100 * move.visits / whole:.0f} %" for move in self._hint.moves}
        ghost = self._hover if self._hover in legal else None
        thinking = self.thinker.busy in ("reply", "hint")
        return View(
            board=board, players=describe.seated(game, ply), status=describe.status(game, self.paused),
            notice=self.notice, progress=self._share() if thinking else None, last=game.last_move,
            dots=() if self._hint else legal, cursor=self.cursor,
            ghost=None if ghost is None else Ghost(ghost, _turns(board, ghost)), turning=self._turn(),
            neutral=self.heat != "off", heat=describe.heat_of(found, self.biases) if found else None,
            with_numbers=self.numbers, marks=tuple(marks.get(s, "") for s in range(board.size**2)) if marks else (),
            best=self._hint.moves[0].square if self._hint else None, value_words=describe.value_line(game, ply),
            values=tuple(game.value_of(number)[0] for number in range(game.length + 1)), ply=ply,
            plies=max(board.size**2 - 4, game.length), ledger=describe.ledger_of(found, self.biases) if found else None,
            candidates=candidates, candidates_title=title, opening=describe.opening_name(game, ply),
            moves=describe.move_text(game, ply), buttons=self._buttons(), prompt=self.prompt,
            help=help_lines() if self.help else (), dark=self.dark,
        )  # fmt: skip

    def _share(self) -> float:
        whole = max(1, self.game.strength.simulations)
        return 0.02 if self.thinker.busy is None else min(1.0, max(0.02, self._visits / whole))

    def _turn(self) -> Turning | None:
        if self._turning is None or not self.animating:
            return None
        phase = (self._clock() - self._turning[1]) / TURN_SECONDS
        return Turning(self._turning[0], round(0.5 - 0.5 * math.cos(math.pi * min(1.0, phase)), 2))

    def _buttons(self) -> tuple[tuple[Button, ...], ...]:
        game, strength = self.game, self.game.strength.simulations
        watching = game.seat == "watch"
        third = (
            Button("pause", "Go on" if self.paused else "Pause", "P", self.paused)
            if watching
            else Button("hint", "Hint", "H", self._hint is not None, game.human_to_move)
        )
        seat = {"black": "You: black", "white": "You: white", "watch": "You: watch", "both": "You: both"}[game.seat]
        return (
            (Button("undo", "Undo", "U", enabled=game.cursor > 0),
             Button("redo", "Redo", "R", enabled=game.cursor < game.length), third),
            (Button("heat", _WORDS[self.heat], "E", self.heat != "off", weight=1.25),
             Button("bias", "Biases", "B", self.biases and self.heat != "off"),
             Button("numbers", "Numbers", "T", self.numbers and self.heat != "off", weight=1.1)),
            (Button("new", "New", "N", weight=1.1), Button("seat", seat, "S", weight=1.7), Button("weaker", "−", weight=0.5),
             Button("strength", f"{strength} sims" if strength else "policy", enabled=False, weight=1.15),
             Button("stronger", "+", weight=0.5)),
            (Button("open", "Open"), Button("save", "Save"), Button("screenshot", "PNG"), Button("film", "GIF"),
             Button("help", "?", weight=0.6)),
        )  # fmt: skip


def help_lines() -> tuple[tuple[str, str], ...]:
    """The help card's lines."""
    from app.desktop.keys import HELP

    return HELP


def best_move_target(game: Session, ply: int) -> Target:
    """The policy's logit of the best move known at a ply: the search's, or the network's own."""
    board, found = game.board_at(ply), game.search_of(ply)
    if found is not None:
        return Target("policy", found.moves[0].square, size=board.size)
    from othello.agent import evaluate

    assert game.model is not None
    logits = np.array(evaluate(game.model.evaluator, [board])[0][0])
    return Target("policy", max(board.legal_actions(), key=lambda action: float(logits[action])), size=board.size)


def _turns(board: Board, square: int) -> tuple[int, ...]:
    """The discs that a move turns."""
    after = board.play(square)
    return squares_of((board.black & after.white) | (board.white & after.black), board.size)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
