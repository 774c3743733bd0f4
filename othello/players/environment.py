"""Othello as a PettingZoo environment: agents `black` and `white` take turns, a mask says what each may play.

Terry et al., "PettingZoo: Gym for multi-agent reinforcement learning" (NeurIPS 2021).  Needs the extra `pettingzoo`.
Letters: `N` board side, `A` = N²+1 actions, of which N² is the pass, legal only where it is forced.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

try:
    from gymnasium import spaces
    from pettingzoo import AECEnv
    from pettingzoo.utils import wrappers
except ImportError as error:
    raise ImportError(
        f"the environment needs {error.name}: pip install 'othello-lrp[pettingzoo]'",
        name=error.name,
    ) from None

from othello.network.encoding import PLANE_NAMES, encode
from othello.rules.board import Board

AGENTS: Final = {"black": "X", "white": "O"}


class OthelloEnvironment(AECEnv):  # type: ignore[misc]
    """A game in the agent–environment cycle; `environment` wraps it with the checks that PettingZoo has for misuse.

    An observation is {"observation": planes float32 [4, N, N] from the view of the agent that looks, as the networks
    of this project read them, "action_mask": int8 [A], all 0 for the agent that is not to move}.  The winner gets 1,
    the loser −1, at the end; a draw is 0 for both.
    """

    metadata = {
        "name": "othello_v0",
        "render_modes": ["ansi"],
        "is_parallelizable": False,
    }

    def __init__(self, size: int = 8, render_mode: str | None = None) -> None:
        super().__init__()
        self.board, self.render_mode = Board.initial(size), render_mode
        self.possible_agents = list(AGENTS)
        planes = spaces.Box(0.0, 1.0, (len(PLANE_NAMES), size, size), np.float32)
        mask = spaces.Box(0, 1, (size**2 + 1,), np.int8)
        seen = {"observation": planes, "action_mask": mask}
        self.observation_spaces = {agent: spaces.Dict(seen) for agent in AGENTS}
        self.action_spaces = {agent: spaces.Discrete(size**2 + 1) for agent in AGENTS}

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin a game, from `options["position"]` if that is given: a board string, a transcript or `start`.

        Nothing is random, so the seed changes nothing.  ParseError or IllegalMove for a position that is none.
        """
        size = self.board.size
        self.board = Board.parse((options or {}).get("position", "start"), size)
        self.agents = list(AGENTS)
        self.rewards = dict.fromkeys(AGENTS, 0.0)
        self._cumulative_rewards = dict.fromkeys(AGENTS, 0.0)
        self.terminations = dict.fromkeys(AGENTS, self.board.is_over)
        self.truncations = dict.fromkeys(AGENTS, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in AGENTS}
        self.agent_selection = self._to_move()

    def _to_move(self) -> str:
        return next(agent for agent, side in AGENTS.items() if side == self.board.side)

    def observe(self, agent: str) -> dict[str, NDArray[Any]]:
        """What an agent sees, whoever is to move."""
        board = self.board
        sides = (board.black, board.white) if agent == "black" else (board.white, board.black)
        own, opp = (np.array([word], np.uint64) for word in sides)
        mask = np.zeros(board.size**2 + 1, np.int8)
        if agent == self.agent_selection:
            mask[list(board.legal_actions())] = 1
        planes = np.ascontiguousarray(encode(own, opp, board.size)[0])
        return {"observation": planes, "action_mask": mask}

    def step(self, action: int | None) -> None:
        """The agent to move plays a square 0..N²−1 or the pass N²; IllegalMove where it may not; None at the end."""
        if self.terminations[self.agent_selection]:
            self._was_dead_step(action)
            return
        assert action is not None
        self._cumulative_rewards[self.agent_selection] = 0.0
        self.board = self.board.play(int(action))
        self.agent_selection = self._to_move()
        if self.board.is_over:
            black = float(np.sign(self.board.score()))
            self.rewards = {"black": black, "white": -black}
            self.terminations = dict.fromkeys(AGENTS, True)
        self._accumulate_rewards()

    def render(self) -> str | None:
        """The board as text, if the environment was made with `render_mode="ansi"`."""
        return self.board.diagram() if self.render_mode == "ansi" else None

    def observation_space(self, agent: str) -> Any:
        """The space of an agent's observations."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        """The space of an agent's actions."""
        return self.action_spaces[agent]


def environment(size: int = 8, render_mode: str | None = None) -> Any:
    """The environment as a trainer wants it: an illegal action loses the game, steps out of order are refused.

    >>> game = environment()
    >>> game.reset(options={"position": "f5d6"})
    >>> seen, reward, over, _, _ = game.last()
    >>> game.agent_selection, int(seen["action_mask"].sum()), over
    ('black', 5, False)
    """
    checked = wrappers.TerminateIllegalWrapper(
        OthelloEnvironment(size, render_mode), illegal_reward=-1
    )
    return wrappers.OrderEnforcingWrapper(checked)
