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

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from othello import atomic
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

_Result = TypeVar("_Result")
CONFIGS = Path(__file__).parent.parent / "othello" / "training" / "configs" / "ablations"
BASE = "base"
BUDGETS = {"evaluations": 1_600_000.0, "core_seconds": 75.0}  # a run
SHARES = (0.25, 0.5, 1.0)
UNITS = {
    "evaluations": ("evaluations of self-play, millions", 1e-6),
    "core_seconds": ("processor seconds", 1.0),
}
PLIES = 6  # random ones that open a match game
PLAYERS = {
    "raw policy": ("net", 100),
    "32 simulations": ("mcts:32,solve=0,leaf=0", 60),
}  # spec; games a pair of runs


@dataclass(frozen=True)
class Ablation:
    """A question: arms that differ from the base in one thing, at equal `measure`."""

    name: str
    title: str
    measure: str  # "evaluations" or "core_seconds"
    arms: dict[str, str]  # settings file: what the figure calls it


ABLATIONS = (
    Ablation("search", "PUCT with noise against Gumbel search", "evaluations", {"puct": "PUCT"}),
    Ablation(
        "labels",
        "Plain outcomes against exact endgames",
        "core_seconds",
        {"outcomes": "plain outcomes"},
    ),
    Ablation(
        "cap",
        "Playout cap against none",
        "evaluations",
        {"cap": "cap: ¼ of the moves at 32, the rest at 8"},
    ),
    Ablation(
        "planes",
        "Fewer input planes against four",
        "evaluations",
        {"planes2": "2: discs", "planes3": "3: discs, own moves"},
    ),
    Ablation(
        "size",
        "Other network sizes against 2×32",
        "core_seconds",
        {"small": "1×16", "large": "4×48"},
    ),
    Ablation("scale", "c_scale 0.5 against 0.1", "evaluations", {"scale": "c_scale 0.5"}),
)


@dataclass(frozen=True)
class Estimate:
    """How far an arm's runs are above the base's, in Elo; `runs` has one number a seed, games its own for all seeds."""

    ablation: str
    arm: str
    player: str
    share: float
    budget: float
    elo: float
    low: float
    high: float
    runs: list[float]
    points: float
    games: int
    games_low: (
        float | None
    )  # the interval of the games alone, as if runs of the same settings were equally strong
    games_high: float | None

    @property
    def verdict(self) -> str:
        """What the interval allows to say."""
        return "stronger" if self.low > 0 else "weaker" if self.high < 0 else "no difference shown"


class Inline(Executor):
    """Does every job at once, in this process and thread, so that processor time is counted alike for all runs."""

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        future: Future[_Result] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def config_of(arm: str, seed: int) -> RunConfig:
    """The settings of a run."""
    return replace(read_config(CONFIGS / f"{arm}.toml"), seed=seed)


def folder_of(out: Path, arm: str, seed: int) -> Path:
    """A run's directory."""
    return out / f"{arm}-{seed}"


def measures_of(arm: str) -> set[str]:
    """What an arm's runs have a budget of; the base's have one of everything."""
    return set(BUDGETS) if arm == BASE else {one.measure for one in ABLATIONS if arm in one.arms}


def warm(arms: Iterable[str]) -> None:
    """Load all compiled code, so that no run is charged for it."""
    for arm in arms:
        config = config_of(arm, 0)
        network = Network(config.network).eval()
        settings = replace(config.selfplay, simulations=4, slots=4)
        samples, _ = play_games(NetworkEvaluator(network), settings, 0, 0, range(4))
        Learner(network, config.learner).train(samples, 2, 0, 0)


def train_all(
    out: Path, arms: Sequence[str], seeds: Sequence[int], scale: float, until: float
) -> bool:
    """Train every run to its budgets; False if time is up before."""
    with ExitStack() as stack:
        trainers: dict[tuple[str, int], Trainer] = {}
        for arm in arms:
            for seed in seeds:
                folder = folder_of(out, arm, seed)
                stack.enter_context(locked(folder))
                started = (folder / "state.json").exists()
                run = Run.open(folder) if started else Run.create(folder, config_of(arm, seed))
                trainers[arm, seed] = Trainer(run, lambda state: None)

        def progress(key: tuple[str, int]) -> float:
            state = trainers[key].run.state
            return min(
                getattr(state, measure) / (scale * BUDGETS[measure])
                for measure in measures_of(key[0])
            )

        while (key := min(trainers, key=progress)) and progress(key) < 1:
            if time.monotonic() > until:
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


def matches(
    out: Path,
    ablation: Ablation,
    arm: str,
    share: float,
    player: str,
    seeds: Sequence[int],
    scale: float,
) -> list[list[dict[str, Any]]]:
    """Match results [arm's seed][base's seed], each played once and kept in `out/matches.jsonl`."""
    store = out / "matches.jsonl"
    known = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    played = {(match["a"], match["b"], match["games"], match["seed"]): match for match in known}
    spec, games = PLAYERS[player]
    budget = scale * share * BUDGETS[ablation.measure]
    table: list[list[dict[str, Any]]] = []
    for mine in seeds:
        first = generation_at(folder_of(out, arm, mine), ablation.measure, budget)
        table.append([])
        for theirs in seeds:
            second = generation_at(folder_of(out, BASE, theirs), ablation.measure, budget)
            number = 1000 * mine + theirs
            key = (f"{spec}:{first}", f"{spec}:{second}", games, number)
            if key not in played:
                result = play_match(
                    key[0], key[1], MatchSettings(games, None, number, PLIES, size=6)
                ).summary()
                with open(store, "a", encoding="utf-8") as file:
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


