"""A homogeneous twin: the agent without one constant, what that costs in strength, and what its maps look like.

In a network without biases gradient × input, integrated gradients and the output are one number (Hesse, Schaub-Meyer
and Roth 2021), so that nothing of an answer stays with biases and no path has to be chosen.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots, tables
from app.experiments.attributions import IG_STEPS, Maps, asked, summed
from app.experiments.positions import BOARD_31, Games, Positions, Words, held_out
from app.experiments.record import (
    Experiment,
    Figure,
    Findings,
    PerPosition,
    Progress,
    Settings,
    Table,
    part,
)
from app.experiments.statistics import Interval, bootstrap, number, proportion
from app.experiments.studies.inside.distillation import (
    Curriculum,
    distil,
    lessons,
)
from app.experiments.studies.inside.twin_likeness import COMPOSITES, compared, likeness, value_maps
from app.explain.rivals import on_the_way
from app.models import Model, encode_words
from lrp.baselines import GradientTimesInput
from othello.errors import CheckpointError
from othello.network.checkpoint import save
from othello.players.agent import PolicyPlayer, SearchPlayer
from othello.strength.arena import MatchSettings, play_match
from othello.training.replay import read_samples
from othello.training.selfplay import Samples

if TYPE_CHECKING:
    from othello.players.simple import ManyGames

QUICK: Final = Curriculum(rounds=2, steps=8, batch=64)
FULL: Final = Curriculum(rounds=20, steps=200, batch=512, precision="bfloat16")
SEARCHED: Final = 100  # simulations a move of the second match


def replay_of(run: Path) -> tuple[Words, Words]:
    """The different positions [S] in a run's replay files, in an order that is drawn; CheckpointError for none."""
    files = sorted(run.glob("replay/*.npz"))
    if not files:
        raise CheckpointError(f"{run}: no replay files; accepted is the folder of a training run")
    pairs = []
    for file in files:
        samples = read_samples(file)
        pairs.append(np.stack([samples.own, samples.opp], 1))
    different = np.unique(np.concatenate(pairs), axis=0)
    order = np.random.default_rng(0).permutation(len(different))
    own, opp = different[order].T
    return np.ascontiguousarray(own), np.ascontiguousarray(opp)


def twin_of(
    model: Model, games: Games, settings: Settings, progress: Progress
) -> tuple[Model, dict[str, Any]]:
    """The twin, distilled now, and what it was taught.

    It learns from the positions of a run's replay files if a run is given, and of the held-out games' other positions
    if not; an interrupted course goes on from where it stood.
    """
    own, opp = replay_of(settings.run) if settings.run is not None else (games.own, games.opp)
    course = QUICK if settings.quick else FULL
    if settings.quick:
        own, opp = own[:2000], opp[:2000]
    folder = _folder(model, settings)

    def tell(rounds: int, losses: Any) -> None:
        share = rounds / course.rounds
        progress(share, f"distilling, round {rounds}: policy {losses.policy:.3f}")

    def taught() -> Samples:
        progress(0.0, f"what the agent says of {len(own)} positions")
        return lessons(model.evaluator, own, opp)

    network = distil(model.network, taught, course, folder, tell)
    about = {"rounds": course.rounds, "steps": course.steps, "batch": course.batch}
    about |= {"positions": len(own)}
    digest = _digest(network, folder, {"teacher": model.sha256, "distilled": about})
    path = Path("twin") if folder is None else folder / "checkpoint"
    return Model(path, digest, {"distilled": about}, network), about


def _folder(model: Model, settings: Settings) -> Path | None:
    """Where a long course keeps its state; a quick one keeps none."""
    if settings.cache is None or settings.quick:
        return None
    run = "" if settings.run is None else f"-{settings.run.name}"
    return settings.cache / f"twin-{model.sha256[:12]}{run}"


def _digest(network: Any, folder: Path | None, meta: dict[str, Any]) -> str:
    if folder is None:
        return "0" * 64
    return save(network, folder / "checkpoint", meta, replace=True)


