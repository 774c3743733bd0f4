"""Releasing a generation: a checkpoint folder with a model card: what it is, how strong, how it was made."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from othello import atomic
from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.architecture import Architecture, Network
from othello.network.pretrained import save_pretrained
from othello.training.manifest import State, account
from othello.training.run import Run

CARD = "README.md"
COURSE = (
    "config.toml",
    "metrics/metrics.csv",
    "metrics/ladder.csv",
)  # of a run, kept with its release

KEPT = (  # of a generation's meta.json
    *("generation", "seed", "games", "positions", "evaluations"),
    *("core_seconds", "selfplay", "learner"),
)


@dataclass(frozen=True)
class MeasuredMatch:
    """One measured match of the released network; points of the player with the network, Elo with its 95 % interval."""

    player: str
    opponent: str
    games: int
    points: float
    elo: str
    command: str


def release(
    run: Run,
    target: Path,
    *,
    generation: int | None = None,
    generations: int = 0,
    strengths: Sequence[MeasuredMatch] = (),
    hardware: str,
    reproduce: str,
) -> str:
    """Copy a generation (the newest if None) to the folder `target` with a model card; returns its SHA-256.

    The run's settings, its metrics and its ladder, where there are any, go with it (`COURSE`), and so many of its
    generations up to that one, evenly spaced, as small checkpoints in `target`/generations.

    `reproduce` is the command that trains such a run.  Raises `CheckpointError` if the generation is not in the run,
    or not as many before it.
    """
    number = run.state.iteration if generation is None else generation
    if not 0 <= number <= run.state.iteration:
        raise CheckpointError(
            f"{run.folder}: generation {number} is not in 0..{run.state.iteration}"
        )
    chosen = check_generations(run, number, generations)
    grown = [checkpoint.load(run.generation(each)) for each in chosen]
    loaded = checkpoint.load(run.generation(number))
    meta: dict[str, Any] = {name: loaded.meta[name] for name in KEPT}
    meta["backend"] = loaded.meta.get("backend", "")  # empty for a run of an earlier version
    meta |= {"commit": _commit(), "hardware": hardware, "reproduce": reproduce}
    meta["strength"] = [vars(strength) for strength in strengths]
    meta |= {"generations": chosen} if chosen else {}
    digest = save_pretrained(loaded.network, target, meta, replace=True)
    _keep_course(run.folder, target)
    _keep_generations(grown, target)
    atomic.write_text(target / CARD, card(checkpoint.info(target), cast(Network, loaded.network)))
    return digest


def check_generations(run: Run, last: int, count: int) -> list[int]:
    """The numbers of `count` generations of a run from 0 to `last`, evenly spaced.

    `CheckpointError` where there are not as many, or one of them is gone.
    """
    if count > last + 1:
        raise CheckpointError(
            f"{run.folder}: {count} generations are asked for, 0 to {last} are there"
        )
    chosen: list[int] = np.linspace(0, last, count).round().astype(int).tolist()
    for number in chosen:
        checkpoint.info(run.generation(number))
    return chosen


def _keep_course(run: Path, target: Path) -> None:
    """Put beside the released weights how the run came to them; what it does not have is not there either."""
    for name in COURSE:
        kept = target / name
        if (run / name).is_file():
            kept.parent.mkdir(exist_ok=True)
            atomic.write_bytes(kept, (run / name).read_bytes())
        else:
            kept.unlink(missing_ok=True)


def _keep_generations(grown: Sequence[checkpoint.Checkpoint], target: Path) -> None:
    """Put generations beside the released weights, in half precision, in place of those of an earlier release."""
    shutil.rmtree(target / "generations", ignore_errors=True)
    for loaded in grown:
        meta = {name: loaded.meta[name] for name in KEPT if name in loaded.meta}
        folder = target / "generations" / loaded.path.name
        checkpoint.save(loaded.network, folder, meta, precision="float16")


def seen(folder: Path) -> State:
    """What the weights of a released checkpoint have seen, `iteration` being their generation."""
    meta = checkpoint.info(folder)
    return replace(account(meta, folder), iteration=int(meta.get("generation", 0)))


def card(meta: dict[str, Any], network: Network) -> str:
    """The model card in Markdown, from what the checkpoint's `meta.json` says."""
    size = meta["architecture"]["size"]
    parameters = sum(parameter.numel() for parameter in network.parameters())
    weights = meta["weights"]
    rows = [
        ("Board", f"{size}×{size}"),
        ("Architecture", f"{network.architecture}; {parameters:,} parameters"),
        ("Generation", f"{meta['generation']:,}"),
        *_kept_generations(meta),
        (
            "Self-play",
            f"{meta['games']:,} games, {meta['positions']:,} positions, {meta['evaluations']:,} network "
            f"evaluations; {meta['selfplay']['simulations']} simulations a move at the end",
        ),
        (
            "Cost",
            f"{meta['core_seconds'] / 3600:.1f} core-hours of processor time, self-play and learner",
        ),
        ("Hardware", meta["hardware"]),
        *([("Played by", f"the {meta['backend']} backend")] if meta.get("backend") else []),
        ("Seed", str(meta["seed"])),
        ("Released by", f"commit `{meta['commit']}`"),
        (
            "Weights",
            f"`{weights['file']}`, {weights['size']:,} bytes, SHA-256 `{weights['sha256']}`",
        ),
    ]
    lines = [
        *front_matter(size),
        "",
        f"# Othello {size}×{size}",
        "",
        "Taught itself by self-play; no human games, no hand-made evaluation.",
        "",
    ]
    lines += ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows), ""]
    lines += use(Path(meta["path"]).name, network.architecture)
    lines += ["## Strength", "", *_strength_table(meta["strength"])]
    lines += ["", "## Reproduce", "", "```", meta["reproduce"], "```", ""]
    lines += [
        "Values and policies are from the view of the side to move; planes as in `othello/network/encoding.py`.",
        "",
    ]
    return "\n".join(lines)


