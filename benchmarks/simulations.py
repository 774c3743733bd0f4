"""What more search is worth: `python -m benchmarks.simulations --against "gtp:gtp-rhino -l 3"`, a table and a figure.

The same network with 25, 50, … simulations a move plays paired matches from random 4-ply openings against one fixed
opponent; Elo differences with 95 % intervals.  A count that was measured before, with the same settings, is read from
the JSON file instead of played again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.experiments.plots import COLOURS, INK, canvas, lines, svg
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
    figure, (axes,) = canvas(1, width=5.4, height=3.4)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.errorbar(counts, elos, yerr=bars, fmt="o-", color=COLOURS[0], capsize=3)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    opponent = data["settings"]["against"].removeprefix("gtp:")
    title, height = "What more search is worth", f"Elo difference to {opponent}, 95 %"
    lines(axes, title, "simulations a move", height, legend=False)
    atomic.write_bytes(file, svg(figure))


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
        plot={"default": Path("docs/simulations.svg"), "type": Path},
    )
    settings = {
        name: getattr(chosen, name) for name in ("checkpoint", "against", "games", "seed", "solve")
    }
    data = measure(settings, chosen.json, chosen.counts)
    draw(data, chosen.plot)


if __name__ == "__main__":
    main()
