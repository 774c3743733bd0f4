"""Players by name: `parse("mcts:100")` and the like, for the command line, the arena and the app.

    random                     any legal move
    greedy                     a move that turns over the most discs
    alphabeta:D                D plies of alpha-beta over a table of square values
    net[:CHECKPOINT]           the network's likeliest move
    mcts:SIMS[:CHECKPOINT]     PUCT with SIMS simulations, and exact endgames
    gtp:COMMAND                an external GTP engine, for example  gtp:gtp-rhino -l 2
    nboard:COMMAND             an external NBoard engine

Without CHECKPOINT the `checkpoint` given to `parse` plays, or else the one that comes with the project.
"""

from __future__ import annotations

from pathlib import Path

from othello.alphabeta import MAX_DEPTH
from othello.errors import ParseError
from othello.notation import check_size, excerpt
from othello.opponents import AlphaBetaPlayer, GreedyPlayer, ManyGames, Player, RandomPlayer

__all__ = ["ACCEPTED", "MAX_SIMULATIONS", "ManyGames", "Player", "parse"]

MAX_SIMULATIONS = 1_000_000
ACCEPTED = "random, greedy, alphabeta:D, net[:CHECKPOINT], mcts:SIMS[:CHECKPOINT], gtp:COMMAND, nboard:COMMAND"
_EXTERNAL = ("gtp", "nboard")


def is_external(spec: str) -> bool:
    """Whether `spec` names another program, of which every game at a time needs a process of its own."""
    return spec.partition(":")[0].strip().lower() in _EXTERNAL


def parse(
    spec: str, size: int = 8, checkpoint: str | Path | None = None, seed: int = 0, *, move_timeout: float = 30.0
) -> Player:
    """The player that `spec` names, for N×N boards, ready for `new_game`.

    `seed` is that of its first game; `move_timeout` in seconds is for every answer of an external engine.  Raises
    `ParseError` for a spec that is none or a program that is not installed, `CheckpointError` for bad weights.

    >>> from othello.board import Board
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
        player = AlphaBetaPlayer(_number(spec, rest, "plies", MAX_DEPTH))
    elif kind == "net":
        player = _policy_player(_checkpoint(spec, colon, rest, checkpoint), size)
    elif kind == "mcts":
        count, colon, path = rest.partition(":")
        simulations = _number(spec, count, "simulations", MAX_SIMULATIONS)
        player = _search_player(simulations, _checkpoint(spec, colon, path, checkpoint), size)
    elif kind == "gtp" and rest.strip():
        from othello.engines.gtp import GtpPlayer

        player = GtpPlayer(rest.strip(), move_timeout, size)
    elif kind == "nboard" and rest.strip():
        from othello.engines.nboard import NBoardPlayer

        player = NBoardPlayer(rest.strip(), move_timeout, size)
    else:
        raise ParseError(f"player {excerpt(spec, 60)}: accepted are {ACCEPTED}")
    if isinstance(player, ManyGames):
        player.new_game(seed)
    return player


def _number(spec: str, text: str, what: str, limit: int) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= limit:
        return int(text)
    raise ParseError(f"player {excerpt(spec, 60)}: {excerpt(text)} is no number of {what}; accepted are 1..{limit}")


def _checkpoint(spec: str, colon: str, path: str, default: str | Path | None) -> str | Path | None:
    if colon and not path.strip():
        raise ParseError(f"player {excerpt(spec, 60)}: no checkpoint behind the colon; give its folder, or no colon")
    return path.strip() if colon else default


def _policy_player(checkpoint: str | Path | None, size: int) -> Player:
    from othello.agent import PolicyPlayer, load_evaluator

    evaluator, digest = load_evaluator(checkpoint, size)
    return PolicyPlayer(evaluator, "net" if checkpoint is None else f"net:{checkpoint}", digest)


def _search_player(simulations: int, checkpoint: str | Path | None, size: int) -> Player:
    from othello.agent import SearchPlayer, load_evaluator

    evaluator, digest = load_evaluator(checkpoint, size)
    name = f"mcts:{simulations}" if checkpoint is None else f"mcts:{simulations}:{checkpoint}"
    return SearchPlayer(evaluator, simulations, name=name, checkpoint=digest)
