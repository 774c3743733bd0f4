"""Concepts: which numbers of Othello the network works out, and whether its value listens to them.

A linear probe on a layer must tell a concept better than the input planes do and better than a network of the same
shape that learned nothing.  Whether the value listens is asked by moving the activation along the probe, beside random
directions of the same length and beside probes of labels that mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.experiments import tables
from app.experiments.positions import Games, Words, self_play, several_a_game
from app.experiments.record import (
    Experiment,
    Findings,
    PerPosition,
    Progress,
    Settings,
    Table,
    part,
)
from app.experiments.statistics import Array, Interval, bootstrap, number
from app.experiments.studies.inside import concept_figures
from app.experiments.studies.inside.channels import channel_table, channels_of, sought_by
from app.experiments.studies.inside.concept_values import CONCEPTS, Concept, concept_table
from app.experiments.studies.inside.generations import generations_of, shipped, untrained
from app.experiments.studies.inside.over_generations import grown, over_generations
from app.experiments.studies.inside.probes import (
    Probe,
    Split,
    by_game,
    effects,
    fit,
    interval,
    random_network,
    rest,
    stages,
)
from app.models import encode_words
from othello.network.architecture import Network

if TYPE_CHECKING:
    from app.models import Model

EMPTIES: Final = (8, 52)
OVER_PLANES: Final = 0.10  # R² that a concept must have above a probe of the input
OVER_RANDOM: Final = 0.06  # and above a network that learned nothing
LISTENS: Final = 4.0  # standard deviations of random directions that the effect must have
NOISE: Final = 32  # labels that mean nothing, probed beside the concepts


@dataclass(frozen=True)
class Sample:
    """Positions of whole games with their concepts: words [P], game [P] from 0, concepts [P, K]."""

    own: Words
    opp: Words
    game: NDArray[np.int64]
    concepts: Array

    @classmethod
    def of(cls, games: Games, settings: Settings) -> Sample:
        """A few positions of every game: 12 at full size, 6 in a quick run."""
        each = 6 if settings.quick else 12
        own, opp, game = several_a_game(games, settings, each, EMPTIES)
        return cls(own, opp, game, concept_table(own, opp))


@dataclass(frozen=True)
class Told:
    """What the probes of one network tell of the games that are measured: {stage: [P, K]}, and the probes."""

    predictions: dict[str, Array]
    probes: dict[str, Probe]

    def best(self, concept: int) -> str:
        """The stage that the choosing games like best for a concept; the input is none."""
        known = [stage for stage in self.probes if stage != "planes"]
        return max(known, key=lambda stage: float(self.probes[stage].chosen_by[concept]))


def probed(network: Network, planes: Tensor, sample: Sample, split: Split, tell: Progress) -> Told:
    """Probes of every stage, for the concepts and behind them for labels that are noise."""
    told, count = Told({}, {}), len(sample.own)
    noise = np.random.default_rng(27).standard_normal((count, NOISE))
    labels = np.concatenate([sample.concepts, noise], axis=1)
    for number_, (stage, x) in enumerate(stages(network, planes)):
        tell(number_ / (2 + len(network.blocks)), f"probes of {stage}")
        features = x.flatten(1).numpy()
        told.probes[stage] = fit(features, labels, split)
        told.predictions[stage] = told.probes[stage].predict(features[split.test])
    return told


def scores(sample: Sample, split: Split, ours: Told, random: Told, seed: int) -> dict[str, Any]:
    """For each concept its R² by stage, at the best stage, and how much that is above both baselines, by game."""
    found = {}
    for k, concept in enumerate(CONCEPTS):
        wanted, game = sample.concepts[split.test, k], sample.game[split.test]
        best, rival = ours.best(k), random.best(k)
        told = {stage: values[:, k] for stage, values in ours.predictions.items()}
        told["random network"] = random.predictions[rival][:, k]
        drawn = by_game(wanted, told, game, seed)
        count = len(np.unique(game))
        over_planes = interval(drawn[best] - drawn["planes"], count)
        over_random = interval(drawn[best] - drawn["random network"], count)
        found[concept.name] = {
            "best": best,
            "random_stage": rival,
            "r2": {name: interval(each, count) for name, each in drawn.items()},
            "over_planes": over_planes,
            "over_random": over_random,
            "learned": over_planes.mean >= OVER_PLANES and over_random.mean >= OVER_RANDOM,
        }
    return found


@dataclass(frozen=True)
class Bench:
    """What effects are measured on: at most so many positions of the measured games, and their games."""

    planes: Tensor
    rows: NDArray[np.int64]  # of the sample
    game: NDArray[np.int64]
    directions: int

    @classmethod
    def of(cls, planes: Tensor, sample: Sample, split: Split, settings: Settings) -> Bench:
        """Drawn from the games that took no part in fitting or choosing."""
        random = np.random.default_rng((settings.seed, 23))
        count = 24 if settings.quick else 128
        rows = np.sort(random.permutation(np.flatnonzero(split.test))[:count])
        directions = 32 if settings.quick else 100
        return cls(planes[torch.from_numpy(rows)], rows, sample.game[rows], directions)

    def changed(self, sample: Sample, changes: dict[str, Array]) -> PerPosition:
        """How much the value changes on each position, by concept."""
        values = {"game": self.game.astype(np.float64), **changes}
        return PerPosition("effects", sample.own[self.rows], sample.opp[self.rows], values)


def listening(
    network: Network, bench: Bench, ours: Told, sample: Sample, split: Split, tell: Progress
) -> tuple[dict[str, Any], dict[str, Array]]:
    """For each concept the value's change when its best stage moves by one standard deviation along the probe.

    The second is the change itself, position by position.
    """
    spread = sample.concepts[split.fit].std(0)
    found: dict[str, Any] = {}
    each: dict[str, Array] = {}
    for stage, x in stages(network, bench.planes):
        here = [k for k in range(len(CONCEPTS)) if ours.best(k) == stage and spread[k] > 0]
        for k in here:
            tell(len(found) / len(CONCEPTS), f"effects: {CONCEPTS[k].name}")
            weights = ours.probes[stage].weights
            along, noise = weights[:, k], weights[:, len(CONCEPTS) :].T
            length = float(spread[k] / max(np.linalg.norm(along), 1e-12))
            random = np.random.default_rng((k, 24))
            others = random.standard_normal((bench.directions, len(along)))
            directions = np.concatenate([along[None], others, noise])
            sizes = np.linalg.norm(directions, axis=1, keepdims=True)
            directions *= length / np.maximum(sizes, 1e-12)
            changes = effects(rest(network, stage), x, directions)
            each[CONCEPTS[k].name] = changes[0]
            found[CONCEPTS[k].name] = _effect(changes, bench, CONCEPTS[k])
    return found, each


def _effect(changes: Array, bench: Bench, concept: Concept) -> dict[str, Any]:
    """The value's change by the first direction beside those by random ones and by probes of noise, [R, P]."""
    means = changes.mean(1)
    spread = float(means[1 : 1 + bench.directions].std())
    noise = float(means[1 + bench.directions :].std())
    each = [changes[0, bench.game == game].mean() for game in np.unique(bench.game)]
    sizes = float(means[0]) / max(spread, 1e-12)
    return {
        "effect": bootstrap(np.array(each)),
        "random_sd": spread,
        "sizes": sizes,
        "sizes_of_noise": float(means[0]) / max(noise, 1e-12),
        "directions": bench.directions,
        "listens": abs(sizes) >= LISTENS and (not concept.theory or sizes * concept.theory > 0),
        "theory": concept.theory,
    }


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Probes, effects, channels; over the generations of a run if one is given."""
    games = self_play(model, settings, part(progress, 0.0, 0.3))
    sample = Sample.of(games, settings)
    split = Split.by_game(sample.game, settings.seed)
    planes = encode_words(model, sample.own, sample.opp)
    ours = probed(model.network, planes, sample, split, part(progress, 0.3, 0.5))
    fresh = random_network(model.network, planes[torch.from_numpy(split.fit)], settings.seed)
    random = probed(fresh, planes, sample, split, part(progress, 0.5, 0.7))
    told = scores(sample, split, ours, random, settings.seed)
    bench = Bench.of(planes, sample, split, settings)
    heard, changes = listening(model.network, bench, ours, sample, split, part(progress, 0.7, 0.9))
    rows = np.flatnonzero(split.test)[: 64 if settings.quick else 512]
    seen = channels_of(model, sample.own[rows], sample.opp[rows])
    named = sought_by(seen, sample.concepts[rows], settings.seed)
    followed, over, run_of = settings.run or shipped(), {}, None
    if followed is not None:
        run_of = {"name": followed.name, "untrained": untrained(generations_of(followed)[0])}
        over = over_generations(followed, sample.own, sample.opp, sample.concepts, split)
    numbers = {
        "positions": len(sample.own),
        "games": int(sample.game.max()) + 1,
        "measured": int(split.test.sum()),
        "tried": len(told),
        "passed": {"count": len(passed(told, heard)), "names": passed(told, heard)},
        "beyond_noise": sum(
            abs(heard[n]["sizes_of_noise"]) >= LISTENS for n in passed(told, heard)
        ),
        "concepts": told,
        "effects": heard,
        "channels": {"ledger": seen.ledger(), "named": named},
        "run": run_of,
        "generations": over,
    }
    each = by_position(sample, split, ours, random), bench.changed(sample, changes)
    figures = (
        concept_figures.by_stage(told),
        concept_figures.effect_bars(heard),
        concept_figures.references(seen, named),
        *concept_figures.over_time(over, told),
    )
    shown = (concept_rows(told, heard), channel_table(named))
    return Findings(numbers, reading(numbers, told, heard), figures, shown, each)


def by_position(sample: Sample, split: Split, ours: Told, random: Told) -> PerPosition:
    """What is so on each measured position, and what probes tell: of the best stage, the input, a random network."""
    test = split.test
    values: dict[str, Array] = {"game": sample.game[test].astype(np.float64)}
    for k, concept in enumerate(CONCEPTS):
        values[concept.name] = sample.concepts[test, k]
        values[f"{concept.name} | best stage"] = ours.predictions[ours.best(k)][:, k]
        values[f"{concept.name} | planes"] = ours.predictions["planes"][:, k]
        values[f"{concept.name} | random network"] = random.predictions[random.best(k)][:, k]
    return PerPosition("told", sample.own[test], sample.opp[test], values)


def passed(told: dict[str, Any], heard: dict[str, Any]) -> list[str]:
    """The concepts that reach every bar, theory's sign among them."""
    learned = [name for name, found in told.items() if found["learned"]]
    return [n for n in learned if n in heard and heard[n]["listens"] and heard[n]["theory"]]


