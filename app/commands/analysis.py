"""`othello analyze` and `othello explain`: a search of one position, and where a number of it comes from."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.commands.options import (
    CheckpointOption,
    Force,
    Output,
    Positions,
    Size,
    SolveEmpties,
    check_writable,
    ending,
    for_each_position,
    names_many,
    one_thread,
    parse_position,
    print_json,
    wants_json,
)
from app.commands.play import Root
from app.commands.progress import ProgressLine
from app.commands.reasons import AskedReasons, say_why
from app.explain.ask import explain as explain_position
from app.explain.composites import check_composite
from app.explain.default import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.explain.explanation import Explanation
from app.explain.targets import Target
from app.models import load_model_for
from app.present.colormap import NEUTRAL, fills, number, scale_of
from app.present.picture import as_png, as_svg
from app.present.sentences import explanation_words, q_words
from othello import atomic
from othello.errors import ParseError
from othello.jit import compiling
from othello.players.agent import SearchPlayer
from othello.players.endgame import SOLVE_EMPTIES
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import C_PUCT, Gumbel, Puct, SearchResult

Simulations = Annotated[
    int, typer.Option("--simulations", "-n", min=1, max=1_000_000, help="Size of the search.")
]
UsualSimulations = Annotated[
    int | None,
    typer.Option(
        "--simulations", "-n", min=1, max=1_000_000, help="Size of the search, usually 400."
    ),
]
Seconds = Annotated[
    float | None, typer.Option("--seconds", min=0.0, help="Search so long at the most.")
]
RootOption = Annotated[
    Root, typer.Option("--root", help="puct, or gumbel: sequential halving at the root.")
]
Exploration = Annotated[
    float | None, typer.Option("--c-puct", min=0.0, help="Exploration of PUCT.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the noise of a Gumbel search.")]
TargetOption = Annotated[
    str, typer.Option("--target", "-t", help="value, policy:c4, policy:c4-d3, q:c4 or change:c4.")
]
CompositeOption = Annotated[
    str,
    typer.Option("--composite", help="A composite of rules, IntegratedGradients or OwnerSwap."),
]
BiasOption = Annotated[
    str, typer.Option("--bias", help="sink, absorb, ignore, uniform, proportional or project.")
]
SymmetryOption = Annotated[
    bool,
    typer.Option(
        "--symmetry/--no-symmetry",
        help="Explain the mean over the board's eight symmetries, or the position as it stands.",
    ),
]
Png = Annotated[
    Path | None,
    typer.Option(
        "--png", metavar="FILE", callback=ending(".png"), help="Write the map as a picture."
    ),
]
Svg = Annotated[
    Path | None,
    typer.Option("--svg", metavar="FILE", callback=ending(".svg"), help="Write the map as SVG."),
]


@dataclass(frozen=True)
class SearchOptions:
    """How `analyze` searches."""

    simulations: UsualSimulations = None
    seconds: Seconds = None
    root: RootOption = Root.puct
    c_puct: Exploration = None
    seed: Seed = 0
    empties: SolveEmpties = SOLVE_EMPTIES


@dataclass(frozen=True)
class ExplainOptions:
    """What `explain` explains, and by which rules."""

    target: TargetOption = "value"
    composite: CompositeOption = DEFAULT_COMPOSITE
    bias: BiasOption = DEFAULT_BIAS
    symmetry: SymmetryOption = True
    simulations: Simulations = 100


@dataclass(frozen=True)
class Pictures:
    """The files that `explain` writes."""

    png: Png = None
    svg: Svg = None
    force: Force = False


def analyze(
    position: Positions,
    how: SearchOptions = SearchOptions(),
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    output: Output = Output(),
) -> None:
    """Search a position: visits N, prior P, value Q and bonus U of every move, value, principal variation.

    Near the end the exact score comes with it, and a best move stands first.  Ctrl-C ends the search and reports it.
    """
    if how.root is Root.gumbel and how.simulations is None and how.seconds is not None:
        raise typer.BadParameter(
            "--seconds with --root gumbel: give --simulations too, the race is laid out for them"
        )
    wanted = how.simulations or (400 if how.seconds is None else 1_000_000)
    usual = C_PUCT if how.c_puct is None else how.c_puct
    policy = Gumbel() if how.root is Root.gumbel else Puct(c_puct=usual)

    def search(board: Board, line: ProgressLine) -> None:
        if not board.legal_moves():
            why = "the game is over" if board.is_over else "it must pass"
            raise ParseError(f"{board}: the side to move has no move to analyse ({why})")
        model = load_model_for(board.size, checkpoint)
        player = SearchPlayer(model.evaluator, wanted, policy, solve_empties=how.empties, batch=16)
        player.new_game(how.seed)
        line.doing = f"searching with {wanted} simulations"
        with interruptible() as stopped:
            result = player.think(
                board,
                seconds=how.seconds,
                on_progress=lambda visits: line.within(min(1.0, visits / wanted)),
                stop=stopped.is_set,
            )
        report = search_report(result, model.sha256)
        if wants_json(output.as_json):
            print_json("analyze", report)
        else:
            _print_search(report, board.diagram())
        if stopped.is_set():
            told = f"interrupted after {result.simulations} of {wanted} simulations"
            raise KeyboardInterrupt(told)

    for_each_position(position, size, search, output.quiet)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C in the block sets; the second one interrupts as usual."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: Any) -> None:
        if stopped.is_set() or compiling():
            assert callable(before)
            before(number, frame)
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def search_report(result: SearchResult, checkpoint: str) -> dict[str, Any]:
    """A search as JSON wants it; values in [−1, 1] for the side to move, a move's `q` None if it was never visited."""
    n = result.board.size
    return {
        "position": str(result.board),
        "value": result.value,
        "network_value": result.network_value,
        "simulations": result.simulations,
        "evaluations": result.evaluations,
        "seconds": result.seconds,
        "moves": [
            {
                "move": square_name(m.square, n),
                "visits": m.visits,
                "prior": m.prior,
                "q": m.q,
                "u": m.perturbed_logit if m.u is None else m.u,
            }
            | ({} if m.improved is None else {"improved": m.improved})
            for m in result.moves
        ],
        "pv": [square_name(action, n) for action in result.principal_variation],
        "exact": result.exact,
        "checkpoint": checkpoint,
    }


