"""Several experiments at once, each in a process of one thread; the records are those of one process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final

from app.experiments.catalogue import experiment
from app.experiments.record import Progress
from app.experiments.runner import GAMES, Record, Request, play_games, run

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

LONGEST: Final = (
    "faithfulness",
    "ground-truth",
    "rules",
    "exploration",
    "search",
    "heads",
)  # these begin first
POLL = 0.2  # seconds between two looks at what the processes report

_reports: SimpleQueue[tuple[str, float, str]] | None = (
    None  # of a worker: step, share done, what is under way
)


def run_beside(
    request: Request, names: Sequence[str], progress: Progress, processes: int
) -> list[Record]:
    """As `runner.run_all`; the first failure ends the rest, and what is finished stays.

    The games of self-play that several experiments share are played first, beside experiments that need none.
    """
    context = multiprocessing.get_context("spawn")
    reports: SimpleQueue[tuple[str, float, str]] = context.SimpleQueue()
    order = sorted(names, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))
    waiting = [name for name in order if experiment(name).games]
    found: dict[str, Record] = {}
    shares: dict[str, float] = {}
    with ProcessPoolExecutor(processes, context, _begin, (reports,)) as pool:
        running: dict[Future[Any], str] = {}
        if waiting:
            running[pool.submit(_games, request, tuple(waiting))] = GAMES
        running |= {pool.submit(_run, name, request): name for name in order if name not in waiting}
        try:
            while running:
                done, _ = wait(running, POLL, FIRST_COMPLETED)
                _tell(reports, shares, len(names), progress)
                for future in done:
                    name = running.pop(future)
                    result = future.result()
                    if name == GAMES:
                        running |= {pool.submit(_run, later, request): later for later in waiting}
                    else:
                        found[name] = result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(
                future.done() for future in running
            ):  # what has begun is kept, and nobody waits on the pipe
                wait(running, POLL)
                _tell(reports, shares, len(names), progress)
            raise
    return [found[name] for name in names]


def _tell(
    reports: SimpleQueue[tuple[str, float, str]],
    shares: dict[str, float],
    count: int,
    progress: Progress,
) -> None:
    while not reports.empty():
        name, share, what = reports.get()
        shares[name] = share
        progress(
            min(1.0, sum(part for step, part in shares.items() if step != GAMES) / count),
            f"{name}: {what}",
        )


def _begin(reports: SimpleQueue[tuple[str, float, str]]) -> None:
    global _reports
    _reports = reports
    import torch

    torch.set_num_threads(1)


def _report(name: str) -> Progress:
    def progress(share: float, what: str) -> None:
        if _reports is not None:
            _reports.put((name, share, what))

    return progress


def _games(request: Request, names: tuple[str, ...]) -> None:
    play_games(request, names, _report(GAMES))


def _run(name: str, request: Request) -> Record:
    return run(name, request, _report(name))[0]
