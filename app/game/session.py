"""A game as one headless object under the web page and the desktop: its line, the agent, values and explanations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.explain.ask import explain
from app.explain.default import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.explain.explanation import Explanation
from app.explain.reasons.sentence import Reasons, why
from app.explain.targets import Target
from app.game.game_line import SEATS, GameLine, Seat
from app.game.judged import EXACT_EMPTIES
from app.game.kept import Kept
from app.game.losses import LineReview, Loss, review_line
from app.game.opponents import Rivals
from app.game.shared_line import SharedLine
from app.game.tries import with_tries
from app.models import Model
from othello.errors import ParseError
from othello.players.agent import SearchPlayer, evaluate
from othello.rules.board import Board
from othello.search.search import SearchResult, choose

__all__ = ["SEATS", "GameLine", "Loss", "PlyValue", "Seat", "Session", "Strength"]

Progress = Callable[[int], None]
Place = int | Board  # a ply of the line as it is now, or a position, which no other thread can move
SOLVE_EMPTIES = 14  # empty squares from which on a reviewed position is solved for the value graph
_KEPT = 256  # explanations a session, and as many reasons


@dataclass(frozen=True)
class Strength:
    """How the agent plays: `simulations` a move (0: the policy alone) but at most `seconds`, drawn at `temperature`."""

    simulations: int = 100
    seconds: float | None = None
    temperature: float = 0.0


@dataclass(frozen=True)
class PlyValue:
    """A position of the game, the action played there (None at the end of the line) and what is known of it."""

    number: int
    board: Board
    action: int | None
    value: float | None  # expected outcome in [−1, 1] for BLACK, by rules, search or network
    searched: bool


class Session(SharedLine):
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
        if start is None:
            start = Board.initial(model.size if model else 8)
        elif model is not None and model.size != start.size:
            raise ParseError(_misfit(model, start))
        super().__init__(seat, start)
        self._thinking = threading.Lock()
        self._model = model
        self._random = np.random.default_rng(seed)
        self._player: SearchPlayer | None = None
        self._searches: dict[Board, SearchResult] = {}  # of this game by this model
        self._values: dict[Board, float] = {}  # of this model
        self._explanations = Kept[Explanation](_KEPT)
        self._reasons = Kept[Reasons](_KEPT)
        self._review: LineReview | None = None
        self.rivals = Rivals()
        self.strength = strength or Strength()
        self.opponent = opponent

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
            raise ParseError(_misfit(model, self.start))
        with self._lock:
            if model is not self._model:
                self._model, self._player = model, None
                self._searches, self._values, self._review = {}, {}, None
                self._explanations.clear()
                self.change(lambda line: line)

    def set_strength(self, **changes: float | int | None) -> None:
        """Change some of `Strength`'s fields."""
        with self._lock:
            self.strength = replace(self.strength, **changes)  # type: ignore[arg-type]

    @property
    def engine_seconds(self) -> float:
        """How long a program may think about one answer."""
        return self.rivals.seconds

    def reply(
        self, on_progress: Progress | None = None, stop: Callable[[], bool] | None = None
    ) -> int | None:
        """Let the agent think and play at the end of the line; the action, or None if the game has gone elsewhere.

        Raises ValueError where it is not the agent's turn, EngineError if an external opponent fails.
        """
        line, opponent = self.line, self.opponent
        if not line.agent_to_move:
            raise ValueError("it is not the agent's turn")
        with self._thinking:
            if opponent == "agent":
                action = self._choose(line.board, on_progress, stop)
            else:
                action = self._ask(opponent, line)
        with self._lock:
            now = self.line
            if (now.start, now.actions, now.cursor) != (line.start, line.actions, line.cursor):
                return None
            self.change(lambda line: line.play(action))
            return action

    def _ask(self, opponent: str, line: GameLine) -> int:
        seed = int(self._random.integers(2**31))
        return self.rivals.move(opponent, line.start, line.board, line.actions[: line.cursor], seed)

    def second_opinion(self, opponent: str, ply: int | None = None) -> int | None:
        """What another player would play at a ply, without playing it; None where nobody can move there.

        Raises EngineError if it fails, ParseError if its spec is none.
        """
        line = self.line if ply is None else self.line.goto(ply)
        if not line.board.legal_moves():
            return None
        with self._thinking:
            return self._ask(opponent, line)

    def close(self) -> None:
        """End the programs that play in this game; they start again when they are asked again."""
        with self._thinking:
            self.rivals.close()

    def _choose(
        self,
        board: Board,
        on_progress: Progress | None,
        stop: Callable[[], bool] | None,
    ) -> int:
        strength = self.strength
        if strength.simulations == 0:
            return self._by_policy(board, strength.temperature)
        simulations = strength.simulations if strength.seconds is None else 1_000_000
        result = self._think(board, simulations, strength.seconds, on_progress, stop)
        if result.exact is not None:
            return result.moves[0].square
        return choose(result, strength.temperature, self._random)

    def _by_policy(self, board: Board, temperature: float) -> int:
        legal = board.legal_moves()
        logits = np.array(evaluate(self._need_model().evaluator, [board])[0][0], np.float64)
        logits = logits[list(legal)]
        if temperature <= 0:
            return legal[int(np.argmax(logits))]
        weights = np.exp((logits - logits.max()) / temperature)
        return int(self._random.choice(legal, p=weights / weights.sum()))

    def _need_model(self) -> Model:
        if self._model is None:
            raise ParseError("this game has no network to ask")
        return self._model

    def _think(
        self,
        board: Board,
        simulations: int,
        seconds: float | None = None,
        on_progress: Progress | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """A search, kept for the game that it was made for; only under `_thinking`."""
        with self._lock:
            if self._player is None:
                evaluator = self._need_model().evaluator
                self._player = SearchPlayer(evaluator, max(self.strength.simulations, 1))
            player, searches = self._player, self._searches
        result = player.think(
            board, simulations=simulations, seconds=seconds, on_progress=on_progress, stop=stop
        )
        searches[board] = result
        return result

    def analyse(
        self,
        place: Place | None = None,
        simulations: int = 100,
        on_progress: Progress | None = None,
    ) -> SearchResult | None:
        """Search a position without playing (kept for the game); None where there is nothing to search."""
        board = self._at(place)
        if not board.legal_moves():
            return None
        known = self._searches.get(board)
        if known is not None and known.simulations >= simulations:
            return known
        with self._thinking:
            return self._think(board, simulations, on_progress=on_progress)

    # What is known of the game ----------------------------------------------------------------------------------

    def _at(self, place: Place | None) -> Board:
        if isinstance(place, Board):
            return place
        line = self.line
        return line.board if place is None else line.board_at(place)

    def search_of(self, place: Place) -> SearchResult | None:
        """The search made at a ply or of a position, if there was one."""
        return self._searches.get(self._at(place))

    def best_action(self, place: Place) -> int:
        """The best action known at a ply or of a position: the search's, or the network's own first choice."""
        board = self._at(place)
        found = self.search_of(board)
        return found.moves[0].square if found else self._need_model().ranked(board)[0]

    def value_of(self, place: Place) -> tuple[float | None, bool]:
        """The expected outcome in [−1, 1] for black, and whether a search (or the rules) says so.

        None where neither search nor network has looked at the position yet.
        """
        board = self._at(place)
        return self._value(board, self._values.get(board))

    def _value(self, board: Board, own: float | None) -> tuple[float | None, bool]:
        """Black's value by the rules, by a search, or by the network's `own` for the side to move."""
        sign = 1.0 if board.side == "X" else -1.0
        if board.is_over:
            return float(np.sign(board.score())), True
        found = self._searches.get(board)
        if found is not None:
            return sign * found.value, True
        return (None, False) if own is None else (sign * own, False)

    def network_value(self, board: Board) -> float:
        """The network's value of a position in [−1, 1] for its side to move."""
        return self._network_values([board])[board]

    def _network_values(self, boards: Sequence[Board]) -> dict[Board, float]:
        with self._lock:
            model, known = self._need_model(), self._values
        missing = [board for board in dict.fromkeys(boards) if board not in known]
        if missing:
            _, values = evaluate(model.evaluator, missing)
            known.update(zip(missing, map(float, values)))
        return {board: known[board] for board in boards}

    def plies(self) -> list[PlyValue]:
        """The whole line with black's expected outcome at every ply (None everywhere without a network)."""
        line = self.line
        own: dict[Board, float] = {}
        if self._model is not None:
            own = self._network_values([board for board in line.boards if not board.is_over])
        rows = []
        for number, board in enumerate(line.boards):
            value, searched = self._value(board, own.get(board))
            rows.append(PlyValue(number, board, line.action_at(number), value, searched))
        return rows

    def review(self, simulations: int = 100, *, solve_empties: int = EXACT_EMPTIES) -> list[Loss]:
        """What each move of the line cost, the worst first, as the report says; searches are kept.  Takes a minute."""
        with self._lock:
            line, model, searches = self.line, self._need_model(), self._searches
        for board in line.boards:
            if board.empties <= SOLVE_EMPTIES:
                self.analyse(board, simulations)  # the value graph knows them exactly, too
        self._review = review_line(line, model, simulations, searches, solve_empties)
        return self._review.losses()

    def explain(
        self,
        place: Place,
        target: Target | str = "value",
        *,
        composite: str = DEFAULT_COMPOSITE,
        bias: str = DEFAULT_BIAS,
        simulations: int = 100,
    ) -> Explanation:
        """The explanation of a target at a ply or of a position (kept).

        Raises ParseError for a target that does not fit, LRPError.
        """
        model, board = self._need_model(), self._at(place)
        searched = simulations if str(target).startswith("q") else 0
        key = (model.sha256, board, str(target), composite, bias, searched)
        return self._explanations.get(
            key,
            lambda: explain(
                model, board, target, composite=composite, bias=bias, simulations=simulations
            ),
        )

    def why(self, place: Place, move: int, rival: int | None = None) -> Reasons | None:
        """Why a move at a ply or of a position, rather than another one (kept); None where nobody searched there.

        Without a rival it is the best other move that was tried.  Of a reviewed move it says what the review says.
        Raises ParseError for a move that does not fit.
        """
        model, found = self._need_model(), self.search_of(place)
        if found is None:
            return None
        if (review := self._review) and (
            told := review.why(model, found.board, move, rival, self.analyse)
        ):
            return told
        result = with_tries(found, (move, rival), self.search_of)
        key = (model.sha256, result.board, move, rival, result.simulations, result.value)
        return self._reasons.get(key, lambda: why(model, result, move, rival))


def _misfit(model: Model, board: Board) -> str:
    n, own = model.size, board.size
    return f"{model.name} plays {n}×{n} boards, this game is {own}×{own}"
