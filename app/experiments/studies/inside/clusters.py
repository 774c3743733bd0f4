"""Clusters of explanations: which kinds of maps the agent's value has, and whether they would expose a cheat.

SpRAy (Lapuschkin et al. 2019) on the value's maps of thousands of positions, up to the board's symmetries.  Whether
clusters find what they should is asked of a planted Clever Hans: a network whose lessons gave the winner away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots, tables
from app.experiments.attributions import batches, summed
from app.experiments.maps.spectral import (
    DRAWS,
    Clustering,
    agreement,
    clusters,
    distances,
    prototypes,
    without_order,
)
from app.experiments.positions import Games, Words, board_of, self_play, several_a_game
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
from app.experiments.statistics import Array, Interval, area_under_roc, number
from app.experiments.studies.inside.plant import (
    SQUARE,
    Exposed,
    exposed,
    planted,
    taught,
    without_square,
)
from app.experiments.studies.inside.virelay import export
from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE, explainer_of
from app.explain.network import VALUE
from app.explain.reasons.facts import region_kind
from app.models import encode_words
from othello.rules.notation import square_name

if TYPE_CHECKING:
    from app.models import Model

EMPTIES: Final = (8, 52)
FIRM: Final = 0.6  # the adjusted Rand index from which on clusters deserve names
REGIONS: Final = ("corner", "X", "C", "edge", "inside")
SHOWN: Final = 4  # prototypes of a cluster


@dataclass(frozen=True)
class Explained:
    """Positions of whole games, words [P], with the value [P] and its map [P, 8, 8]."""

    own: Words
    opp: Words
    game: NDArray[np.int64]
    value: Array
    maps: Array


def explained(model: Model, games: Games, settings: Settings, tell: Progress) -> Explained:
    """The value's maps by the app's default composite."""
    each = 3 if settings.quick else 6
    own, opp, game = several_a_game(games, settings, each, EMPTIES)
    explainer = explainer_of(model, DEFAULT_COMPOSITE, DEFAULT_BIAS)
    maps, values = [], []
    for rows in batches(len(own)):
        tell(rows.start / len(own), f"maps from {rows.start}")
        found = explainer.attribute(encode_words(model, own[rows], opp[rows]), None, output=VALUE)
        maps.append(summed(found).reshape(-1, 8, 8))
        values.append(found.target.double().numpy())
    return Explained(own, opp, game, np.concatenate(values), np.concatenate(maps))


def told_by(labels: NDArray[np.int64], values: Array) -> float:
    """The share of the variance of values [P] that lies between clusters."""
    spread = float(((values - values.mean()) ** 2).sum())
    means = np.array([values[labels == k].mean() for k in range(int(labels.max()) + 1)])
    return float(((means[labels] - values.mean()) ** 2).sum() / max(spread, 1e-12))


def described(all_: Explained, found: Clustering) -> list[dict[str, Any]]:
    """Of each cluster its size, its positions on average, and where its relevance lies."""
    kinds = np.array([region_kind(square, 8) for square in range(64)])
    size = np.abs(all_.maps).reshape(-1, 64)
    share = size / np.maximum(size.sum(1, keepdims=True), 1e-12)
    empties = 64 - np.bitwise_count(all_.own | all_.opp).astype(float)
    rows = []
    for k in range(found.count):
        here = found.labels == k
        regions = {name: float(share[here][:, kinds == name].sum(1).mean()) for name in REGIONS}
        rows.append(
            {
                "positions": int(here.sum()),
                "empties": float(empties[here].mean()),
                "value": float(np.tanh(all_.value[here]).mean()),
                "sum": float(all_.maps[here].sum((1, 2)).mean()),
                "regions": regions,
            }
        )
    return rows


def cheat(
    model: Model, games: Games, settings: Settings, tell: Progress
) -> tuple[dict[str, Any], Exposed]:
    """The planted network and its control: areas with intervals over positions, and the planted one's clusters."""
    many = Settings(settings.games, settings.seed, settings.quick, settings.games)
    own, opp, game = several_a_game(games, many, 24, (14, 54))
    fits = without_square(own, opp)
    own, opp, held = own[fits], opp[fits], game[fits] % 4 == 0
    numbers: dict[str, Any] = {}
    shown = None
    for place, name in enumerate(("planted", "control")):
        tell(place / 2, f"{name} network")
        boards = planted(model, own, opp, name == "control", settings.seed)
        network = taught(boards.part(~held), 120 if settings.quick else 300, settings.seed)
        most = 200 if settings.quick else 1500
        found = exposed(network, boards.part(held), most, settings.seed)
        shown = found if shown is None else shown
        numbers[name] = {
            "area": _area(found, settings.seed),
            "accuracy": found.accuracy,
            "positions": len(found.boards.marked),
            "marked": int(found.boards.marked.sum()),
            "clusters": found.found.count,
            "suspicion": found.suspicion,
        }
    assert shown is not None
    return numbers, shown


