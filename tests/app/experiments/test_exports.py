"""Every experiment on more than one position writes what it measured on each; its published means follow from that."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.experiments.catalogue import experiment, experiments
from app.experiments.results import stored
from app.experiments.studies.inside.concept_values import CONCEPTS
from othello.rules.board import Board

Values = dict[str, NDArray[np.float64]]
DOCS = Path(__file__).parents[3] / "docs" / "experiments"


def mean(column: str) -> Callable[[Values], float]:
    return lambda values: float(np.nanmean(values[column]))


def over(some: str, whole: str) -> Callable[[Values], float]:
    return lambda values: float(values[some].sum() / values[whole].sum())


def told(concept: str, by: str) -> Callable[[Values], float]:
    """The share of a concept's variance that a probe tells."""

    def found(values: Values) -> float:
        wanted, guess = values[concept], values[f"{concept} | {by}"]
        left = float(((wanted - guess) ** 2).sum())
        return 1 - left / max(float(((wanted - wanted.mean()) ** 2).sum()), 1e-12)

    return found


def by_game(column: str) -> Callable[[Values], float]:
    def found(values: Values) -> float:
        game = values["game"]
        return float(np.mean([values[column][game == each].mean() for each in np.unique(game)]))

    return found


FIRST = CONCEPTS[0].name
SRG = "empty | value"
PUBLISHED: dict[str, list[tuple[str, Callable[[Values], float], str]]] = {
    "exploration": [
        ("openings", mean("black narrow | 60"), "lead/black_narrow/-1/mean"),
        ("openings", mean("black wide | 30"), "lead/black_wide/24/mean"),
        ("openings", mean("wide searcher's score"), "explorer_score/mean"),
    ],
    "heads": [("positions", mean("value and policy"), "square_maps/mean")],
    "search": [("trees", mean("cosine_with_value_map"), "trees/cosine_with_value_map/mean")],
    "rules": [("positions", mean("z⁺ / z⁺ | value"), "srg/z⁺ \\ z⁺/0/mean")],
    "digits": [
        ("pictures", mean("MLP | LRP-0"), "networks/MLP/srg/LRP-0/mean"),
        ("pictures", mean("VGG-like | right"), "networks/VGG-like/accuracy/mean"),
    ],
    "lstm": [
        (
            "sequences",
            mean("half and half | correlation"),
            "methods/half and half/correlation/mean",
        ),
        ("sequences", lambda at: math.sqrt(float((at["error"] ** 2).mean())), "rms_error"),
    ],
    "faithfulness": [
        ("positions", mean(f"EpsilonPlus | {SRG}"), "srg/EpsilonPlus/empty/value/mean")
    ],
    "ground-truth": [
        (
            "positions",
            mean("EpsilonPlus | flipped | mass"),
            "by_rule/methods/EpsilonPlus/flipped/mass/mean",
        )
    ],
    "because": [("sentences", over("confirmed", "reasons"), "sentences/confirmed/mean")],
    "clusters": [
        (
            "positions",
            lambda at: float(np.tanh(at["value"][at["cluster"] == 0]).mean()),
            "clusters/0/value",
        )
    ],
    "concepts": [
        ("told", told(FIRST, "planes"), f"concepts/{FIRST}/r2/planes/mean"),
        ("told", told(FIRST, "random network"), f"concepts/{FIRST}/r2/random network/mean"),
        ("effects", by_game(FIRST), f"effects/{FIRST}/effect/mean"),
    ],
    "twin": [
        ("positions", mean("LRPZero | cosine"), "composites/LRPZero/cosine/mean"),
        ("positions", mean("value_error"), "likeness/value_error/mean"),
        ("positions", mean("same_move"), "likeness/same_move/mean"),
    ],
}


def at_path(numbers: Any, path: str) -> float:
    for step in path.split("/"):
        numbers = numbers[int(step) if isinstance(numbers, list) else step.replace(" \\ ", " / ")]
    return float("nan") if numbers is None else float(numbers)


def check_exports(record: dict[str, Any], folder: Path) -> None:
    """The files of every unit are there, hold the same, and give the published means."""
    each = {file.removeprefix(f"{record['name']}-"): file for file in record["each"]}
    assert set(each) >= {file for file, _, _ in PUBLISHED[record["name"]]}
    found: dict[str, Values] = {}
    for name, file in each.items():
        with np.load(folder / f"{file}.npz") as arrays:
            columns, values = arrays["columns"].tolist(), arrays["values"].astype(np.float64)
            if "positions" in arrays:
                units = arrays["positions"].tolist()
                assert all(Board.parse(unit).size == 8 for unit in units)
            else:
                units = [str(unit) for unit in range(len(arrays["inputs"]))]
        found[name] = dict(zip(columns, values.T))
        with (folder / f"{file}.csv").open(newline="", encoding="utf-8") as text:
            header, *rows = csv.reader(text)
        assert header[1:] == columns
        assert [row[0] for row in rows] == units
        written = np.array([row[1:] for row in rows], np.float64)
        np.testing.assert_allclose(written, values, rtol=1e-4, atol=1e-12)
    for file, again, path in PUBLISHED[record["name"]]:
        published = at_path(record["numbers"], path)
        assert again(found[file]) == pytest.approx(published, rel=1e-3, abs=1e-5, nan_ok=True), path


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_shipped_values_give_the_shipped_means(name: str) -> None:
    record = stored(DOCS, name)
    assert record is not None
    check_exports(json.loads(json.dumps(record)), DOCS)


def test_every_experiment_on_more_than_one_position_is_listed() -> None:
    assert {name for name in experiments() if experiment(name).positions != (1, 1)} == {*PUBLISHED}
