"""What benchmarks share: options by their defaults, rounds that take turns, medians; and that every benchmark loads."""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import benchmarks
from benchmarks.ablations import BASE, Study, _compared, elo_of
from benchmarks.harness import Watched, evaluations_per_second, interleaved, medians, options, show
from othello.search.disc_count import DiscCount

SHARED = ("harness", "ablation_report", "compatibility_models", "compatibility_oracles")
NAMES = sorted(path.stem for path in Path(benchmarks.__path__[0]).glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_loads(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert module.__doc__ and (name in SHARED or callable(module.main))


def test_an_option_is_of_its_defaults_type(monkeypatch: pytest.MonkeyPatch) -> None:
    line = [
        "NAME",
        "--rounds",
        "5",
        "--nets",
        "4x48",
        "6x64",
        "--share",
        "1",
        "--deep",
        "--file",
        "a.json",
    ]
    monkeypatch.setattr(sys, "argv", line)
    found = options(
        "Text.", rounds=3, nets=["1x8"], share=0.5, deep=False, file={"type": Path}, seed=7
    )
    assert vars(found) == {
        "rounds": 5,
        "nets": ["4x48", "6x64"],
        "share": 1.0,
        "deep": True,
        "file": Path("a.json"),
        "seed": 7,
        "json": False,
    }


def test_jobs_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    ticks = iter([0, 90, 0, 90, 0, 1, 0, 2, 0, 3, 0, 4, 0, 2, 0, 9])
    jobs = {name: lambda name=name: order.append(name) for name in "ab"}
    assert interleaved(jobs, 3, lambda: float(next(ticks))) == {"a": 2.0, "b": 4.0}
    assert order == list("abababab")
    assert medians([{"x": 1.0}, {"x": 5.0}, {"x": 2.0}]) == {"x": 2.0}


def test_figures_are_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"evaluations/s": 12345.6, "share": 0.125}
    show(figures, as_json=True)
    assert json.loads(capsys.readouterr().out) == figures
    show(figures, as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["evaluations/s", "12,346"],
        ["share", "0.125"],
    ]


def test_a_watched_evaluator_answers_as_it_does_and_counts() -> None:
    own, opp = np.array([[1 << 27, 1 << 28], [1 << 36, 1 << 35]], np.uint64)
    watched = Watched(DiscCount(8))
    for found, wanted in zip(watched(own, opp), DiscCount(8)(own, opp)):
        assert np.array_equal(found, wanted)
    assert watched.positions == 2 and watched.seconds >= 0
    assert evaluations_per_second(DiscCount(8), [(own, opp)] * 3) > 0


def test_an_arm_is_compared_by_its_runs_with_the_spread_of_all_arms() -> None:
    study = Study(Path("nowhere"), ["puct"], range(1, 3), 1.0, math.inf)
    rows = [[{"points": points, "games": 100}] * 2 for points in (60.0, 70.0)]
    even = [[{"points": points, "games": 100}] * 2 for points in (45.0, 55.0)]
    found = list(
        _compared(study, "raw policy", 0.5, {("search", "puct"): rows, ("search", BASE): even})
    )
    first, second = found
    assert first.runs == [elo_of(120, 200), elo_of(140, 200)] and first.elo == sum(first.runs) / 2
    assert (first.points, first.games, first.verdict) == (260.0, 400, "no difference shown")
    assert second.elo == pytest.approx(0, abs=1e-9)
    assert first.high - first.elo == pytest.approx(second.high - second.elo)
    assert first.games_low is not None and first.low < first.games_low < first.elo
