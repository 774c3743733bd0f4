"""What more search is worth: `python -m benchmarks.simulations --against "gtp:gtp-rhino -l 3"`, a table and a figure.

The same network with 25, 50, … simulations a move plays paired matches from random 4-ply openings against one fixed
opponent; Elo differences with 95 % intervals.  A count that was measured before, with the same settings, is read from
the JSON file instead of played again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.harness import options
from othello import atomic
from othello.players.endgame import SOLVE_EMPTIES
from othello.strength.arena import MatchSettings, play_match

COUNTS = (25, 50, 100, 200, 400, 800, 1600)


def measure(settings: dict[str, Any], file: Path, counts: list[int]) -> dict[str, Any]:
    """Play what is missing in `file`, saving after every match; returns everything in it."""
    checkpoint, against, games, seed, solve = settings.values()
    data = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if data.get("settings") != settings:
        data = {"settings": settings, "rows": {}}
    for count in counts:
        row = data["rows"].get(str(count))
        if row is None:
            result = play_match(
                f"mcts:{count},solve={solve}:{checkpoint}",
                against,
                MatchSettings(games, None, seed),
            )
            rating = result.rating
            row = {
                "points": result.points,
                "elo": rating.elo,
                "low": rating.low,
                "high": rating.high,
                "sha256": result.checkpoints["a"],
                "seconds": round(result.seconds, 1),
            }
            data["rows"][str(count)] = row
            atomic.write_text(file, json.dumps(data, indent=1) + "\n")
        print(f"mcts:{count:<5d} {row['points']:g} of {games} points against {against}", flush=True)
    return data


def draw(data: dict[str, Any], file: Path) -> None:
    """Elo difference to the opponent over simulations, bars: 95 % intervals."""
    rows = sorted(
        (int(count), row) for count, row in data["rows"].items() if row["elo"] is not None
    )
    counts, elos = [count for count, _ in rows], [row["elo"] for _, row in rows]
    bars = [
        [0.0 if row["low"] is None else row["elo"] - row["low"] for _, row in rows],
        [0.0 if row["high"] is None else row["high"] - row["elo"] for _, row in rows],
    ]
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color="0.7", linewidth=1)
    axes.errorbar(counts, elos, yerr=bars, fmt="o-", color="#1b7837", capsize=3)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set(
        xlabel="simulations a move",
        ylabel="Elo difference to " + data["settings"]["against"].removeprefix("gtp:"),
        title="What more search is worth",
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)


def main() -> None:
    chosen = options(
        (__doc__ or "").splitlines()[0],
        checkpoint="checkpoints/othello8",
        against="gtp:gtp-rhino -l 3",
        games=100,
        seed=0,
        solve={"default": SOLVE_EMPTIES, "metavar": "EMPTIES"},
        counts=list(COUNTS),
        json={"default": Path("docs/simulations.json"), "type": Path},
        plot={"default": Path("docs/simulations.png"), "type": Path},
    )
    settings = {
        name: getattr(chosen, name) for name in ("checkpoint", "against", "games", "seed", "solve")
    }
    data = measure(settings, chosen.json, chosen.counts)
    draw(data, chosen.plot)


if __name__ == "__main__":
    main()