def reading(numbers: dict[str, Any], told: dict[str, Any], heard: dict[str, Any]) -> str:
    """What holds and what does not."""
    good = passed(told, heard)
    learned = [name for name, found in told.items() if found["learned"]]
    given = [name for name, found in told.items() if found["r2"]["planes"].mean >= 1 - OVER_PLANES]
    deaf = [name for name in learned if name not in good]
    hard = [name for name in good if abs(heard[name]["sizes_of_noise"]) >= LISTENS]
    ledger = numbers["channels"]["ledger"]
    return (
        f"{numbers['positions']} positions of {numbers['games']} games, {numbers['measured']} of them in games that "
        f"took no part in fitting or choosing. {len(good)} of {len(told)} concepts reach all three bars (R² "
        f"{OVER_PLANES:.2f} above a probe of the input planes, {OVER_RANDOM:.2f} above one of a network of the same "
        f"shape that learned nothing, and an effect on the value of {LISTENS:g} standard deviations of random "
        f"directions, with theory's sign): {', '.join(good) or 'none'}. {len(learned)} are told better than both "
        "baselines"
        + (
            f"; of these the value does not listen as theory says to {', '.join(deaf)}"
            if deaf
            else ""
        )
        + (
            f". {len(given)} cannot pass, because a linear map of the planes has them almost whole: {', '.join(given)}"
            if given
            else ""
        )
        + ". That a probe finds a concept does not say that the network thinks in it: it says that a linear map is "
        "enough from there on. A direction of activations is not a position either, and moved activations may be such "
        "as no board gives; random directions of the same length have the same fault, but they move what hardly ever "
        f"moves. Probes of {NOISE} labels that are noise move what does, and are the harder control: beyond "
        f"{LISTENS:g} standard deviations of theirs go {len(hard)} of the {len(good)}. By channels of the last block "
        f"the value of {ledger['positions']} positions is parts {number(ledger['parts'])} + biases above "
        f"{number(ledger['bias'])} + rest {number(ledger['rest'])} on average, and the sum misses it by "
        f"{ledger['difference']:.0e}." + grown(numbers, told)
    )