def exactness(model: Model, at: Positions) -> dict[str, Any]:
    """Of the value and of a move's logit: how far gradient × input, integrated gradients and the target are apart.

    All as shares of the sum of |gradient × input|, the largest over positions; and f(2x) − 2f(x) likewise.  In float64:
    in float32 a sum near 0 may be rounded to the other side of a ReLU.
    """
    network = copy.deepcopy(model.network).double()
    planes, moves = encode_words(model, at.own, at.opp).double(), at.moves[:, :1]
    method = GradientTimesInput(network, planes[:2])
    once, twice = (asked(method, planes * scale, moves) for scale in (1, 2))
    gradient, target, doubled = _maps(once), _targets(once), _targets(twice)
    way = on_the_way(lambda x: [f.input for f in asked(method, x, moves)], planes, IG_STEPS)
    integrated = np.stack([scores.sum(1).flatten(1).numpy() for scores in way])
    size = np.maximum(np.abs(gradient).sum(2), 1e-12)
    apart = np.abs(gradient - integrated).sum(2) / size
    return {
        "gradient_integrated": float(apart.max()),
        "gradient_integrated_mean": bootstrap(apart.mean(0)),
        "gradient_target": float((np.abs(gradient.sum(2) - target) / size).max()),
        "homogeneous": float((np.abs(doubled - 2 * target) / size).max()),
    }


def _maps(found: list[Any]) -> Maps:
    """[T, P, 64]."""
    return np.stack([summed(each) for each in found])


def _targets(found: list[Any]) -> NDArray[np.float64]:
    return np.stack([each.target.double().numpy() for each in found])


def matches(model: Model, twin: Model, settings: Settings, tell: Progress) -> dict[str, Any]:
    """The twin against the agent, by policy alone and with search; Elo with its interval."""
    games, fewer = (12, 6) if settings.quick else (2000, 200)
    pairs: dict[str, tuple[ManyGames, ManyGames, int]] = {
        "policy": (PolicyPlayer(twin.evaluator), PolicyPlayer(model.evaluator), games)
    }
    sought = 8 if settings.quick else SEARCHED
    searchers = [SearchPlayer(one.evaluator, sought, solve_empties=0) for one in (twin, model)]
    pairs["search"] = (searchers[0], searchers[1], fewer)
    found = {}
    for place, (name, (a, b, count)) in enumerate(pairs.items()):
        tell(place / len(pairs), f"match by {name}")
        result = play_match(a, b, MatchSettings(games=count, seed=81 + place + settings.seed))
        found[name] = {
            "games": count,
            "points": result.points,
            "elo": result.rating.elo,
            "low": result.rating.low,
            "high": result.rating.high,
            "words": str(result.rating),
            "simulations": 0 if name == "policy" else sought,
        }
    return found


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """The twin, its likeness, its exactness, its maps beside the agent's, and its strength."""
    games, at = held_out(model, settings, part(progress, 0.0, 0.2))
    twin, about = twin_of(model, games, settings, part(progress, 0.2, 0.6))
    few = at.first(16 if settings.quick else 128)
    said = likeness(model, twin, at)
    drawn = compared(model, twin, at, part(progress, 0.6, 0.8))
    numbers: dict[str, Any] = {
        "positions": len(at.own),
        "twin": about,
        "likeness": {name: told(name, values) for name, values in said.items()},
        "exact": {"agent": exactness(model, few), "twin": exactness(twin, few)},
        "composites": {
            name: {key: bootstrap(values) for key, values in each.items()}
            | {"twin_bias_most": float(each["twin_bias"].max())}
            for name, each in drawn.items()
        },
        "matches": matches(model, twin, settings, part(progress, 0.8, 1.0)),
    }
    figures = (figure(model, twin), bias_figure(numbers["composites"]))
    shown = (exact_table(numbers), composite_table(numbers), match_table(numbers))
    flat = {f"{name} | {key}": v for name, each in drawn.items() for key, v in each.items()}
    each = PerPosition("positions", at.own, at.opp, said | flat)
    return Findings(numbers, reading(numbers), figures, shown, (each,))


def told(name: str, values: NDArray[np.float64]) -> Interval:
    """A mean, or the share of positions where the best move is the same."""
    return proportion(int(values.sum()), len(values)) if name == "same_move" else bootstrap(values)


