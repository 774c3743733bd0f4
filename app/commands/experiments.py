"""`othello experiments`: the blog's figures, faithfulness and ground truth, with a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.commands.options import CheckpointOption, Output, one_thread, print_json
from app.commands.progress import ProgressLine
from app.experiments import report, results
from app.experiments.catalogue import experiment
from app.experiments.catalogue import experiments as catalogue
from app.experiments.record import Progress
from app.experiments.runner import Request, durations, run, run_all
from app.extras import advice
from othello.errors import ConfigError

FOLDER = Path("runs/experiments")


Name = Annotated[str | None, typer.Argument(metavar="[NAME|all]", help="Leave it out for a list.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Where results are kept.")
]
Positions = Annotated[
    int | None,
    typer.Option(
        "--positions", metavar="N", min=1, max=100_000, help="Positions, games or samples."
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Fixes every random draw.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small samples: all of them within minutes.")]
Processes = Annotated[
    int,
    typer.Option(
        "--processes", metavar="N", min=1, max=64, help="With all: this many side by side."
    ),
]
Docs = Annotated[
    Path | None,
    typer.Option(
        "--docs",
        metavar="DIR",
        file_okay=False,
        help="With all: write experiments.md there, come what may.",
    ),
]
Virelay = Annotated[
    bool,
    typer.Option("--virelay", help="With clusters: DIR/virelay, a project that ViRelAy opens."),
]
OfRun = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="DIR",
        file_okay=False,
        help="A training run: concepts follows its generations, twin learns from its replay.",
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Run even what is there already.")]


@dataclass(frozen=True)
class SampleOptions:
    """What an experiment draws."""

    positions: Positions = None
    seed: Seed = 0
    quick: Quick = False


@dataclass(frozen=True)
class Running:
    """How experiments are run, and where all of them are told."""

    processes: Processes = 1
    docs: Docs = None
    again: Again = False
    run: OfRun = None
    virelay: Virelay = False


def experiments(
    name: Name = None,
    out: Out = FOLDER,
    checkpoint: CheckpointOption = None,
    sample: SampleOptions = SampleOptions(),
    how: Running = Running(),
    output: Output = Output(),
) -> None:
    """Run one experiment, or all with a report; what is there already for the same settings and weights is kept.

    `all` writes report.html into DIR and, in a checkout, docs/experiments.md: a quick run does so only where no run
    of full size stands. The full-size run with the shipped weights also makes its best composite the app's default.
    Ctrl-C keeps what is finished.
    """
    if name is None:
        _list(output.as_json)
        return

    if name != "all" and (how.processes > 1 or how.docs is not None):
        raise typer.BadParameter("--processes and --docs go with all")
    if how.run is not None and (name == "all" or experiment(name).of_run is None):
        raise typer.BadParameter("--run goes with concepts and twin")
    export = _export(name) if how.virelay else None
    weights = Path(checkpoint) if checkpoint else None
    request = Request(out, weights, sample.positions, sample.seed, sample.quick, how.again, how.run)
    one_thread()
    try:
        with ProgressLine(name, quiet=output.quiet) as line:
            if name == "all":
                _all(request, line.at, output, how)
                return
            record, known = run(name, request, line.at)
            exported = [] if export is None else [str(export(record, out).relative_to(out))]
    except KeyboardInterrupt:
        kept = f"interrupted; what is finished is kept in {out}, the same command goes on"
        raise KeyboardInterrupt(kept) from None
    if output.as_json:
        print_json("experiment", record)
        return
    _print_record(record)
    files = [f"{record['name']}.json", *results.files(record), *exported]
    if not output.quiet:
        names = ", ".join(str(out / file) for file in files)
        print(f"\n{'kept from before' if known else 'written'}: {names}")


def _export(name: str) -> Callable[[dict[str, Any], Path], Path]:
    """What writes an experiment's results for ViRelAy."""
    export = None if name == "all" else experiment(name).export
    if export is None:
        raise typer.BadParameter("--virelay goes with clusters")
    if find_spec("h5py") is None:
        raise ConfigError(advice("h5py"))
    return export


def _all(request: Request, progress: Progress, output: Output, how: Running) -> None:
    docs = how.docs
    if docs is not None:
        docs.mkdir(parents=True, exist_ok=True)
    records = run_all(request, progress=progress, processes=how.processes)
    pages, notes = list(report.write(records, request.folder)), []
    if docs is not None:
        pages.append(report.publish(records, request.folder, docs))
    elif request.positions is None and Path("app/experiments/report.py").is_file():  # in a checkout
        reason = report.outranks(records, Path("docs"))
        if reason:
            notes.append(f"docs/experiments.md was left as it is: {reason}")
        else:
            pages.append(report.publish(records, request.folder, Path("docs")))
            pages += filter(None, [report.keeps_default(records)])
    seconds = durations(request.folder)
    if output.as_json:
        told = {"report": [str(page) for page in pages], "notes": notes, "seconds": seconds}
        print_json("experiments", told | {"experiments": records})
        return
    for record in records:
        _print_record(record, tables=False)
    if output.quiet:
        return
    for name, took in seconds.items():
        print(
            f"{name:14} {took['wall_s']:8.1f} s by the clock {took['processor_s']:8.1f} s of the processor"
        )
    print("\n".join(["", *notes, "written: " + ", ".join(map(str, pages))]))


def _list(as_json: bool | None) -> None:
    entries = [
        {"number": e.number, "name": e.name, "title": e.title, "shows": e.shows, "redoes": e.source}
        for e in catalogue().values()
    ]
    if as_json:
        print_json("experiment-entry", entries)
        return

    table = Table("#", "name", "shows", "redoes", box=None)
    for entry in entries:
        table.add_row(
            str(entry["number"]), str(entry["name"]), str(entry["shows"]), str(entry["redoes"])
        )
    Console().print(table)


def _print_record(record: dict[str, Any], tables: bool = True) -> None:
    console = Console()
    console.print(Text(f"\n{record['number']}. {record['title']}", style="bold"))
    console.print(Text(record["reading"]))
    for found in record["tables"] if tables else []:
        table = Table(*found["header"], box=None, title=Text(found["title"]), title_justify="left")
        for row in found["rows"]:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
