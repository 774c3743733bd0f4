"""Players that are not the agent, kept from move to move: simple ones, and programs that the operator named."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping, Sequence

from othello.errors import EngineError, ParseError
from othello.players.specs import is_external, parse
from othello.rules.board import Board
from othello.rules.notation import excerpt

ENGINES = "OTHELLO_ENGINES"  # the programs a page may start, one NAME=PLAYER a line; a browser can name none
SECONDS = "OTHELLO_ENGINE_SECONDS"
ANSWER_SECONDS = 20.0


class Rival:
    """A player of one game at a time; a program runs from its first answer until `close`, or until this is forgotten.

    >>> Rival("greedy", 8, 1.0).move(Board.initial(), [], 0) in Board.initial().legal_moves()
    True
    """

    def __init__(self, spec: str, size: int, seconds: float) -> None:
        self.spec, self.size = spec, size
        self._player = parse(spec, size, move_timeout=seconds)
        self._known: list[int] | None = None  # the line that it has been told, its own answer too
        self._end = weakref.finalize(self, self._player.close)

    def move(self, board: Board, line: Sequence[int], seed: int) -> int:
        """Its move in `board`, to which `line` leads from the usual start; EngineError if it fails."""
        player, line = self._player, list(line)
        try:
            if self._known is None or line[: len(self._known)] != self._known:
                player.new_game(seed)
                self._known = []
                for action in line:
                    player.watch(action)
            else:
                for action in line[max(0, len(self._known) - 1) :]:  # its own answer too
                    player.watch(action)
            action = player.move(board)
        except EngineError:
            self._known = None
            raise
        except ValueError as error:  # an engine that cannot begin where this game began
            self._known = None
            raise EngineError(str(error)) from error
        self._known = [*line, action]
        return action

    def close(self) -> None:
        """End its program, if it runs one."""
        self._end()


class Rivals:
    """The players of a session by their specs, made when they are first asked; one is asked at a time.

    `seconds`: how long one that is made from now on may think about an answer.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = answer_seconds() if seconds is None else seconds
        self._known: dict[str, Rival] = {}

    def move(self, spec: str, start: Board, board: Board, line: Sequence[int], seed: int) -> int:
        """The move of a player in `board`, to which `line` leads from `start`; ParseError for a spec that is none.

        Raises EngineError if it fails or cannot begin at `start`, and lets the player go.
        """
        if start != Board.initial(start.size) and spec.startswith("gtp:"):
            raise EngineError(
                f"{spec}: GTP engines follow a game from the usual start; this one began elsewhere"
            )
        rival = self._known.get(spec)
        if rival is None:
            rival = self._known[spec] = Rival(spec, board.size, self.seconds)
        try:
            return rival.move(board, line, seed)
        except EngineError:
            self._known.pop(spec).close()
            raise

    def close(self) -> None:
        """End the players' programs."""
        while self._known:
            self._known.popitem()[1].close()


def named_engine(text: str) -> tuple[str, str]:
    """The name and the player that `NAME=PLAYER` states, such as `Rhino=gtp:gtp-rhino -l 2`.

    Raises ParseError for anything but an external engine whose program is installed.

    >>> named_engine("Shell=gtp:sh")
    ('Shell', 'gtp:sh')
    """
    name, sign, spec = text.partition("=")
    name, spec = name.strip(), spec.strip()
    if not sign or not name or len(name) > 40 or not name.isprintable():
        raise ParseError(
            f"engine {excerpt(text, 60)}: accepted is NAME=gtp:COMMAND or NAME=nboard:COMMAND"
        )
    if not is_external(spec):
        raise ParseError(
            f"engine {excerpt(text, 60)}: {excerpt(spec, 40)} is neither gtp:COMMAND nor nboard:COMMAND"
        )
    parse(spec)  # a program that is not installed is an error now, not in the middle of a game
    return name, spec


def engine_lines(texts: Iterable[str]) -> str:
    """What belongs into the environment for these `NAME=PLAYER` texts; ParseError as for `named_engine`."""
    return "\n".join("=".join(named_engine(text)) for text in texts)


def offered_engines(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """{name: player} of the programs that the operator of this server named."""
    return dict(
        named_engine(line) for line in environment.get(ENGINES, "").splitlines() if line.strip()
    )


def answer_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """How long a program may think about one answer, in seconds."""
    try:
        return max(0.1, float(environment.get(SECONDS, ANSWER_SECONDS)))
    except ValueError:
        return ANSWER_SECONDS