def reading(numbers: dict[str, Any]) -> str:
    """What the twin is worth."""
    exact, alike, games = numbers["exact"], numbers["likeness"], numbers["matches"]
    lrp, taught = numbers["composites"]["LRPZero"], numbers["twin"]
    found = numbers["composites"]["EpsilonPlus"]
    return (
        f"The twin has the agent's shape and no constant at all; it learned what the agent says of "
        f"{taught['positions']} positions in {taught['rounds']} rounds of {taught['steps']} steps of "
        f"{taught['batch']}. Gradient × input and "
        f"integrated gradients differ by {exact['twin']['gradient_integrated']:.0e} of the map at most (the agent: "
        f"{exact['agent']['gradient_integrated']:.2f}), and their sum misses the output by "
        f"{exact['twin']['gradient_target']:.0e} (the agent: {exact['agent']['gradient_target']:.2f}). Biases keep "
        f"{number(lrp['twin_bias'].mean)} of the value's relevance under LRP-0, where the agent's keep "
        f"{lrp['agent_bias']}. On {numbers['positions']} held-out positions it likes the agent's move best on "
        f"{alike['same_move']} of them, and its value is off by {alike['value_error']} on average. Its maps under "
        f"EpsilonPlus have a cosine of {found['cosine']} with the agent's, with those of another position "
        f"{found['other_positions']}. What it costs: playing by policy alone {games['policy']['words']} Elo over "
        f"{games['policy']['games']} games, with {games['search']['simulations']} simulations a move "
        f"{games['search']['words']} over {games['search']['games']}. A map without biases is not a truer map of the "
        "agent: it is a true map of another network."
    )


def exact_table(numbers: dict[str, Any]) -> Table:
    """The identities, of the twin and of the agent as its control."""
    rows = []
    for key, words in (
        ("gradient_integrated", "gradient × input against integrated gradients"),
        ("gradient_target", "sum of gradient × input against the output"),
        ("homogeneous", "f(2x) against 2 f(x)"),
    ):
        rows.append((words, *[f"{numbers['exact'][who][key]:.1e}" for who in ("twin", "agent")]))
    title = "Largest differences, as shares of the sum of |gradient × input|"
    return Table(title, ("difference", "twin", "agent"), tuple(rows))


def composite_table(numbers: dict[str, Any]) -> Table:
    """Five composites on both networks."""
    columns = {
        "cosine": "cosine of the two maps",
        "other_positions": "of other positions",
        "beyond": "difference",
        "agent_bias": "agent: |R| of biases",
        "twin_bias": "twin: |R| of biases",
    }
    return tables.table("Maps of the value, 95 % by position", numbers["composites"], columns)


def match_table(numbers: dict[str, Any]) -> Table:
    """Strength."""
    rows = []
    for name, found in numbers["matches"].items():
        player = "policy alone" if name == "policy" else f"{found['simulations']} simulations"
        rows.append((player, f"{found['points']:g} of {found['games']}", found["words"]))
    return Table("The twin against the agent", ("player", "points", "Elo, 95 %"), tuple(rows))


def figure(model: Model, twin: Model) -> Figure:
    """Board 31 under five composites, the agent on the left and the twin on the right."""
    own, opp = (np.array([word], np.uint64) for word in (BOARD_31.own, BOARD_31.opp))
    at = Positions(own, opp, np.zeros((1, 2), np.int64))
    canvas, axes = plots.canvas(len(COMPOSITES), 2, width=2.6, height=3.2)
    words = []
    for row, (who, one) in enumerate((("agent", model), ("twin", twin))):
        for column, composite in enumerate(COMPOSITES):
            relevance = value_maps(one, composite, at)[0].reshape(8, 8)
            cell = axes[row * len(COMPOSITES) + column]
            plots.board_map(cell, BOARD_31, relevance, f"{who}: {composite}")
            words.append(alt.of_map(relevance, f"the {who}'s value by {composite}", 3))
    caption = "Board 31: the value's maps of the agent (left) and of its homogeneous twin (right)."
    return Figure("", caption, canvas, alt.sentence(*words))


def bias_figure(found: dict[str, Any]) -> Figure:
    """How alike the maps are, and what biases keep."""
    canvas, (left, right) = plots.canvas(2, width=4.6, height=2.8)
    alike = {name: each["cosine"] for name, each in found.items()}
    kept = {name: each["agent_bias"] for name, each in found.items()}
    words = [
        tables.bars(left, alike, "Agent and twin", "cosine of value maps", "cosine"),
        tables.bars(right, kept, "Kept by the agent's biases", "share of |R|", "agent's biases"),
        "the twin's biases keep nothing under any of them",
    ]
    caption = "The two networks' maps, and the share of |relevance| that the agent's biases keep; the twin has none."
    return Figure("biases", caption, canvas, alt.sentence(*words))


EXPERIMENT = Experiment(
    "twin",
    17,
    "A homogeneous twin",
    "The agent without biases: what gradient × input gains, what strength it costs, how its maps differ.",
    run,
    positions=(32, 512),
    games=True,
    of_run=replay_of,
)