def _kept_generations(meta: dict[str, Any]) -> list[tuple[str, str]]:
    """The row of a card about the generations that are shipped."""
    if not (numbers := meta.get("generations")):
        return []
    told = ", ".join(map(str, numbers))
    command = f"othello experiments concepts --run checkpoints/{Path(meta['path']).name}"
    return [("Shipped with it", f"generations {told} in half precision, as for `{command}`")]


def use(name: str, architecture: Architecture) -> list[str]:
    """The part of a card that says how the network is had in Python."""
    a = architecture
    shapes = (
        f"planes [B, {a.planes}, {a.size}, {a.size}] -> policy logits [B, {a.actions}], value [B]"
    )
    return [
        "## Use",
        "",
        "```python",
        "from othello.network import from_pretrained  # pip install 'othello-lrp[play]'",
        "",
        f'network = from_pretrained("{name}")  # {shapes}',
        "```",
        "",
    ]


def front_matter(size: int) -> list[str]:
    """The head of a card in YAML: licence, what the weights are for, what they are not for, and their limits."""
    return [
        "---",
        "license: mit",
        "library_name: othello-lrp",
        f"tags: [othello, reversi, board-{size}x{size}, alphazero, self-play, layer-wise-relevance-propagation]",
        "intended_use:",
        f"  - playing and analysing Othello on {size}×{size} boards",
        "  - studying explanations of a small policy–value network",
        "limits:",
        f"  - other board sizes and other rules than Othello's; it knows {size}×{size} boards alone",
        "  - its strength is measured against the opponents below, not against people",
        "  - its values are expected outcomes of games between players like itself, not of perfect play",
        "  - an explanation says what the network computes with, which need not be what is true of a position",
        "  - it is one run with one seed; another may differ",
        "---",
    ]


def _strength_table(matches: Sequence[dict[str, Any]]) -> list[str]:
    """Every measured match as a line of a table."""
    if not matches:
        return ["Not measured yet."]
    return [
        "Paired openings of 4 random plies, or `--plies`, colours swapped; 95 % intervals.",
        "",
        "| player | opponent | points | Elo difference | command |",
        "|---|---|---|---|---|",
        *(
            f"| {s['player']} | {s['opponent']} | {s['points']:g} of {s['games']} | {s['elo']} | `{s['command']}` |"
            for s in matches
        ),
    ]


def _commit() -> str:
    """The commit of the working tree that made the release, or 'unknown' outside a checkout."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        folder = Path(__file__).parent
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
