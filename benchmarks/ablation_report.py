"""What the ablations ask, their estimates, and the JSON and figures made of them; see `benchmarks.ablations`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.experiments.plots import COLOURS, INK, canvas, lines, svg
from othello import atomic

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


def draw(ablation: Ablation, found: Sequence[Estimate], seeds: int) -> bytes:
    """The ablation's figure: Elo above the base over budget, one panel a way to play; small dots are runs."""
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
    return svg(figure)


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
            atomic.write_bytes(docs / f"{ablation.name}.svg", draw(ablation, mine, len(seeds)))
    print(f"{'arm':10}{'player':16}{'budget':>12}{'Elo above the base, 95 %':>30}   verdict")
    for one in found:
        interval = f"{one.elo:+.0f} [{one.low:+.0f}, {one.high:+.0f}]"
        print(f"{one.arm:10}{one.player:16}{one.budget:12,.0f}{interval:>30}   {one.verdict}")
