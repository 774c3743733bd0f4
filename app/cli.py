"""The command `othello`: registers the subcommands and turns every error into one or two lines and an exit code.

Exit code 0: done.  2: bad usage or bad input.  1: anything else that failed.  130: interrupted.
Commands import what they need when they run, so that `othello perft` starts without torch and streamlit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # two single-threaded processes beat one with two threads

import typer  # noqa: E402

from app.commands import (  # noqa: E402
    analysis,
    checkpoints,
    desktop,
    experiments,
    play,
    records,
    rules,
    strength,
    training,
    web,
)

app = typer.Typer(
    name="othello",
    help="A self-taught Othello agent that explains its moves.  A POSITION is a board string, a transcript or `start`.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
rules.register(app)
analysis.register(app)
play.register(app)
training.register(app)
checkpoints.register(app)
web.register(app)
desktop.register(app)
records.register(app)
strength.register(app)
experiments.register(app)

_BOARD_LETTERS = frozenset("Xx*BbOoWw-.")
_SIDES = frozenset("Xx*BbOoWw")
_CELLS = (16, 36, 64)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; errors go to stderr."""
    try:
        result = app(
            args=join_boards(arguments) or ["--help"], prog_name="othello", standalone_mode=False
        )
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except Exception as error:
        return explain_failure(error)
    return result if isinstance(result, int) else 0


def explain_failure(error: Exception) -> int:
    """One or two lines about `error` on stderr, and the exit code it means."""
    if hasattr(error, "format_message"):  # typer's own: bad usage
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "othello"
        message = error.format_message() or "no command given"
        return _complain(
            f"{path}: {message}\ntry '{path} --help'", int(getattr(error, "exit_code", 2))
        )
    if type(error).__name__ == "Abort":
        return _complain("interrupted", 130)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", 1)
    if isinstance(error, ModuleNotFoundError):
        return _complain(f"this command needs the package {error.name}, which is not installed", 1)
    return _complain(
        str(error) or type(error).__name__, 2 if is_bad_input(error) else 1, type(error).__name__
    )


def is_bad_input(error: Exception) -> bool:
    """Whether the user's input is to blame."""
    from othello.errors import EngineError, OthelloError, RunLocked

    if isinstance(error, EngineError | RunLocked) or type(error).__name__ == "NotFinite":
        return False
    lrp = sys.modules.get("lrp.errors")
    return isinstance(error, OthelloError) or (lrp is not None and isinstance(error, lrp.LRPError))


def _complain(message: str, code: int, kind: str = "") -> int:
    lines = message.strip().splitlines()[:2]
    internal = bool(kind) and code == 1
    print(
        "\n".join([("error: " if not internal else f"error ({kind}): ") + lines[0], *lines[1:]]),
        file=sys.stderr,
    )
    return code


def join_boards(arguments: Sequence[str]) -> list[str]:
    """The arguments with every board string as one that cannot be taken for an option.

    A board string may begin with "-" and may come apart at its blank; a blank in front of it changes nothing.

    >>> join_boards(["solve", "-" * 16, "X", "--json"])
    ['solve', ' ---------------- X', '--json']
    """
    joined: list[str] = []
    words = iter(arguments)
    held = next(words, None)
    while held is not None:
        following = next(words, None)
        compact = "".join(held.split())
        if (
            set(compact) <= _BOARD_LETTERS
            and len(compact) in _CELLS
            and following is not None
            and following in _SIDES
        ):
            held, following = f"{held} {following}", next(words, None)
            compact = "".join(held.split())
        is_board = set(compact) <= _BOARD_LETTERS and len(compact) in (
            *_CELLS,
            *(n + 1 for n in _CELLS),
        )
        joined.append(" " + held if is_board and held.startswith("-") else held)
        held = following
    return joined


if __name__ == "__main__":
    main()
