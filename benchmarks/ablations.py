"""What each choice of the recipe is worth in short 6×6 runs: `python -m benchmarks.ablations [--out runs/ablations]`.

An arm is a settings file in `othello/training/configs/ablations`, trained from zero with several seeds to the budget of
its ablation: network evaluations of self-play, or seconds of processor time of self-play and learner together.  All
runs take turns in one process, whichever has the smallest share of its budget behind it, so that other load on the
machine falls on all alike; each is an ordinary run directory, and the same command goes on where it was stopped.  Then
the generations nearest to ¼, ½ and all of the budget play the base's at the same budget, every seed of the one against
every seed of the other, paired random openings.

Intervals are 95 % and for runs, not only for games: Student's t over the seeds, with the spread of runs of the same
settings pooled over all arms.  Written are `docs/ablations/ablations.json` and one figure an ablation.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

from benchmarks.ablation_report import (
    ABLATIONS,
    BUDGETS,
    PLAYERS,
    PLIES,
    SHARES,
    Ablation,
    Estimate,
    report,
)
from benchmarks.harness import options
from othello.network import checkpoint
from othello.network.architecture import Network
from othello.network.evaluator import NetworkEvaluator
from othello.strength.arena import MatchSettings, play_match
from othello.strength.rating import match_rating
from othello.training.config import RunConfig, read_config
from othello.training.learner import Learner
from othello.training.loop import Trainer
from othello.training.run import Run, locked
from othello.training.selfplay import play_games

CONFIGS = Path(__file__).parent.parent / "othello" / "training" / "configs" / "ablations"
BASE = "base"


class Inline(Executor):
    """Does every job at once, in this process and thread, so that processor time is counted alike for all runs."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def config_of(arm: str, seed: int) -> RunConfig:
    """The settings of a run."""
    return replace(read_config(CONFIGS / f"{arm}.toml"), seed=seed)


def measures_of(arm: str) -> set[str]:
    """What an arm's runs have a budget of; the base's have one of everything."""
    return set(BUDGETS) if arm == BASE else {one.measure for one in ABLATIONS if arm in one.arms}


def warm(arms: Iterable[str]) -> None:
    """Load all compiled code, so that no run is charged for it."""
    for arm in arms:
        config = config_of(arm, 0)
        network = Network(config.network).eval()
        settings = config.selfplay._replace(simulations=4, slots=4)
        samples, _ = play_games(NetworkEvaluator(network), settings, 0, 0, range(4))
        Learner(network, config.learner).train(samples, 2, 0, 0)


def train_all(study: Study) -> bool:
    """Train every run to its budgets; False if time is up before."""
    with ExitStack() as stack:
        trainers: dict[tuple[str, int], Trainer] = {}
        for arm, seed in product([BASE, *study.arms], study.seeds):
            folder = study.out / f"{arm}-{seed}"
            stack.enter_context(locked(folder))
            started = (folder / "state.json").exists()
            run = Run.open(folder) if started else Run.create(folder, config_of(arm, seed))
            trainers[arm, seed] = Trainer(run, lambda state: None)

        def progress(key: tuple[str, int]) -> float:
            state = trainers[key].run.state
            return min(
                getattr(state, measure) / (study.scale * BUDGETS[measure])
                for measure in measures_of(key[0])
            )

        while (key := min(trainers, key=progress)) and progress(key) < 1:
            if study.late:
                return False
            trainers[key].iterate(Inline())
            if progress(key) >= 1:
                state = trainers[key].run.state
                print(
                    f"{key[0]}-{key[1]}: generation {state.iteration}, {state.games} games, "
                    f"{state.evaluations:,} evaluations, {state.core_seconds:.0f} s",
                    flush=True,
                )
    return True


def generation_at(folder: Path, measure: str, budget: float) -> Path:
    """The generation of a run whose cost is nearest to the budget."""
    paths = sorted(path for path in (folder / "generations").iterdir() if int(path.name) > 0)
    return min(paths, key=lambda path: abs(float(checkpoint.info(path)[measure]) - budget))


