"""A game as one headless object under the web page and the desktop: moves, undo, the agent, values, explanations.

A *ply* counts positions from the start, 0 first; forced passes are plies of their own and are played by themselves.
The line of moves may be longer than the ply that is shown: going back keeps it, playing another move cuts it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from othello.board import Board
from othello.errors import IllegalMove, ParseError
from othello.notation import format_moves, parse_moves, square_name
from othello.opponents import ManyGames

if TYPE_CHECKING:
    from app.explain.position import Explanation
    from app.explain.targets import Target
    from app.models import Model
    from othello.agent import SearchPlayer
    from othello.search.mcts import SearchResult

Seat = Literal["black", "white", "watch", "both"]  # what the person plays; `watch`: nothing, `both`: both sides
SEATS: tuple[Seat, ...] = ("black", "white", "watch", "both")
_EXPLANATIONS = 256  # kept a session


@dataclass(frozen=True)
class Strength:
    """How the agent plays: `simulations` a move (0: the policy alone) but at most `seconds`, drawn at `temperature`."""

    simulations: int = 100
    seconds: float | None = None
    temperature: float = 0.0


@dataclass(frozen=True)
class Ply:
    """A position of the game, the action played there (None at the end of the line) and what is known of it."""

    number: int
    board: Board
    action: int | None
    value: float | None  # expected outcome in [−1, 1] for BLACK: the outcome, the search's value, or the network's
    searched: bool


@dataclass(frozen=True)
class Loss:
    """What a move of the game cost: the drop of the expected outcome in [0, 2] for the side that played it."""

    ply: int
    move: str
    best: str
    loss: float


class Session:
    """One game between a person and the agent; every method may be called from any thread.

    >>> game = Session()
    >>> game.play("f5"), game.transcript, game.board.side
    (True, 'f5', 'O')
    """

    def __init__(
        self, model: Model | None = None, *, seat: Seat = "black", start: Board | None = None,
        strength: Strength | None = None, opponent: str = "agent", seed: int = 0,
    ) -> None:  # fmt: skip
        self._lock = threading.RLock()
        self._thinking = threading.Lock()
        self._model = model
        self._random = np.random.default_rng(seed)
        self._player: SearchPlayer | None = None
        self._explanations: OrderedDict[tuple[object, ...], Explanation] = OrderedDict()
        self._network_values: dict[Board, float] = {}
        self.strength = strength or Strength()
        self.opponent = opponent
        self.serial = 0  # grows with every change
        self.new_game(seat=seat, start=start)

    # The line of moves ------------------------------------------------------------------------------------------

    def new_game(self, *, seat: Seat | None = None, start: Board | None = None, actions: Sequence[int] = ()) -> None:
        """Begin again from `start`, with `actions` already played; IllegalMove leaves the old game as it was."""
        first = start if start is not None else Board.initial(self._model.size if self._model else 8)
        if self._model is not None and first.size != self._model.size:
            raise ParseError(
                f"a {first.size}×{first.size} board, but the checkpoint plays {self._model.size}×{self._model.size}"
            )
        line, boards = _replayed(first, actions)
        with self._lock:
            self.start, self._actions, self._boards = first, line, boards
            self.cursor = len(line)
            self._searches: dict[Board, SearchResult] = {}
            if seat is not None:
                self.seat: Seat = seat
            self._auto_pass()
            self.serial += 1

    def open(self, text: str, *, seat: Seat | None = None) -> None:
        """A new game from a board string, a transcript (its moves are kept) or `start`; ParseError, IllegalMove."""
        size = self._model.size if self._model else 8
        board = Board.parse(text, size)
        if any(letter in "12345678" for letter in text):
            self.new_game(seat=seat, actions=parse_moves(text, size))
        else:
            self.new_game(seat=seat, start=board)

    @property
    def board(self) -> Board:
        """The position that is shown."""
        return self._boards[self.cursor]

    @property
    def length(self) -> int:
        """Plies in the line."""
        return len(self._actions)

    @property
    def actions(self) -> tuple[int, ...]:
        """The moves of the whole line, passes included."""
        return tuple(self._actions)

    @property
    def transcript(self) -> str:
        """The moves up to the ply that is shown, without passes."""
        return format_moves(self._actions[: self.cursor], self.board.size)

    @property
    def last_move(self) -> int | None:
        """The square played last, None at the start and where the last action was a pass."""
        action = self._actions[self.cursor - 1] if self.cursor else None
        return None if action is None or action >= self.board.size**2 else action

    @property
    def passed(self) -> str | None:
        """`black` or `white` if that side has just had to pass."""
        if self.cursor and self._actions[self.cursor - 1] == self.board.size**2:
            return "white" if self.board.side == "X" else "black"
        return None

    def is_human(self, side: str) -> bool:
        """Whether a person plays "X" or "O"."""
        return self.seat == "both" or self.seat == ("black" if side == "X" else "white")

    @property
    def human_to_move(self) -> bool:
        """Whether a person may move in the position that is shown."""
        return not self.board.is_over and self.is_human(self.board.side)

    @property
    def agent_to_move(self) -> bool:
        """Whether the agent is to move at the end of the line, which is shown."""
        return self.cursor == self.length and not self.board.is_over and not self.is_human(self.board.side)

    def play(self, square: int | str, ply: int | None = None) -> bool:
        """Play a square in the position that is shown; False and nothing done if `ply` is given and is not its number.

        Cuts what was played after it.  Raises IllegalMove, ParseError.
        """
        with self._lock:
            if ply is not None and ply != self.cursor:
                return False
            board = self.board.play(square)
            action = next(a for a in self.board.legal_actions() if self.board.play(a) == board)
            if self.cursor < self.length and self._actions[self.cursor] == action:
                self.cursor += 1
                self._skip_pass()
            else:
                self._cut()
                self._append(action, board)
            self.serial += 1
            return True

    def _append(self, action: int, board: Board) -> None:
        self._boards.append(board)  # before the action: a reader in another thread finds a board for every ply
        self._actions.append(action)
        self.cursor += 1
        self._auto_pass()

    def _auto_pass(self) -> None:
        if self.board.must_pass and self.cursor == self.length:
            self._append(self.board.size**2, self.board.pass_turn())

    def _skip_pass(self) -> None:
        if self.board.must_pass and self.cursor < self.length:
            self.cursor += 1

    def _cut(self) -> None:
        del self._actions[self.cursor :]
        del self._boards[self.cursor + 1 :]

    def continue_here(self) -> None:
        """Make the ply that is shown the end of the line."""
        with self._lock:
            self._cut()
            self._auto_pass()
            self.serial += 1

    def goto(self, ply: int) -> None:
        """Show a ply; one beyond an end is that end."""
        with self._lock:
            self.cursor = min(max(ply, 0), self.length)
            self.serial += 1

    def undo(self) -> None:
        """Back to the last position in which a person had to move, or one ply where nobody plays."""
        with self._lock:
            stops = [n for n in range(self.cursor) if self._is_stop(n)]
            self.goto(stops[-1] if stops else 0)

    def redo(self) -> None:
        """Forward to the next position in which a person has to move, or one ply where nobody plays."""
        with self._lock:
            stops = [n for n in range(self.cursor + 1, self.length + 1) if self._is_stop(n)]
            self.goto(stops[0] if stops else self.length)

    def _is_stop(self, ply: int) -> bool:
        board = self._boards[ply]
        return not board.must_pass and (self.seat == "watch" or self.is_human(board.side) or board.is_over)

    # The agent --------------------------------------------------------------------------------------------------

    @property
    def model(self) -> Model | None:
        """The network that plays and explains."""
        return self._model

    def use_model(self, model: Model) -> None:
        """Play on with another network; ParseError if it plays boards of another size."""
        if model.size != self.start.size:
            raise ParseError(
                f"{model.name} plays {model.size}×{model.size} boards, this game is {self.start.size}×{self.start.size}"
            )
        with self._lock:
            if model is not self._model:
                self._model, self._player = model, None
                self._searches, self._network_values = {}, {}
                self._explanations.clear()
                self.serial += 1

    def reply(
        self, on_progress: Callable[[int], None] | None = None, stop: Callable[[], bool] | None = None
    ) -> int | None:
        """Let the agent think and play at the end of the line; the action, or None if the game has gone elsewhere.

        Raises ValueError where it is not the agent's turn, EngineError if an external opponent fails.
        """
        with self._lock:
            if not self.agent_to_move:
                raise ValueError("it is not the agent's turn")
            board, ply, strength, opponent = self.board, self.cursor, self.strength, self.opponent
        with self._thinking:
            action = self._choose(board, strength, opponent, on_progress, stop)
        with self._lock:
            if self.cursor != ply or self.board != board or self.length != ply:
                return None
            self._append(action, board.play(action))
            self.serial += 1
            return action

    def _choose(
        self, board: Board, strength: Strength, opponent: str, on_progress: Callable[[int], None] | None,
        stop: Callable[[], bool] | None,
    ) -> int:  # fmt: skip
        if opponent != "agent":
            from othello.players import parse

            player = parse(opponent, board.size)
            if isinstance(player, ManyGames):
                player.new_game(int(self._random.integers(2**31)))
            try:
                return player.move(board)
            finally:
                player.close()
        if strength.simulations == 0:
            return self._by_policy(board, strength.temperature)
        from othello.search.mcts import choose

        seconds = strength.seconds
        simulations = strength.simulations if seconds is None else 1_000_000
        result = self._search_player().think(
            board, simulations=simulations, seconds=seconds, on_progress=on_progress, stop=stop
        )
        with self._lock:
            self._searches[board] = result
        if result.exact is not None:
            return result.moves[0].square
        return choose(result, strength.temperature, self._random)

    def _by_policy(self, board: Board, temperature: float) -> int:
        legal = board.legal_moves()
        logits = np.array(self._evaluate([board])[0][0], np.float64)[list(legal)]
        if temperature <= 0:
            return legal[int(np.argmax(logits))]
        weights = np.exp((logits - logits.max()) / temperature)
        return int(self._random.choice(legal, p=weights / weights.sum()))

    def _search_player(self) -> SearchPlayer:
        from othello.agent import SearchPlayer

        if self._player is None:
            self._player = SearchPlayer(self._need_model().evaluator, max(self.strength.simulations, 1))
        return self._player

    def _need_model(self) -> Model:
        if self._model is None:
            raise ParseError("this game has no network to ask")
        return self._model

    def _evaluate(self, boards: Sequence[Board]) -> tuple[np.ndarray, np.ndarray]:
        own = np.array([board.own for board in boards], np.uint64)
        logits, values = self._need_model().evaluator(own, np.array([board.opp for board in boards], np.uint64))
        return logits, values

    def analyse(
        self, ply: int | None = None, simulations: int = 100, on_progress: Callable[[int], None] | None = None
    ) -> SearchResult | None:
        """Search the position of a ply without playing (kept for the game); None where there is nothing to search."""
        board = self._boards[self.cursor if ply is None else ply]
        if not board.legal_moves():
            return None
        known = self._searches.get(board)
        if known is not None and known.simulations >= simulations:
            return known
        with self._thinking:
            result = self._search_player().think(board, simulations=simulations, on_progress=on_progress)
        with self._lock:
            self._searches[board] = result
        return result

    def search_of(self, ply: int) -> SearchResult | None:
        """The search made at a ply, if there was one."""
        return self._searches.get(self._boards[ply])

    # What is known of the game ----------------------------------------------------------------------------------

    def value_of(self, ply: int) -> tuple[float | None, bool]:
        """The expected outcome in [−1, 1] for black at a ply, and whether a search (or the rules) says so."""
        board = self._boards[ply]
        sign = 1.0 if board.side == "X" else -1.0
        if board.is_over:
            return float(np.sign(board.score())), True
        found = self._searches.get(board)
        if found is not None:
            return sign * found.value, True
        value = self._network_values.get(board)
        return (None, False) if value is None else (sign * value, False)

    def network_value(self, board: Board) -> float:
        """The network's value of a position in [−1, 1] for its side to move."""
        self._fill_values([board])
        return self._network_values[board]

    def _fill_values(self, boards: Sequence[Board]) -> None:
        missing = [board for board in dict.fromkeys(boards) if board not in self._network_values]
        if missing:
            _, values = self._evaluate(missing)
            self._network_values.update(zip(missing, map(float, values)))

    def plies(self) -> list[Ply]:
        """The whole line with black's expected outcome at every ply (None everywhere without a network)."""
        with self._lock:
            boards, actions = list(self._boards), [*self._actions, None]
        if self._model is not None:
            self._fill_values([board for board in boards if not board.is_over])
        rows = []
        for number, (board, action) in enumerate(zip(boards, actions)):
            value, searched = self.value_of(number)
            rows.append(Ply(number, board, action, value, searched))
        return rows

    def review(self, simulations: int = 100, on_progress: Callable[[int], None] | None = None) -> list[Loss]:
        """Search every position of the line and say what each move cost, the worst first."""
        for ply in range(self.length + 1):
            self.analyse(ply, simulations)
            if on_progress is not None:
                on_progress(ply)
        losses = []
        for ply, action in enumerate(self._actions):
            found = self.search_of(ply)
            before, after = self.value_of(ply)[0], self.value_of(ply + 1)[0]
            if found is None or before is None or after is None:
                continue
            size, sign = self.start.size, 1.0 if self._boards[ply].side == "X" else -1.0
            best = found.moves[0].square
            loss = 0.0 if action == best else max(0.0, sign * (before - after))
            losses.append(Loss(ply, square_name(action, size), square_name(best, size), loss))
        return sorted(losses, key=lambda loss: -loss.loss)

    def explain(
        self, ply: int, target: Target | str = "value", *, composite: str = "EpsilonPlus", bias: str = "sink",
        simulations: int = 100,
    ) -> Explanation:  # fmt: skip
        """The explanation of a target at a ply (kept); ParseError for a target that does not fit, LRPError."""
        from app.explain.position import explain

        model, board = self._need_model(), self._boards[ply]
        key = (model.sha256, board, str(target), composite, bias, simulations if str(target).startswith("q") else 0)
        with self._lock:
            if key in self._explanations:
                self._explanations.move_to_end(key)
                return self._explanations[key]
        found = explain(model, board, target, composite=composite, bias=bias, simulations=simulations)
        with self._lock:
            self._explanations[key] = found
            while len(self._explanations) > _EXPLANATIONS:
                self._explanations.popitem(last=False)
        return found

    def decision(self) -> int | None:
        """The ply of the agent's last move before the ply shown, or of the position shown if the agent is to move."""
        if not self.board.is_over and not self.is_human(self.board.side) and not self.board.must_pass:
            return self.cursor
        for ply in range(self.cursor - 1, -1, -1):
            board = self._boards[ply]
            if not self.is_human(board.side) and not board.must_pass:
                return ply
        return None

    def board_at(self, ply: int) -> Board:
        """The position of a ply."""
        return self._boards[ply]

    def action_at(self, ply: int) -> int | None:
        """The action played at a ply, None at the end of the line."""
        return self._actions[ply] if ply < self.length else None

    def set_strength(self, **changes: float | int | None) -> None:
        """Change some of `Strength`'s fields."""
        self.strength = replace(self.strength, **changes)  # type: ignore[arg-type]


def _replayed(start: Board, actions: Sequence[int]) -> tuple[list[int], list[Board]]:
    """The line with the passes that `actions` leave out, and its positions."""
    line: list[int] = []
    boards = [start]
    for number, action in enumerate(actions, 1):
        board = boards[-1]
        try:
            if board.must_pass:
                line.append(board.size**2)
                boards.append(board := board.pass_turn())
                if action == board.size**2:
                    continue
            boards.append(board.play(action))
        except IllegalMove as error:
            raise IllegalMove(f"move {number}: {error}") from None
        line.append(action)
    return line, boards
