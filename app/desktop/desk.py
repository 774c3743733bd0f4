"""`Desk`: one game on the desktop without its window: commands in, views out, searches in threads.

Every method is called by the window's thread; the two workers only return answers, which `collect` takes in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.desktop import describe, files
from app.desktop.scene import view_of
from app.desktop.view import HEAT_MODES, Heat, HeatMode, Ledger, Prompt, View
from app.desktop.worker import Answer, Stop, Worker
from app.explain.targets import Target
from app.game.session import SEATS, Session
from lrp.errors import LRPError
from othello.errors import EngineError, OthelloError
from othello.rules.board import Board, squares_of

if TYPE_CHECKING:
    from othello.search.search import SearchResult

STRENGTHS = (0, 10, 25, 50, 100, 200, 400, 800, 1600)  # simulations a move; 0 is the policy alone
TURN_SECONDS = 0.22
_HINT_SIMULATIONS = 100
_ARROWS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


@dataclass(frozen=True)
class Study:
    """What was found out about a position for its heatmap."""

    board: Board
    heat: HeatMode
    maps: tuple[
        tuple[Heat, Ledger], ...
    ] = ()  # of the squares and of the biases; none without a heatmap


class Desk:
    """A session with what the person has switched on; `view` is what to draw now."""

    def __init__(
        self,
        game: Session,
        wake: Callable[[], None] = lambda: None,
        *,
        folder: Path | None = None,
        heat: HeatMode = "off",
        dark: bool = False,
        animate: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.game, self.folder = game, folder if folder is not None else Path.cwd()
        self.heat, self.biases, self.numbers, self.dark = heat, False, False, dark
        self.animate, self.help, self.paused, self.running = animate, False, False, True
        self.cursor: int | None = None
        self.prompt: Prompt | None = None
        self.notice = "F1: help"
        self.thinker, self.scholar = Worker("agent", wake), Worker("explainer", wake)
        self.filmer = Worker("film", wake)
        self._wake, self._clock = wake, clock
        self.hovered: int | None = None
        self.hint: SearchResult | None = None
        self.study: Study | None = None
        self._studied: tuple[object, ...] = ()
        self._asked = -1
        self._begun: dict[str, int] = {}  # the game's serial when a job was handed out
        self.visits, self._woken = 0, 0.0
        self.turning: tuple[tuple[int, ...], float] | None = None
        self._shown = game.board
        self._wanted: str | None = (
            None  # what only the window can do: screenshot, film, copy, paste
        )
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
                "undo": game.undo,
                "redo": game.redo,
                "first": lambda: game.goto(0),
                "last": lambda: game.goto(game.length),
                "back": lambda: game.goto(game.cursor - 1),
                "forward": lambda: game.goto(game.cursor + 1),
            }
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
            self.help, self.prompt, self.hint, self.cursor = False, None, None, None
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
        self.hovered = square

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
            self.prompt = Prompt(
                self.prompt.label, self.prompt.text + " ".join(text.split("\n"))[: max(0, room)]
            )

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
        if self.hint is not None and self.hint.board != board:
            self.hint = None
        wanted = (board, game.length, self.heat)
        if wanted != self._studied:
            self._studied = wanted
            self._begun["study"] = game.serial
            self.scholar.submit("study", self._study_job(game.cursor, self.heat))
        if game.agent_to_move and not self.paused:
            if self._asked != game.serial:
                self._asked, self.visits = game.serial, 0
                self._begun["reply"] = game.serial
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
                return Study(board, heat)
            target = "value" if heat == "value" else str(best_move_target(game, ply))
            found = game.explain(ply, target)
            return Study(
                board,
                heat,
                tuple(
                    (describe.heat_of(found, biases), describe.ledger_of(found, biases))
                    for biases in (False, True)
                ),
            )

        return job

    def _ask_hint(self) -> None:
        game, simulations = self.game, max(_HINT_SIMULATIONS, self.game.strength.simulations)
        if self.hint is not None:
            self.hint = None
        elif not game.board.legal_moves():
            self.notice = "There is no move to hint at."
        elif self.thinker.busy == "reply":
            self.notice = "The agent is thinking."
        else:
            ply, self._begun["hint"] = game.cursor, game.serial
            self.thinker.submit("hint", lambda stop: game.analyse(ply, simulations, self._progress))

    def _progress(self, visits: int) -> None:
        self.visits = visits
        if self._clock() - self._woken > 0.1:
            self._woken = self._clock()
            self._wake()

    def collect(self) -> None:
        """Take in what the workers have found."""
        answers = self.thinker.collect() + self.scholar.collect() + self.filmer.collect()
        for answer in answers:
            if answer.error is not None:
                self._failed(answer)
            elif answer.name == "study":
                self.study = answer.result  # type: ignore[assignment]
            elif answer.name == "hint":
                self.hint = answer.result  # type: ignore[assignment]
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
        elif answer.name == "film":
            self.notice = f"The film failed: {error}"
        elif error is not None and self._begun.get(answer.name) == self.game.serial:
            raise error  # otherwise the game has gone on, and the job's ground with it

    @property
    def settled(self) -> bool:
        """Whether the workers have nothing to do and the discs lie still."""
        return self.thinker.idle and self.scholar.idle and self.filmer.idle and not self.animating

    def close(self) -> None:
        """Stop the workers."""
        self.running = False
        self.thinker.close()
        self.scholar.close()
        self.filmer.close()

    # What is shown ----------------------------------------------------------------------------------------------

    def _note_turned(self, old: Board, new: Board) -> None:
        self.turning = None
        if (
            new.black.bit_count() + new.white.bit_count()
            != old.black.bit_count() + old.white.bit_count() + 1
        ):
            return
        turned = (old.black & new.white) | (old.white & new.black)
        if self.animate and turned and old.size == new.size:
            self.turning = squares_of(turned, new.size), self._clock()

    @property
    def phase(self) -> float:
        """How far discs have turned, in [0, 1]; 1 where none turn."""
        return (
            1.0
            if self.turning is None
            else min(1.0, (self._clock() - self.turning[1]) / TURN_SECONDS)
        )

    @property
    def animating(self) -> bool:
        """Whether discs are turning."""
        return self.phase < 1

    def view(self) -> View:
        """The game as it is to be drawn now."""
        return view_of(self)


def best_move_target(game: Session, ply: int) -> Target:
    """The policy's logit of the best move known at a ply: the search's, or the network's own."""
    board, found = game.board_at(ply), game.search_of(ply)
    if found is not None:
        return Target("policy", found.moves[0].square, size=board.size)
    from othello.players.agent import evaluate

    assert game.model is not None
    logits = np.array(evaluate(game.model.evaluator, [board])[0][0])
    return Target(
        "policy",
        max(board.legal_actions(), key=lambda action: float(logits[action])),
        size=board.size,
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