def estimates(
    out: Path, arms: Sequence[str], seeds: Sequence[int], scale: float, until: float
) -> list[Estimate] | None:
    """Play whatever is missing and estimate every arm at every budget; None if time is up before."""
    scores: dict[tuple[str, str, str, float], list[list[dict[str, Any]]]] = {}
    for share in sorted(SHARES, reverse=True):
        for player in PLAYERS:
            for ablation in ABLATIONS:
                for arm in ablation.arms:
                    if arm in arms:
                        if time.monotonic() > until:
                            return None
                        table = matches(out, ablation, arm, share, player, seeds, scale)
                        scores[ablation.name, arm, player, share] = table
    found = []
    measure = {ablation.name: ablation.measure for ablation in ABLATIONS}
    for player in PLAYERS:
        for share in SHARES:
            runs = {
                key[:2]: [
                    elo_of(sum(m["points"] for m in row), sum(m["games"] for m in row))
                    for row in table
                ]
                for key, table in scores.items()
                if key[2:] == (player, share)
            }
            freedom = sum(len(elos) - 1 for elos in runs.values())
            spread = math.sqrt(
                sum(statistics.variance(elos) * (len(elos) - 1) for elos in runs.values()) / freedom
            )
            reach = student(freedom) * spread * math.sqrt(2 / len(seeds))
            for (name, arm), elos in runs.items():
                every = [match for row in scores[name, arm, player, share] for match in row]
                points, games = (
                    sum(match["points"] for match in every),
                    sum(match["games"] for match in every),
                )
                rating = match_rating(points, 0, games - points)
                elo = statistics.mean(elos)
                found.append(
                    Estimate(
                        name,
                        arm,
                        player,
                        share,
                        scale * share * BUDGETS[measure[name]],
                        elo,
                        elo - reach,
                        elo + reach,
                        elos,
                        points,
                        games,
                        rating.low,
                        rating.high,
                    )
                )
    return found


def draw(ablation: Ablation, found: Sequence[Estimate], seeds: int) -> bytes:
    """The ablation's figure: Elo above the base over budget, one panel a way to play; small dots are runs."""
    from app.experiments.plots import COLOURS, INK, canvas, lines, png

    figure, axes = canvas(len(PLAYERS), width=3.6, height=3.0)
    unit, factor = UNITS[ablation.measure]
    for panel, player in zip(axes, PLAYERS):
        for number, (arm, label) in enumerate(ablation.arms.items()):
            points = [
                one
                for one in found
                if (one.ablation, one.arm, one.player) == (ablation.name, arm, player)
            ]
            shift = 1 + 0.02 * (2 * number - len(ablation.arms) + 1)
            x = [shift * one.budget * factor for one in points]
            reach = [one.high - one.elo for one in points]
            panel.errorbar(
                x,
                [one.elo for one in points],
                reach,
                color=COLOURS[number],
                marker="o",
                markersize=4,
                linewidth=1.4,
                capsize=3,
                label=label,
            )
            for place, one in zip(x, points):
                panel.plot(
                    [place] * len(one.runs),
                    one.runs,
                    ".",
                    color=COLOURS[number],
                    alpha=0.35,
                    markersize=4,
                )
        panel.axhline(0, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        lines(panel, f"{player}", unit, "Elo above the base, 95 %")
    figure.suptitle(f"{ablation.title} (6×6, {seeds} seeds)", fontsize=10)
    return png(figure)


def report(docs: Path, found: list[Estimate], seeds: Sequence[int], scale: float) -> None:
    """Write the JSON and the figures, and print the table."""
    docs.mkdir(parents=True, exist_ok=True)
    record = {
        "budgets": {name: scale * budget for name, budget in BUDGETS.items()},
        "seeds": list(seeds),
        "opening_plies": PLIES,
        "players": {
            name: {"spec": spec, "games": games * len(seeds) ** 2}
            for name, (spec, games) in PLAYERS.items()
        },
        "estimates": [{**asdict(one), "verdict": one.verdict} for one in found],
    }
    atomic.write_text(docs / "ablations.json", json.dumps(record, indent=1) + "\n")
    for ablation in ABLATIONS:
        mine = [one for one in found if one.ablation == ablation.name]
        if mine:
            atomic.write_bytes(docs / f"{ablation.name}.png", draw(ablation, mine, len(seeds)))
    print(f"{'arm':10}{'player':16}{'budget':>12}{'Elo above the base, 95 %':>30}   verdict")
    for one in found:
        interval = f"{one.elo:+.0f} [{one.low:+.0f}, {one.high:+.0f}]"
        print(f"{one.arm:10}{one.player:16}{one.budget:12,.0f}{interval:>30}   {one.verdict}")


def main() -> None:
    known = [arm for ablation in ABLATIONS for arm in ablation.arms]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--arm",
        action="append",
        choices=known,
        help="only this one, beside the base; may be repeated",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/ablations"), help="where the runs are kept"
    )
    parser.add_argument(
        "--docs", type=Path, default=Path("docs/ablations"), help="where JSON and figures go"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="stop after so long; the same command goes on",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="times every budget")
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds: at least 2, or nothing is known about the spread of runs")
    torch.set_num_threads(1)
    until = time.monotonic() + 60 * arguments.minutes
    arms = arguments.arm or known
    seeds = range(1, arguments.seeds + 1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    warm([BASE, *arms])
    found = None
    if train_all(arguments.out, [BASE, *arms], seeds, arguments.scale, until):
        found = estimates(arguments.out, arms, seeds, arguments.scale, until)
    if found is None:
        print("time is up; the same command goes on from here")
        return
    report(arguments.docs, found, seeds, arguments.scale)


if __name__ == "__main__":
    main()
