"""Players by name: `parse("mcts:100")` and the like, for the command line, the arena and the app.

    random                     any legal move
    greedy                     a move that turns over the most discs
    alphabeta:D                D plies of alpha-beta over a table of square values, exact from E empty squares on
                               with  alphabeta:D,solve=E
    net[:CHECKPOINT]           the network's likeliest move
    mcts:SIMS[:CHECKPOINT]     PUCT with SIMS simulations a move, and exact play from `endgame.SOLVE_EMPTIES` on
    gumbel:SIMS[:CHECKPOINT]   the same with a Gumbel search: sequential halving at the root, noise by the game's seed
    gtp:COMMAND                an external GTP engine, for example  gtp:gtp-rhino -l 2
    nboard:COMMAND             an external NBoard engine

Without CHECKPOINT the `checkpoint` given to `parse` plays, or else the one that comes with the project.  Behind SIMS
stand what is to be other than usual, as in  mcts:100,solve=0,leaf=0  or  gumbel:64,noise=0:CHECKPOINT :

    solve=E    exact play from so many empty squares on, as far as a budget of nodes goes (0: never)
    leaf=E     exact leaves of the search, likewise
    c=X        c_puct of mcts              first=X    first-play reduction of mcts
    noise=X    times the Gumbel noise      considered=K    moves that enter the race of gumbel
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from othello.engines.gtp import GtpPlayer
from othello.engines.nboard import NBoardPlayer
from othello.errors import ParseError
from othello.players.agent import PolicyPlayer, SearchPlayer, load_evaluator
from othello.players.alphabeta import MAX_DEPTH
from othello.players.endgame import SOLVE_EMPTIES
from othello.players.simple import AlphaBetaPlayer, GreedyPlayer, ManyGames, Player, RandomPlayer
from othello.rules.notation import check_size, excerpt
from othello.search.policy import Gumbel, Puct, RootPolicy
from othello.search.tree import MAX_MOVES

__all__ = ["ACCEPTED", "MAX_SIMULATIONS", "ManyGames", "Player", "parse"]

MAX_SIMULATIONS = 1_000_000
ACCEPTED = (
    "random, greedy, alphabeta:D[,solve=E], net[:CHECKPOINT], mcts:SIMS[:CHECKPOINT], gumbel:SIMS[:CHECKPOINT], "
    "gtp:COMMAND, nboard:COMMAND"
)
_EXTERNAL = ("gtp", "nboard")


def is_external(spec: str) -> bool:
    """Whether `spec` names another program, of which every game at a time needs a process of its own."""
    return spec.partition(":")[0].strip().lower() in _EXTERNAL


def parse(
    spec: str,
    size: int = 8,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    *,
    move_timeout: float = 30.0,
) -> Player:
    """The player that `spec` names, for N×N boards, ready for `new_game`.

    `seed` is that of its first game; `move_timeout` in seconds is for every answer of an external engine.  Raises
    `ParseError` for a spec that is none or a program that is not installed, `CheckpointError` for bad weights.

    >>> from othello.rules.board import Board
    >>> player = parse("alphabeta:3")
    >>> player.move(Board.initial()) in Board.initial().legal_moves()
    True
    """
    check_size(size)
    kind, colon, rest = spec.strip().partition(":")
    kind = kind.lower()
    player: Player
    if kind in ("random", "greedy") and not colon:
        player = RandomPlayer() if kind == "random" else GreedyPlayer()
    elif kind == "alphabeta":
        depth, *words = rest.split(",")
        settings: dict[str, Any] = _settings(spec, kind, words)
        player = AlphaBetaPlayer(_number(spec, depth.strip(), "plies", MAX_DEPTH), **settings)
    elif kind == "net":
        player = _policy_player(_checkpoint(spec, colon, rest, checkpoint), size)
    elif kind in ("mcts", "gumbel"):
        count, colon, path = rest.partition(":")
        player = _search_player(spec, kind, count, _checkpoint(spec, colon, path, checkpoint), size)
    elif kind == "gtp" and rest.strip():
        player = GtpPlayer(rest.strip(), move_timeout, size)
    elif kind == "nboard" and rest.strip():
        player = NBoardPlayer(rest.strip(), move_timeout, size)
    else:
        raise ParseError(f"player {excerpt(spec, 60)}: accepted are {ACCEPTED}")
    if isinstance(player, ManyGames):
        player.new_game(seed)
    return player


def _number(spec: str, text: str, what: str, limit: int) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= limit:
        return int(text)
    raise ParseError(
        f"player {excerpt(spec, 60)}: {excerpt(text)} is no number of {what}; accepted are 1..{limit}"
    )


def _checkpoint(spec: str, colon: str, path: str, default: str | Path | None) -> str | Path | None:
    if colon and not path.strip():
        raise ParseError(
            f"player {excerpt(spec, 60)}: no checkpoint behind the colon; give its folder, or no colon"
        )
    return path.strip() if colon else default


def _policy_player(checkpoint: str | Path | None, size: int) -> Player:
    evaluator, digest = load_evaluator(checkpoint, size)
    return PolicyPlayer(evaluator, "net" if checkpoint is None else f"net:{checkpoint}", digest)


class _Setting(NamedTuple):
    """A setting of a searching player: its argument, and the numbers that are accepted."""

    argument: str
    lowest: float
    highest: float
    whole: bool = False


_EMPTIES = {
    "solve": _Setting("solve_empties", 0, 30, True),
    "leaf": _Setting("leaf_empties", 0, 20, True),
}
_SETTINGS = {
    "alphabeta": {"solve": _Setting("solve_empties", 0, 24, True)},
    "mcts": {**_EMPTIES, "c": _Setting("c_puct", 0, 100), "first": _Setting("first_play", 0, 2)},
    "gumbel": {
        **_EMPTIES,
        "noise": _Setting("noise", 0, 10),
        "considered": _Setting("considered", 1, MAX_MOVES, True),
    },
}


def _settings(spec: str, kind: str, words: list[str]) -> dict[str, float]:
    """The arguments that `KEY=VALUE` words mean."""
    found: dict[str, float] = {}
    for word in words:
        key, _, value = word.partition("=")
        setting = _SETTINGS[kind].get(key.strip().lower())
        if setting is None:
            known = ", ".join(f"{key}=" for key in _SETTINGS[kind])
            raise ParseError(
                f"player {excerpt(spec, 60)}: setting {excerpt(word)}; accepted are {known}"
            )
        try:
            number = float(value) if value.isascii() and len(value) <= 20 else math.nan
        except ValueError:
            number = math.nan
        if not setting.lowest <= number <= setting.highest or (
            setting.whole and number != int(number)
        ):
            limits = f"{'whole numbers ' if setting.whole else ''}{setting.lowest:g}..{setting.highest:g}"
            raise ParseError(
                f"player {excerpt(spec, 60)}: setting {excerpt(word)}; accepted are {limits}"
            )
        found[setting.argument] = int(number) if setting.whole else number
    return found


def _search_player(
    spec: str, kind: str, text: str, checkpoint: str | Path | None, size: int
) -> Player:
    count, *words = text.split(",")
    root_kind: type[RootPolicy] = Gumbel if kind == "gumbel" else Puct
    simulations = _number(spec, count.strip(), "simulations", min(root_kind.most, MAX_SIMULATIONS))
    settings: dict[str, Any] = _settings(spec, kind, words)
    solve_empties = settings.pop("solve_empties", SOLVE_EMPTIES)
    root = root_kind(**settings)
    evaluator, digest = load_evaluator(checkpoint, size)
    name = f"{kind}:{text.strip()}" if checkpoint is None else f"{kind}:{text.strip()}:{checkpoint}"
    return SearchPlayer(
        evaluator, simulations, root, name=name, checkpoint=digest, solve_empties=solve_empties
    )
