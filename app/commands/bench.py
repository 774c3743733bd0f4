"""`othello bench`: mean maps under several rules and bias modes, how alike they are and how faithful."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.options import (
    CheckpointOption,
    Force,
    Output,
    Size,
    check_writable,
    ending,
    names_many,
    one_thread,
    parse_position,
    print_json,
    scan_games_of,
)
from app.commands.progress import ProgressLine
from app.experiments.maps.bench import QUESTIONS, Method, drawn, over_a_set, self_played
from app.explain.composites import check_composite
from app.explain.default import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.models import Model, load_model_for
from app.present.sentences import q_words
from othello import atomic
from othello.errors import ParseError
from othello.records import GameRecord
from othello.rules.board import Board

SELF_PLAY = "selfplay:"

Several = Annotated[
    str,
    typer.Argument(
        metavar="POSITIONS",
        help="A position; a file of games or positions, - for standard input; or selfplay:N for N of self-play.",
    ),
]
Asked = Annotated[
    str,
    typer.Option(
        "--target",
        "-t",
        metavar="|".join(QUESTIONS),
        help="The value, the best move's logit, or the best's less the second's.",
    ),
]
Composites = Annotated[
    list[str] | None,
    typer.Option(
        "--composite",
        help="A composite of rules, IntegratedGradients or OwnerSwap; may be repeated.",
    ),
]
Biases = Annotated[list[str] | None, typer.Option("--bias", help="A bias mode; may be repeated.")]
Most = Annotated[int, typer.Option("--most", min=1, max=100_000, help="Positions drawn of a file.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the draw and of the self-play.")]
Npz = Annotated[
    Path | None,
    typer.Option(
        "--npz", metavar="FILE", callback=ending(".npz"), help="Write every map as NumPy arrays."
    ),
]


@dataclass(frozen=True)
class BenchOptions:
    """What `bench` explains, by which methods, and where it writes the maps."""

    target: Asked = "value"
    composites: Composites = None
    biases: Biases = None
    most: Most = 500
    seed: Seed = 0
    npz: Npz = None
    force: Force = False

    @property
    def methods(self) -> list[Method]:
        """Every composite under every bias mode; CompositeError, RuleError or a bias mode's error."""
        pairs = product(self.composites or [DEFAULT_COMPOSITE], self.biases or [DEFAULT_BIAS])
        methods = [Method(composite, bias) for composite, bias in dict.fromkeys(pairs)]
        for method in methods:
            check_composite(method.composite, method.bias)
        return methods


def bench(
    positions: Several,
    how: BenchOptions = BenchOptions(),
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    output: Output = Output(),
) -> None:
    """Mean maps of many positions under several rules and bias modes, how alike they are, and how faithful by SRG.

    SRG: how much faster the answer falls when the discs that a map holds for most relevant are emptied first than when
    they are last; 0 is chance.  Intervals are of 95 % over positions.  12 to 1,000 maps are put into clusters, too.
    """
    check_writable(how.npz, force=how.force)
    if how.target not in QUESTIONS:
        raise ParseError(f"target {how.target[:40]!r}: accepted are {', '.join(QUESTIONS)}")
    one_thread()
    methods = how.methods
    with ProgressLine("explaining", quiet=output.quiet) as line:
        given = _given(positions, how, size, checkpoint, line)
        model = load_model_for(given[0].size, checkpoint)
        found = over_a_set(model, given, how.target, methods, line.at)
    if how.npz is not None:
        atomic.write_bytes(how.npz, found.as_npz())
    report = found.as_json()
    if output.as_json:
        print_json("bench", report)
    else:
        _print(report)
        for one in found.methods:
            if one.clusters is not None:
                print(f"{one.method}: {one.clusters.words}")


def _given(
    text: str, how: BenchOptions, size: int, checkpoint: str | None, line: ProgressLine
) -> list[Board]:
    """The positions that a text names; ParseError where it names none."""
    if text.startswith(SELF_PLAY):
        count = text.removeprefix(SELF_PLAY)
        if not count.isdecimal() or not 1 <= int(count) <= 10_000:
            raise ParseError(f"{text[:40]!r}: accepted is {SELF_PLAY}N with N from 1 to 10000")
        model: Model = load_model_for(8, checkpoint)
        return self_played(model, int(count), how.seed, line.at)
    if not names_many(text):
        return [parse_position(text, size)]
    boards: list[Board] = []
    wrong = 0
    for game in scan_games_of(text, None, size):
        if isinstance(game, GameRecord):
            boards += [board for board in game.boards if board.size == size]
        else:
            wrong += 1
    if wrong:
        line.say(f"{wrong} games could not be read")
    boards = [board for board in boards if board.legal_moves()]
    if not boards:
        raise ParseError(f"{text}: holds no {size}×{size} position in which somebody can move")
    return drawn(boards, how.most, how.seed)


def _print(report: dict[str, Any]) -> None:
    table = Table("composite", "bias", "target", "of it biases", "SRG", "r", box=None)
    for row in report["methods"]:
        cells = [_interval(row, column) for column in ("values", "biases", "gains")]
        table.add_row(row["composite"], row["bias"], *cells, q_words(row["correlation"]))
    Console().print(table)
    print(
        f"{report['positions']} positions, target {report['question']}; r: with the first mean map"
    )


def _interval(row: dict[str, Any], column: str) -> str:
    mean, half = row[column], row[f"{column}_half"]
    if mean is None:
        return "–"
    return f"{mean:+.3f}" if half is None else f"{mean:+.3f} ± {half:.3f}"