def concept_rows(told: dict[str, Any], heard: dict[str, Any]) -> Table:
    """Every concept, those that fail too."""
    good = passed(told, heard)
    grid = {}
    for name, found in told.items():
        effect = heard.get(name, {})
        theory = {1: "+", -1: "−", 0: "?"}[effect.get("theory", 0)]
        sizes = effect.get("sizes", float("nan"))
        grid[name] = {
            "stage": found["best"],
            "best": found["r2"][found["best"]],
            "planes": found["r2"]["planes"],
            "random": found["r2"]["random network"],
            "over_planes": found["over_planes"],
            "over_random": found["over_random"],
            "effect": effect.get("effect", Interval(np.nan, np.nan, np.nan, 0)),
            "sizes": f"{number(sizes)} ({theory})" if effect else "–",
            "noise": number(effect["sizes_of_noise"]) if effect else "–",
            "passes": "yes" if name in good else "no",
        }
    columns = {
        "stage": "stage",
        "best": "R² there",
        "planes": "planes",
        "random": "random network",
        "over_planes": "above planes",
        "over_random": "above random",
        "effect": "value logit, +1 sd",
        "sizes": "in sd of random directions (theory)",
        "noise": "in sd of probes of noise",
        "passes": "all bars",
    }
    return tables.table("Concepts on games held out, 95 % by game", grid, columns, "concept")


EXPERIMENT = Experiment(
    "concepts",
    15,
    "Concepts inside the network",
    "Which concepts of Othello its layers tell, beyond two baselines, and whether its value listens.",
    run,
    positions=(64, 512),
    games=True,
    of_run=generations_of,
    version=2,
)
