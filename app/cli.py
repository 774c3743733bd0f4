"""The command `othello`: finds the subcommands in a table and turns every error into one or two lines and an exit code.

Exit code 0: done.  2: bad usage or bad input.  1: anything else that failed.  130: interrupted.
A command's module is imported when that command is asked for, so that `othello perft`
starts without torch and streamlit.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells where it keeps its fonts
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # two single-threaded processes beat one with two threads

import typer  # noqa: E402
from typer.core import TyperGroup  # noqa: E402

import othello  # noqa: E402
from app.examples import show_examples  # noqa: E402
from app.extras import advice  # noqa: E402
from app.option_records import spread  # noqa: E402
from app.terminal import visible  # noqa: E402
from othello.errors import EngineError, OthelloError, RunLocked  # noqa: E402

COMMANDS = {  # command -> (module of app.commands : what it runs, the line `othello --help` shows)
    "perft": ("rules:perft", "Count the leaves of the game tree DEPTH plies below a position."),
    "solve": (
        "rules:solve",
        "Score with perfect play, in discs for the side to move, and all the best moves.",
    ),
    "analyze": (
        "analysis:analyze",
        "Search a position: visits N, prior P, value Q and bonus U of every move, value, principal variation.",
    ),
    "explain": (
        "analysis:explain",
        "Explain one number of a position square by square: target = squares + bias + stabilizer.",
    ),
    "explore": (
        "explore:explore",
        "List the moves of a position: opening, chance and discs for black at sight, games of a base and their points.",
    ),
    "bench": (
        "bench:bench",
        "Mean maps of many positions under several rules and bias modes, how alike they are, and how faithful by SRG.",
    ),
    "match": ("play:match", "Play a match: every opening twice, with colours swapped."),
    "engine": (
        "engine:engine",
        "Serve the agent on standard input and output to a program that speaks GTP, NBoard or Cassio's protocol.",
    ),
    "train": (
        "training:train",
        "Train by self-play; Ctrl-C ends it cleanly, the same command with --resume goes on.",
    ),
    "app": ("web:serve", "Serve the web app on 127.0.0.1 until it is interrupted."),
    "desktop": (
        "desktop:desktop",
        "Play on the desktop, or write a film or a picture of a game with heatmaps.",
    ),
    "convert": ("records:convert", "Convert a file of games or positions into another format."),
    "review": (
        "review:review",
        "What every move of a game was worth in discs, its loss against the best one, blunders marked.",
    ),
    "ladder": (
        "strength:ladder",
        "Rate a run's generations against frozen ones and fixed opponents on one Elo scale (random = 0).",
    ),
    "release": (
        "strength:release",
        "Copy a generation out of a run with a model card that says how strong it is, measured now.",
    ),
    "warm": (
        "warm:warm",
        "Compile ahead what playing, searching, solving and explaining need, so that no later start waits for it.",
    ),
    "experiments": (
        "experiments:experiments",
        "Run one experiment, or all with a report; what is there already for the same settings and weights is kept.",
    ),
    "checkpoint": (
        "checkpoints:group",
        "Look at checkpoints, verify them, import foreign weights, export to ONNX.",
    ),
}


class Interrupted(Exception):
    """Ctrl-C in a command, with what the command says of it; typer would end without a word."""


class LazyGroup(TyperGroup):
    """The commands of `COMMANDS`; the module of one is imported when that one is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        names: dict[str, Any] = dict.fromkeys(COMMANDS)  # for the list and for suggestions
        self.commands = names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found = getattr(importlib.import_module(f"app.commands.{module}"), name)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
            found.command(cmd_name)(spread(function))
        command = typer.main.get_command(found)
        command.name = cmd_name
        show_examples(command, cmd_name)
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run the command; `Interrupted` for Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise Interrupted(*stop.args) from None

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """What a shell offers for a word here: commands from the table and options; no module is imported for it."""
        listed = TyperGroup(name="othello", params=self.params, commands=_from_table())
        beginning = listed.context_class(listed, resilient_parsing=True)
        return list(listed.shell_complete(beginning, incomplete))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands from the table; no module is imported for it."""
        limit = formatter.width - 6 - max(map(len, COMMANDS))
        rows = [(name, each.get_short_help_str(limit)) for name, each in _from_table().items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _from_table() -> dict[str, Any]:
    """The commands with what is said of them, and no more."""
    return {name: TyperGroup(name=name, help=line) for name, (_, line) in COMMANDS.items()}


app = typer.Typer(
    name="othello",
    cls=LazyGroup,
    help="A self-taught Othello agent that explains its moves.  A POSITION is a board string, a transcript or `start`.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"othello {othello.__version__}")
        raise typer.Exit


@app.callback()
def _othello(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """What stands before a command."""


_BOARD_LETTERS = frozenset("Xx*BbOoWw-.")
_SIDES = frozenset("Xx*BbOoWw")
_CELLS = (16, 36, 64)
_SQUARE = re.compile("[a-zA-Z][0-9]+")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    signal.signal(signal.SIGINT, _interrupt)
    for stream in (sys.stdout, sys.stderr):  # a question mark for what its alphabet lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def _interrupt(number: int, frame: Any) -> None:
    """Ctrl-C: an exception where it can be caught; a compiler would swallow it or show where it was."""
    jit = sys.modules.get("othello.jit")
    if jit is not None and jit.compiling(frame):
        _complain("interrupted", 130)
        sys.stdout.flush()
        os._exit(130)
    raise KeyboardInterrupt


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; errors go to stderr."""
    try:
        result = app(
            args=join_boards(bare_why(arguments)) or ["--help"],
            prog_name="othello",
            standalone_mode=False,
        )
    except (KeyboardInterrupt, Interrupted) as stop:
        return _complain(str(stop) or "interrupted", 130)
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
        of_another_kind = isinstance(
            error, FileExistsError | NotADirectoryError | IsADirectoryError
        )
        return _complain(f"{where}{error.strerror or error}", 2 if of_another_kind else 1)
    if isinstance(error, ModuleNotFoundError):
        return _complain(advice(error.name), 1)
    return _complain(
        str(error) or type(error).__name__, 2 if is_bad_input(error) else 1, type(error).__name__
    )


def is_bad_input(error: Exception) -> bool:
    """Whether the user's input is to blame."""
    if isinstance(error, EngineError | RunLocked) or type(error).__name__ == "NotFinite":
        return False
    lrp = sys.modules.get("lrp.errors")
    return isinstance(error, OthelloError) or (lrp is not None and isinstance(error, lrp.LRPError))


def _complain(message: str, code: int, kind: str = "") -> int:
    lines = visible(message.strip()).split("\n")[:2]
    internal = bool(kind) and code == 1
    print(
        "\n".join([("error: " if not internal else f"error ({kind}): ") + lines[0], *lines[1:]]),
        file=sys.stderr,
    )
    return code


def bare_why(arguments: Sequence[str]) -> list[str]:
    """The arguments with a `--why` of `explain` that no square follows as one that asks for the search's own move.

    >>> bare_why(["explain", "--why", "start"]), bare_why(["explain", "start", "--why", "d3"])
    (['explain', '--why=', 'start'], ['explain', 'start', '--why', 'd3'])
    """
    if not arguments or arguments[0] != "explain":
        return list(arguments)
    following = [*arguments[1:], ""]
    return [
        "--why=" if word == "--why" and not _SQUARE.fullmatch(after) else word
        for word, after in zip(arguments, following)
    ]


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
