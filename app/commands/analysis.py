"""`othello analyze` and `othello explain`: a search of one position, and where a number of it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.commands.options import (
    AsJson,
    CheckpointOption,
    Position,
    Positions,
    Size,
    SolveEmpties,
    check_writable,
    ending,
    for_each_position,
    one_thread,
    parse_position,
    print_json,
    wants_json,
)
from app.commands.play import Root
from app.commands.reasons import Rather, Why, say_why
from app.explain.ask import explain as explain_position
from app.explain.composites import build_composite
from app.explain.default import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.explain.explanation import Explanation
from app.explain.targets import Target
from app.models import load_model_for
from app.present.colormap import NEUTRAL, fills, number, scale_of
from app.present.picture import as_png, as_svg
from app.present.sentences import explanation_words, q_words
from othello import atomic
from othello.errors import ParseError
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
CompositeOption = Annotated[str, typer.Option("--composite", help="A composite of rules.")]
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


def analyze(
    position: Positions,
    simulations: UsualSimulations = None,
    seconds: Seconds = None,
    root: RootOption = Root.puct,
    c_puct: Exploration = None,
    seed: Seed = 0,
    empties: SolveEmpties = SOLVE_EMPTIES,
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    as_json: AsJson = False,
) -> None:
    """Search a position: visits N, prior P, value Q and bonus U of every move, value, principal variation.

    Near the end the exact score comes with it, and a best move stands first.
    """
    if root is Root.gumbel and simulations is None and seconds is not None:
        raise typer.BadParameter(
            "--seconds with --root gumbel: give --simulations too, the race is laid out for them"
        )
    wanted = simulations or (400 if seconds is None else 1_000_000)
    usual = C_PUCT if c_puct is None else c_puct
    policy = Gumbel() if root is Root.gumbel else Puct(c_puct=usual)

    def search(board: Board) -> None:
        if not board.legal_moves():
            why = "the game is over" if board.is_over else "it must pass"
            raise ParseError(f"{board}: the side to move has no move to analyse ({why})")
        model = load_model_for(board.size, checkpoint)
        player = SearchPlayer(model.evaluator, wanted, policy, solve_empties=empties, batch=16)
        player.new_game(seed)
        report = search_report(player.think(board, seconds=seconds), model.sha256)
        if wants_json(as_json):
            print_json(report)
        else:
            _print_search(report, board.diagram())

    for_each_position(position, size, search)


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
    position: Position,
    target: TargetOption = "value",
    composite: CompositeOption = DEFAULT_COMPOSITE,
    bias: BiasOption = DEFAULT_BIAS,
    symmetry: SymmetryOption = True,
    simulations: Simulations = 100,
    why: Why = None,
    rather: Rather = None,
    png: Png = None,
    svg: Svg = None,
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    as_json: AsJson = False,
) -> None:
    """Explain one number of a position square by square: target = squares + bias + stabilizer."""
    board = parse_position(position, size)
    check_writable(png, svg)
    if why is not None or rather is not None:
        return say_why(board, why, rather, simulations, checkpoint, as_json)
    wanted = Target.parse(target, board.size)
    wanted.check(board)
    one_thread()
    build_composite(composite, bias)
    model = load_model_for(board.size, checkpoint)
    found = explain_position(
        model,
        board,
        wanted,
        composite=composite,
        bias=bias,
        simulations=simulations,
        symmetric=symmetry,
    )
    if png is not None:
        atomic.write_bytes(png, as_png(found))
    if svg is not None:
        atomic.write_text(svg, as_svg(found))
    if wants_json(as_json):
        print_json(found.to_dict())
    else:
        _print_explanation(found)


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
