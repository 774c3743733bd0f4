"""`Desk`: one game on the desktop without its window: what is switched on, and searches in threads.

Every method is called by the window's thread; the two workers only return answers, which `collect` takes in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from app.desktop import files
from app.desktop.study import Study, study_of
from app.desktop.view import HeatMode, Prompt, turned
from app.desktop.worker import Answer, Worker
from app.game.session import Session
from lrp.errors import LRPError
from othello.errors import EngineError, OthelloError
from othello.rules.board import Board
from othello.search.search import SearchResult

STRENGTHS = (0, 10, 25, 50, 100, 200, 400, 800, 1600)  # simulations a move; 0 is the policy alone
TURN_SECONDS = 0.22
_HINT_SIMULATIONS = 100


class Desk:
    """A session with what the person has switched on; `scene.view_of` says what to draw."""

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

    def attempt(self, action: Callable[[], None]) -> None:
        """Do something; what is wrong with it becomes the notice."""
        try:
            action()
        except (OthelloError, LRPError, OSError) as error:
            self.notice = _first_line(error)
        self.update()

    def want(self, command: str) -> None:
        """Leave a command to the window."""
        self._wanted = command

    def take_wanted(self) -> str | None:
        """The command that waits for the window, once."""
        wanted, self._wanted = self._wanted, None
        return wanted

    def clear(self) -> None:
        """Close the card and the prompt, drop the hint and the cursor."""
        self.help, self.prompt, self.hint, self.cursor = False, None, None, None

    def stop(self) -> None:
        """Let the window close."""
        self.running = False

    def play_cursor(self) -> None:
        """Play the square under the cursor, if there is one; IllegalMove."""
        if self.cursor is not None:
            self.play(self.cursor)

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
        self.notice, self.cursor = "", None
        self.attempt(lambda: self.play(square))

    def hover(self, square: int | None) -> None:
        """The mouse is over a square, or over none."""
        self.hovered = square

    def walk(self, step: Callable[[], None]) -> None:
        """Go along the line; who watches has it paused there."""
        step()
        self.paused = self.game.seat == "watch"

    def jump(self, ply: int) -> None:
        """Show a ply."""
        self.walk(lambda: self.game.goto(ply))
        self.update()

    def ask_text(self) -> None:
        """Ask for something to open."""
        self.prompt = Prompt("Open a file, a transcript or a position:", "")

    def open_text(self, text: str) -> None:
        """Open what a text names, see `files.open_game`."""

        def action() -> None:
            self.notice = files.open_game(self.game, text)

        self.attempt(action)

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

    def move_cursor(self, down: int, right: int) -> None:
        """Move the cursor over the edges; the first time to a legal square."""
        n, board = self.game.board.size, self.game.board
        if self.cursor is None:
            legal = board.legal_moves()
            self.cursor = legal[0] if legal else n * (n // 2) + n // 2
            return
        row, column = divmod(self.cursor, n)
        self.cursor = (row + down) % n * n + (column + right) % n

    def switch_map(self, switch: Literal["biases", "numbers"]) -> None:
        """Show the biases' map or the squares', numbers or none; with a heatmap if there was none."""
        if self.heat == "off":
            self.heat = "value"
        if switch == "biases":
            self.biases = not self.biases
        else:
            self.numbers = not self.numbers

    def pause(self) -> None:
        """Stop the agent, let it go on, or let it play on from a ply before the end."""
        game, line = self.game, self.game.line
        if line.cursor < line.length and not line.is_human(line.board.side):
            game.continue_here()
            self.paused = False
        elif not line.agent_to_move:
            self.notice = "The agent is not to move."
        else:
            self.paused = not self.paused

    def change_strength(self, step: int) -> None:
        """So many steps stronger."""
        now = self.game.strength.simulations
        place = min(range(len(STRENGTHS)), key=lambda i: abs(STRENGTHS[i] - now))
        place = min(max(place + step, 0), len(STRENGTHS) - 1)
        self.game.set_strength(simulations=STRENGTHS[place])

    # Threads ----------------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Bring the workers in line with the game: a move where the agent is to move, facts of the position shown."""
        game, line = self.game, self.game.line
        board = line.board
        if board != self._shown:
            self._note_turned(self._shown, board)
            self._shown = board
        if self.hint is not None and self.hint.board != board:
            self.hint = None
        wanted = (board, line.length, self.heat)
        if wanted != self._studied:
            self._studied = wanted
            self._begun["study"] = line.serial
            self.scholar.submit("study", partial(study_of, game, line, self.heat))
        if line.agent_to_move and not self.paused:
            if self._asked != line.serial:
                self._asked, self.visits = line.serial, 0
                self._begun["reply"] = line.serial
                self.thinker.submit("reply", lambda stop: game.reply(self._progress, stop))
        elif self.thinker.busy == "reply":
            self._asked = -1
            self.thinker.cancel()

    def known(self, board: Board) -> Study | None:
        """What is known of a position for what is switched on."""
        study = self.study
        fits = study is not None and (study.board, study.heat) == (board, self.heat)
        return study if fits else None

    def ask_hint(self) -> None:
        """Search the position for the person, or put the hint away."""
        game, board = self.game, self.game.board
        simulations = max(_HINT_SIMULATIONS, game.strength.simulations)
        if self.hint is not None:
            self.hint = None
        elif not board.legal_moves():
            self.notice = "There is no move to hint at."
        elif self.thinker.busy == "reply":
            self.notice = "The agent is thinking."
        else:
            self._begun["hint"] = game.serial
            self.thinker.submit(
                "hint", lambda stop: game.analyse(board, simulations, self._progress)
            )

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
        """Let discs turn where the new position has one disc more than the old."""
        self.turning = None
        if old.size != new.size or new.empties != old.empties - 1 or not self.animate:
            return
        if squares := turned(old, new):
            self.turning = squares, self._clock()

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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