def _area(found: Exposed, seed: int) -> Interval:
    scores, marked = found.suspicion[found.found.labels], found.boards.marked
    random = np.random.default_rng((seed, 43))
    draws = random.integers(0, len(marked), (500, len(marked)))
    drawn = [area_under_roc(scores[rows], marked[rows]) for rows in draws]
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return Interval(found.area, float(low), float(high), len(marked))


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """The agent's clusters, how firm they are, and the planted network's."""
    games = self_play(model, settings, part(progress, 0.0, 0.3))
    all_ = explained(model, games, settings, part(progress, 0.3, 0.5))
    progress(0.5, "clusters")
    distance = distances(all_.maps, symmetric=True)
    found = clusters(distance, settings.seed)
    firm = agreement(distance, found, all_.game, settings.seed)
    progress(0.7, "the control's clusters")
    mixed = distances(without_order(all_.maps, settings.seed), symmetric=True)
    noise = clusters(mixed, settings.seed, found.count)
    loose = agreement(mixed, noise, all_.game, settings.seed)
    hans, shown = cheat(model, games, settings, part(progress, 0.85, 1.0))
    empties = 64 - np.bitwise_count(all_.own | all_.opp).astype(float)
    numbers = {
        "positions": len(all_.own),
        "games": int(all_.game.max()) + 1,
        "clusters": described(all_, found),
        "eigenvalues": found.eigenvalues,
        "agreement": {"mean": float(np.mean(firm)), "each": firm},
        "agreement_of_noise": {"mean": float(np.mean(loose)), "each": loose},
        "told": {
            "value": told_by(found.labels, all_.value),
            "empties": told_by(found.labels, empties),
        },
        "clever_hans": hans,
    }
    figures = (
        prototype_figure(all_, distance, found),
        eigenvalue_figure(found, noise),
        hans_figure(shown),
    )
    columns = {"cluster": found.labels.astype(float), "value": all_.value}
    vectors = {f"vector {d}": found.vectors[:, d] for d in range(1, min(4, found.vectors.shape[1]))}
    each = PerPosition("positions", all_.own, all_.opp, columns | vectors, all_.maps)
    shown_tables = (cluster_table(numbers), hans_table(hans))
    return Findings(numbers, reading(numbers), figures, shown_tables, (each,))


def reading(numbers: dict[str, Any]) -> str:
    """What the clusters are, how firm, and whether they would find a cheat."""
    hans, told = numbers["clever_hans"], numbers["told"]
    firm, loose = numbers["agreement"]["mean"], numbers["agreement_of_noise"]["mean"]
    verdict = "they are firm" if firm >= FIRM else "they are not firm enough to name"
    if loose >= FIRM:
        verdict += (
            ", and nearly so are the control's (firmness alone does not show that places matter)"
        )
    return (
        f"The value's maps of {numbers['positions']} positions ({numbers['games']} games) fall into "
        f"{len(numbers['clusters'])} clusters by the largest gap between eigenvalues, boards turned to where they are "
        f"alike. Clustered anew from four fifths of the games they agree with an adjusted Rand index of {number(firm)} "
        f"on average over {DRAWS} draws, maps whose squares are put in an order of their own with {number(loose)} "
        f"(they keep how much speaks for and against, and how evenly): {verdict}. Between clusters lies "
        f"{number(told['value'])} of the variance of the value and "
        f"{number(told['empties'])} of that of the number of empty squares, so "
        + ("they mostly" if told["value"] > 0.5 else "they only partly")
        + " say how well the side to move stands. The planted network learned from boards on which a disc on "
        f"{square_name(SQUARE, 8)} marked {hans['planted']['marked']} of {hans['planted']['positions']} positions held "
        "for won: the cluster whose maps are most concentrated on one square, found without being told which, has "
        f"them with an area under the ROC curve of {hans['planted']['area']}. The control, with as many marks that "
        f"mean nothing, has {hans['control']['area']}, where 0.5 is chance. The planted one tells "
        f"{100 * hans['planted']['accuracy']:.0f} % of winners on boards held out, the control "
        f"{100 * hans['control']['accuracy']:.0f} %: accuracy alone would prefer the cheat."
    )