def _print_search(report: dict[str, Any], diagram: str) -> None:
    gumbel = "improved" in report["moves"][0]
    table = Table("move", "visits", "prior", "Q", "U", *(["after"] if gumbel else []), box=None)
    for move in report["moves"]:
        row = (
            str(move["visits"]),
            f"{100 * move['prior']:.1f} %",
            q_words(move["q"], 3),
            f"{move['u']:.3f}",
        )
        table.add_row(move["move"], *row, *([f"{100 * move['improved']:.1f} %"] if gumbel else []))
    print(diagram)
    Console().print(table)
    if report["exact"] is not None:
        print(f"exact: {report['exact']:+d} discs with {report['pv'][0]}")
    print(
        f"value {report['value']:+.3f} (network {report['network_value']:+.3f}); pv {' '.join(report['pv'])}"
    )
    print(
        f"{report['simulations']} simulations, {report['evaluations']} evaluations, {report['seconds']:.2f} s"
    )


def explain(
    position: Positions,
    question: ExplainOptions = ExplainOptions(),
    reasons: AskedReasons = AskedReasons(),
    pictures: Pictures = Pictures(),
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    output: Output = Output(),
) -> None:
    """Explain one number of a position square by square: target = squares + bias + stabilizer."""
    check_writable(pictures.png, pictures.svg, force=pictures.force)
    if names_many(position) and (pictures.png or pictures.svg):
        raise typer.BadParameter("--png and --svg go with one position, not with a file of them")
    if not names_many(position):
        _checked(parse_position(position, size), question, reasons)

    def work(board: Board, line: ProgressLine) -> None:
        wanted = _checked(board, question, reasons)
        one_thread()
        line.doing = "explaining"
        if wanted is None:
            say_why(board, reasons, question.simulations, checkpoint, output.as_json)
            return
        found = _explained(board, wanted, question, checkpoint)
        if pictures.png is not None:
            atomic.write_bytes(pictures.png, as_png(found))
        if pictures.svg is not None:
            atomic.write_text(pictures.svg, as_svg(found))
        if wants_json(output.as_json):
            print_json("explain", found.to_dict())
        else:
            _print_explanation(found)

    for_each_position(position, size, work, output.quiet)


def _checked(board: Board, question: ExplainOptions, reasons: AskedReasons) -> Target | None:
    """What is to be explained, None for the reasons of a move; errors say what cannot be, before any work is done."""
    if reasons.asked:
        reasons.moves(board)
        return None
    wanted = Target.parse(question.target, board.size)
    wanted.check(board)
    return wanted


def _explained(
    board: Board, wanted: Target, question: ExplainOptions, checkpoint: str | None
) -> Explanation:
    check_composite(question.composite, question.bias)
    return explain_position(
        load_model_for(board.size, checkpoint),
        board,
        wanted,
        composite=question.composite,
        bias=question.bias,
        simulations=question.simulations,
        symmetric=question.symmetry,
    )


def _print_explanation(found: Explanation) -> None:
    n, scale, colours = found.board.size, scale_of(found.squares), fills(found.squares)
    letters = str(found.board)
    console = Console()
    console.print(Text("   " + "".join(f"  {column}   " for column in "abcdefgh"[:n])))
    for row in range(n):
        line = Text(f" {row + 1} ")
        for square in range(row * n, row * n + n):
            disc = {"X": "●", "O": "○"}.get(letters[square], " ")
            text = number(float(found.squares.flat[square]), scale)
            line.append(f"{disc}{text:^5}", style=f"black on {colours.get(square, NEUTRAL)}")
        console.print(line)
    total = float(found.squares.sum())
    mean = " (mean of 8 symmetries)" if found.symmetric else ""
    print(
        f"{found.target}{mean} {found.value:+.4f} = squares {total:+.4f} + bias {found.bias_total:+.4f} "
        f"+ stabilizer {found.stabilizer:+.2g}"
        + (f" + exact {found.exact:+.4f}" if found.exact else "")
        + f"   (closure {found.closure:+.1e})"
    )
    print(explanation_words(found))