@dataclass(frozen=True)
class Study:
    """Where the runs are, which of them are asked for, and until when there is time."""

    out: Path
    arms: Sequence[str]  # beside the base
    seeds: Sequence[int]
    scale: float  # times every budget
    until: float  # of the monotonic clock

    @property
    def late(self) -> bool:
        """Whether time is up."""
        return time.monotonic() > self.until

    def played(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The matches in `out/matches.jsonl`, by what they were asked for with."""
        store = self.out / "matches.jsonl"
        known = map(json.loads, store.read_text("utf-8").splitlines()) if store.exists() else []
        return {(match["a"], match["b"], match["games"], match["seed"]): match for match in known}


def matches(
    study: Study, ablation: Ablation, arm: str, share: float, player: str
) -> list[list[dict[str, Any]]]:
    """Match results [arm's seed][base's seed], each played once and kept in `out/matches.jsonl`."""
    played = study.played()
    spec, games = PLAYERS[player]
    budget = study.scale * share * BUDGETS[ablation.measure]
    table: list[list[dict[str, Any]]] = []
    for mine in study.seeds:
        first = generation_at(study.out / f"{arm}-{mine}", ablation.measure, budget)
        table.append([])
        for theirs in study.seeds:
            second = generation_at(study.out / f"{BASE}-{theirs}", ablation.measure, budget)
            number = 1000 * mine + theirs
            key = (f"{spec}:{first}", f"{spec}:{second}", games, number)
            if key not in played:
                settings = MatchSettings(games, None, number, PLIES, size=6)
                result = play_match(key[0], key[1], settings).summary()
                with open(study.out / "matches.jsonl", "a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
                played[key] = result
            table[-1].append(played[key])
    return table


def elo_of(points: float, games: float) -> float:
    """Elo of a score, a clean sweep counted as half a point less."""
    points = min(max(points, 0.5), games - 0.5)
    elo = match_rating(points, 0, games - points).elo
    assert elo is not None
    return elo


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Fisher and Cornish's expansion; within 1 % from 4 degrees of freedom on)."""
    z = statistics.NormalDist().inv_cdf(0.975)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def estimates(study: Study) -> list[Estimate] | None:
    """Play whatever is missing and estimate every arm at every budget; None if time is up before."""
    tables: dict[tuple[str, float], dict[tuple[str, str], list[list[dict[str, Any]]]]] = {}
    asked = [(one, arm) for one in ABLATIONS for arm in one.arms if arm in study.arms]
    for share, player in product(sorted(SHARES, reverse=True), PLAYERS):
        for ablation, arm in asked:
            if study.late:
                return None
            found = matches(study, ablation, arm, share, player)
            tables.setdefault((player, share), {})[ablation.name, arm] = found
    result = []
    for player, share in product(PLAYERS, SHARES):
        result += _compared(study, player, share, tables[player, share])
    return result


def _compared(
    study: Study,
    player: str,
    share: float,
    tables: dict[tuple[str, str], list[list[dict[str, Any]]]],
) -> Iterator[Estimate]:
    """Every arm's estimate at one budget, with the spread of runs pooled over all arms."""
    measures = {one.name: one.measure for one in ABLATIONS}
    runs = {}
    for key, table in tables.items():
        runs[key] = [elo_of(*_total(row)) for row in table]
    freedom = sum(len(elos) - 1 for elos in runs.values())
    squares = sum(statistics.variance(elos) * (len(elos) - 1) for elos in runs.values())
    reach = student(freedom) * math.sqrt(squares / freedom) * math.sqrt(2 / len(study.seeds))
    for (name, arm), elos in runs.items():
        points, games = _total(chain.from_iterable(tables[name, arm]))
        rating = match_rating(points, 0, games - points)
        elo = statistics.mean(elos)
        yield Estimate(
            name,
            arm,
            player,
            share,
            study.scale * share * BUDGETS[measures[name]],
            elo,
            elo - reach,
            elo + reach,
            elos,
            points,
            games,
            rating.low,
            rating.high,
        )


def _total(played: Iterable[dict[str, Any]]) -> tuple[float, int]:
    """Points and games of matches together."""
    rows = list(played)
    return sum(match["points"] for match in rows), sum(match["games"] for match in rows)


def main() -> None:
    known = [arm for ablation in ABLATIONS for arm in ablation.arms]
    chosen = options(
        __doc__,
        arm={
            "action": "append",
            "choices": known,
            "help": "only this one, beside the base; repeat",
        },
        out={"default": Path("runs/ablations"), "type": Path, "help": "where the runs are kept"},
        docs={"default": Path("docs/ablations"), "type": Path, "help": "of JSON and figures"},
        minutes={"default": math.inf, "help": "stop after so long; the same command goes on"},
        seeds=3,
        scale={"default": 1.0, "help": "times every budget"},
    )
    if chosen.seeds < 2:
        print("--seeds: at least 2, or nothing is known about the spread of runs", file=sys.stderr)
        raise SystemExit(2)
    seeds = range(1, chosen.seeds + 1)
    study = Study(
        chosen.out, chosen.arm or known, seeds, chosen.scale, time.monotonic() + 60 * chosen.minutes
    )
    study.out.mkdir(parents=True, exist_ok=True)
    warm([BASE, *study.arms])
    found = estimates(study) if train_all(study) else None
    if found is None:
        print("time is up; the same command goes on from here")
    else:
        report(chosen.docs, found, seeds, chosen.scale)


if __name__ == "__main__":
    main()
