"""A game as one headless object under the web page and the desktop: its line, the agent, values and explanations."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from app.explain.default import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.game.game_line import SEATS, Line, Seat
from app.game.opponents import Rival, answer_seconds
from othello.errors import EngineError, ParseError
from othello.rules.board import Board
from othello.rules.notation import square_name

if TYPE_CHECKING:
    from app.explain.explanation import Explanation
    from app.explain.targets import Target
    from app.models import Model
    from othello.players.agent import SearchPlayer
    from othello.search.mcts import SearchResult

__all__ = ["SEATS", "Loss", "Ply", "Seat", "Session", "Strength"]

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
    value: (
        float | None
    )  # expected outcome in [−1, 1] for BLACK: the outcome, the search's value, or the network's
    searched: bool


@dataclass(frozen=True)
class Loss:
    """What a move of the game cost: the drop of the expected outcome in [0, 2] for the side that played it."""

    ply: int
    move: str
    best: str
    loss: float


class Session(Line):
    """One game between a person and the agent; every method may be called from any thread.

    >>> game = Session()
    >>> game.play("f5"), game.transcript, game.board.side
    (True, 'f5', 'O')
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        seat: Seat = "black",
        start: Board | None = None,
        strength: Strength | None = None,
        opponent: str = "agent",
        seed: int = 0,
    ) -> None:
        self._searches: dict[Board, SearchResult] = {}
        self._thinking = threading.Lock()
        self._model = model
        self._random = np.random.default_rng(seed)
        self._player: SearchPlayer | None = None
        self._explanations: OrderedDict[tuple[object, ...], Explanation] = OrderedDict()
        self._network_values: dict[Board, float] = {}
        self._rivals: dict[str, Rival] = {}
        self.engine_seconds = answer_seconds()
        self.strength = strength or Strength()
        self.opponent = opponent
        super().__init__(seat, start, model.size if model else start.size if start else 8)

    def new_game(
        self, *, seat: Seat | None = None, start: Board | None = None, actions: Sequence[int] = ()
    ) -> None:
        """Begin again from `start`, with `actions` already played; an error leaves the old game as it was."""
        with self._lock:
            super().new_game(seat=seat, start=start, actions=actions)
            self._searches = {}

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
        self,
        on_progress: Callable[[int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> int | None:
        """Let the agent think and play at the end of the line; the action, or None if the game has gone elsewhere.

        Raises ValueError where it is not the agent's turn, EngineError if an external opponent fails.
        """
        with self._lock:
            if not self.agent_to_move:
                raise ValueError("it is not the agent's turn")
            board, ply, strength, opponent = self.board, self.cursor, self.strength, self.opponent
            line = self._actions[:ply]
        with self._thinking:
            if opponent == "agent":
                action = self._choose(board, strength, on_progress, stop)
            else:
                action = self._ask_opponent(opponent, board, line)
        with self._lock:
            if self.cursor != ply or self.board != board or self.length != ply:
                return None
            self._append(action, board.play(action))
            self.serial += 1
            return action

    def _ask_opponent(self, opponent: str, board: Board, line: Sequence[int]) -> int:
        """The move of another player, who is told of the whole line first; EngineError, and the player is let go."""
        rival = self._rivals.get(opponent)
        if rival is None:
            rival = self._rivals[opponent] = Rival(opponent, board.size, self.engine_seconds)
        if self.start != Board.initial(board.size) and opponent.startswith("gtp:"):
            raise EngineError(
                f"{opponent}: GTP engines follow a game from the usual start; this one began elsewhere"
            )
        try:
            return rival.move(board, line, int(self._random.integers(2**31)))
        except EngineError:
            self._rivals.pop(opponent).close()
            raise

    def second_opinion(self, opponent: str, ply: int | None = None) -> int | None:
        """What another player would play at a ply, without playing it; None where nobody can move there.

        Raises EngineError if it fails, ParseError if its spec is none.
        """
        with self._lock:
            at = self.cursor if ply is None else ply
            board, line = self._boards[at], self._actions[:at]
        if not board.legal_moves():
            return None
        with self._thinking:
            return self._ask_opponent(opponent, board, line)

    def close(self) -> None:
        """End the programs that play in this game; they start again when they are asked again."""
        with self._thinking:
            while self._rivals:
                self._rivals.popitem()[1].close()

    def _choose(
        self,
        board: Board,
        strength: Strength,
        on_progress: Callable[[int], None] | None,
        stop: Callable[[], bool] | None,
    ) -> int:
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
        from othello.players.agent import SearchPlayer

        if self._player is None:
            self._player = SearchPlayer(
                self._need_model().evaluator, max(self.strength.simulations, 1)
            )
        return self._player

    def _need_model(self) -> Model:
        if self._model is None:
            raise ParseError("this game has no network to ask")
        return self._model

    def _evaluate(self, boards: Sequence[Board]) -> tuple[np.ndarray, np.ndarray]:
        from othello.players.agent import evaluate

        return evaluate(self._need_model().evaluator, boards)

    def analyse(
        self,
        ply: int | None = None,
        simulations: int = 100,
        on_progress: Callable[[int], None] | None = None,
    ) -> SearchResult | None:
        """Search the position of a ply without playing (kept for the game); None where there is nothing to search."""
        board = self._boards[self.cursor if ply is None else ply]
        if not board.legal_moves():
            return None
        known = self._searches.get(board)
        if known is not None and known.simulations >= simulations:
            return known
        with self._thinking:
            result = self._search_player().think(
                board, simulations=simulations, on_progress=on_progress
            )
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

    def review(
        self, simulations: int = 100, on_progress: Callable[[int], None] | None = None
    ) -> list[Loss]:
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
        self,
        ply: int,
        target: Target | str = "value",
        *,
        composite: str = DEFAULT_COMPOSITE,
        bias: str = DEFAULT_BIAS,
        simulations: int = 100,
    ) -> Explanation:
        """The explanation of a target at a ply (kept); ParseError for a target that does not fit, LRPError."""
        from app.explain.ask import explain

        model, board = self._need_model(), self._boards[ply]
        key = (
            model.sha256,
            board,
            str(target),
            composite,
            bias,
            simulations if str(target).startswith("q") else 0,
        )
        with self._lock:
            if key in self._explanations:
                self._explanations.move_to_end(key)
                return self._explanations[key]
        found = explain(
            model, board, target, composite=composite, bias=bias, simulations=simulations
        )
        with self._lock:
            self._explanations[key] = found
            while len(self._explanations) > _EXPLANATIONS:
                self._explanations.popitem(last=False)
        return found

    def decision(self) -> int | None:
        """The ply of the agent's last move before the ply shown (of anybody's if a person plays both sides).

        The ply shown itself if the agent is to move there; None if there was no such move.
        """
        if self.seat == "both":
            plies = [ply for ply in range(self.cursor) if not self._boards[ply].must_pass]
            return plies[-1] if plies else None
        if (
            not self.board.is_over
            and not self.is_human(self.board.side)
            and not self.board.must_pass
        ):
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