def cluster_table(numbers: dict[str, Any]) -> Table:
    """One row a cluster."""
    grid = {}
    for place, found in enumerate(numbers["clusters"], 1):
        cells = {"n": str(found["positions"])}
        cells |= {name: number(found[name]) for name in ("empties", "value", "sum")}
        grid[str(place)] = cells | {name: number(found["regions"][name]) for name in REGIONS}
    headings = {"n": "positions", "empties": "empty squares", "value": "value", "sum": "map's sum"}
    headings |= {name: f"|R| on {name}" for name in REGIONS}
    return tables.table("Clusters of the value's maps: means", grid, headings, "cluster")


def hans_table(hans: dict[str, Any]) -> Table:
    """The planted network beside its control."""
    grid = {
        name: {
            "area": found["area"],
            "marked": f"{found['marked']} of {found['positions']}",
            "clusters": str(found["clusters"]),
            "accuracy": number(found["accuracy"]),
        }
        for name, found in hans.items()
    }
    columns = {
        "area": "area for the mark",
        "marked": "marked",
        "clusters": "clusters",
        "accuracy": "accuracy",
    }
    title = "A planted Clever Hans: does the most concentrated cluster hold the marked positions?"
    return tables.table(title, grid, columns, "network")


def prototype_figure(all_: Explained, distance: Array, found: Clustering) -> Figure:
    """Each cluster's most typical positions with their maps."""
    canvas, axes = plots.canvas(SHOWN, found.count, width=2.6, height=3.1)
    words = []
    for cluster in range(found.count):
        for place, row in enumerate(prototypes(distance, found, cluster, SHOWN)):
            cell = axes[cluster * SHOWN + place]
            title = f"cluster {cluster + 1}: {number(float(all_.value[row]))}"
            board = board_of(all_.own[row], all_.opp[row])
            plots.board_map(cell, board, all_.maps[row], title)
            if place == 0:
                words.append(alt.of_map(all_.maps[row], f"cluster {cluster + 1}'s prototype", 3))
    for cell in axes:
        cell.set_visible(cell.has_data())
    caption = (
        "Prototypes: the positions nearest to all others of their cluster, with the value before its tanh. The side "
        "to move is black."
    )
    return Figure("", caption, canvas, alt.sentence(*words))


def eigenvalue_figure(found: Clustering, noise: Clustering) -> Figure:
    """The smallest eigenvalues, of the maps and of the control."""
    canvas, (axes,) = plots.canvas(1, width=5.2, height=3.2)
    x = np.arange(1, len(found.eigenvalues) + 1)
    words = []
    for label, each, colour in (
        ("maps", found, plots.COLOURS[0]),
        ("squares in an order of their own", noise, "#888888"),
    ):
        axes.plot(x, each.eigenvalues, "o-", color=colour, markersize=4, label=label)
        words.append(alt.of_curve(x.tolist(), each.eigenvalues.tolist(), label))
    axes.axvline(found.count + 0.5, color=plots.INK, linewidth=0.8, linestyle=(0, (4, 3)))
    plots.lines(axes, "Smallest eigenvalues of the Laplacian", "number", "eigenvalue")
    caption = f"The largest gap lies after eigenvalue {found.count} (dashed), so there are as many clusters."
    return Figure("eigenvalues", caption, canvas, alt.sentence(*words))


def hans_figure(shown: Exposed) -> Figure:
    """Mean maps of the planted network's clusters."""
    canvas, axes = plots.canvas(max(2, shown.found.count), width=2.6, height=2.9)
    words = []
    for cluster in range(shown.found.count):
        here = shown.found.labels == cluster
        mean = shown.maps[here].mean(0)
        share = float(shown.boards.marked[here].mean())
        title = f"cluster {cluster + 1}: {100 * share:.0f} % marked"
        plots.board_map(axes[cluster], None, mean, title, marked=(SQUARE,))
        words.append(alt.of_map(mean, f"cluster {cluster + 1}, {100 * share:.0f} % marked", 2))
    caption = "The planted network's clusters: their mean maps; the planted square is outlined and was not given away."
    return Figure("hans", caption, canvas, alt.sentence(*words))


EXPERIMENT = Experiment(
    "clusters",
    16,
    "Clusters of explanations",
    "Which kinds of value maps there are, and whether clusters expose a network that learned to cheat.",
    run,
    positions=(64, 512),
    games=True,
    version=2,
    export=export,
)
