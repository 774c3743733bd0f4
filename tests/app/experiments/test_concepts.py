"""Concepts: counts against slow twins, probes against closed forms, a network that knows and one that does not."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from app.cli import run as command
from app.experiments.statistics import Interval
from app.experiments.studies.inside import concept_figures
from app.experiments.studies.inside.channels import channels_of
from app.experiments.studies.inside.concept_values import CONCEPTS, concept_table
from app.experiments.studies.inside.generations import generations_of, shipped, untrained
from app.experiments.studies.inside.over_generations import grown, over_generations
from app.experiments.studies.inside.probes import (
    PENALTIES,
    Split,
    by_game,
    effects,
    fit,
    interval,
    r_squared,
    random_network,
    rest,
    stages,
)
from app.explain.reasons.facts import facts_of, seen_by_other
from app.models import Model, encode_words
from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.architecture import Architecture, Network
from othello.rules.board import Board, squares_of

NAMES = [concept.name for concept in CONCEPTS]


def boards(count: int, seed: int) -> list[Board]:
    """Positions of random games, black to move, with a move."""
    source, found = random.Random(seed), []
    while len(found) < count:
        board = Board.initial()
        for _ in range(source.randrange(6, 54)):
            if board.is_over:
                break
            board = board.play(source.choice(board.legal_actions()))
        if board.legal_moves():
            found.append(Board(board.own, board.opp, "X", 8))
    return found


def words(some: list[Board]) -> tuple[np.ndarray, np.ndarray]:
    return (np.array([getattr(b, name) for b in some], np.uint64) for name in ("own", "opp"))  # type: ignore[return-value]


def test_concepts_agree_with_the_facts_of_moves_and_with_playing_them() -> None:
    some = boards(60, 1)
    table = concept_table(*words(some))
    for row, board in zip(table, some):
        told = dict(zip(NAMES, row))
        other = seen_by_other(board)
        legal = board.legal_moves()
        facts = {move: facts_of(board, move) for move in legal}
        assert told["own moves"] == len(legal)
        assert told["opponent's moves"] == len(other.legal_moves())
        assert told["own wedges"] == sum(found["wedge"].value or 0 for found in facts.values())
        assert told["fewest replies left"] == min(f["mobility"].value or 0 for f in facts.values())
        replies = [set(board.play(move).legal_moves()) for move in legal]
        giving = sum(bool(reply & {0, 7, 56, 63}) for reply in replies)
        assert told["moves that give a corner"] == giving
        assert told["own safe moves"] == len(legal) - giving
        assert told["disc difference"] == len(squares_of(board.own, 8)) - len(
            squares_of(board.opp, 8)
        )


def test_what_the_opponent_has_is_what_the_side_to_move_has_with_discs_swapped() -> None:
    own, opp = words(boards(40, 2))
    here, there = concept_table(own, opp), concept_table(opp, own)
    for name in NAMES:
        if name.startswith("own ") and (twin := name.replace("own", "opponent's", 1)) in NAMES:
            left, right = NAMES.index(name), NAMES.index(twin)
            np.testing.assert_array_equal(here[:, left], there[:, right])
            theories = CONCEPTS[left].theory, CONCEPTS[right].theory
            assert theories[0] == -theories[1] != 0


def test_odd_regions_and_quiet_moves_against_slow_twins() -> None:
    for board in boards(25, 3):
        told = dict(zip(NAMES, concept_table(*words([board]))[0]))
        empty = set(range(64)) - set(squares_of(board.black | board.white, 8))
        regions = []
        while empty:
            region = {empty.pop()}
            while more := {e for e in empty if any(near(e, r) for r in region)}:
                region |= more
                empty -= more
            regions.append(len(region))
        assert told["odd regions"] == sum(size % 2 for size in regions)
        quiet = 0
        for move in board.legal_moves():
            after = board.play(move)
            turned = [s for s in squares_of(after.black, 8) if board.opp >> s & 1]
            left = set(range(64)) - set(squares_of(after.black | after.white, 8))
            quiet += not any(near(disc, e) for disc in turned for e in left)
        assert told["own quiet moves"] == quiet


def near(a: int, b: int) -> bool:
    return max(abs(a // 8 - b // 8), abs(a % 8 - b % 8)) == 1


def test_a_probe_finds_a_linear_concept_and_no_noise() -> None:
    source = np.random.default_rng(0)
    features = source.standard_normal((600, 20)).astype(np.float32)
    concepts = np.stack([features[:, :3] @ [1.0, -2.0, 0.5] + 4, source.standard_normal(600)], 1)
    game = np.repeat(np.arange(60), 10)
    split = Split.by_game(game, 0)
    assert not (split.fit & split.choose).any() and (split.fit | split.choose | split.test).all()
    for left, right in pairwise([split.fit, split.choose, split.test]):
        assert not set(game[left]) & set(game[right])
    probe = fit(features, concepts, split)
    told = r_squared(concepts[split.test], probe.predict(features[split.test]))
    assert told[0] > 0.999 and told[1] < 0.1
    assert probe.penalty[0] == min(PENALTIES) and probe.penalty[1] > probe.penalty[0]


@pytest.mark.parametrize("rows", [30, 300])
def test_both_normal_equations_give_the_same_weights(rows: int) -> None:
    source = np.random.default_rng(1)
    features = source.standard_normal((rows, 60)).astype(np.float32)
    concepts = source.standard_normal((rows, 2))
    everything = np.ones(rows, bool)
    probe = fit(features, concepts, Split(everything, everything, everything))
    x, y = features - features.mean(0), concepts - concepts.mean(0)
    for k in range(2):
        penalty = probe.penalty[k] * (x * x).sum() / rows
        slow = np.linalg.lstsq(
            np.vstack([x, np.sqrt(penalty) * np.eye(60)]), np.append(y[:, k], np.zeros(60))
        )[0]
        np.testing.assert_allclose(probe.weights[:, k], slow, atol=1e-6)


def test_r_squared_by_game_begins_with_the_whole_and_pairs_its_rows() -> None:
    source = np.random.default_rng(2)
    wanted, game = source.standard_normal(200), np.repeat(np.arange(20), 10)
    told = {"good": wanted + 0.1, "bad": source.standard_normal(200), "same": wanted + 0.1}
    drawn = by_game(wanted, told, game, 0)
    slow = r_squared(wanted[:, None], told["bad"][:, None])[0]
    assert drawn["bad"][0] == pytest.approx(slow)
    np.testing.assert_array_equal(drawn["good"], drawn["same"])
    found = interval(drawn["good"] - drawn["bad"], 20)
    assert found.low < found.mean < found.high and found.count == 20


def test_moving_a_stage_changes_the_value_as_the_network_says(model: Model) -> None:
    planes = encode_words(model, *words(boards(6, 4)))
    with torch.no_grad():
        value = torch.atanh(model.network(planes)[1].double())
    for stage, x in stages(model.network, planes):
        if stage != "planes":
            follow = rest(model.network, stage)
            torch.testing.assert_close(follow(x).detach().double(), value, atol=1e-4, rtol=1e-4)
            still = effects(follow, x, np.zeros((1, x[0].numel())))
            assert np.abs(still).max() == 0


def test_a_random_network_has_the_shape_and_not_the_weights(model: Model) -> None:
    planes = encode_words(model, *words(boards(40, 5)))
    fresh = random_network(model.network, planes, 0)
    assert fresh.architecture == model.network.architecture and not fresh.training
    *_, (_, top) = stages(fresh, planes)
    *_, (_, stem) = [pair for pair in stages(fresh, planes) if pair[0] == "stem"]
    assert not torch.allclose(top, stem), "its blocks do something"
    again = random_network(model.network, planes, 0)
    assert all(map(torch.equal, fresh.state_dict().values(), again.state_dict().values()))


def test_channels_and_the_rest_are_the_value(model: Model) -> None:
    found = channels_of(model, *words(boards(40, 6)))
    ledger = found.ledger()
    assert ledger["difference"] <= 1e-6 * max(1.0, abs(ledger["value"]))
    np.testing.assert_allclose(
        found.each.sum(0), found.found.relevance.numpy(), rtol=1e-4, atol=1e-5
    )
    channel = found.heaviest()[0]
    rows = found.references(channel)
    sign = np.sign(found.each[:, channel].sum())
    assert (sign * found.each[rows[0], channel]) == (sign * found.each[:, channel]).max()


def test_curves_over_a_run_and_a_run_without_generations(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "a-run"
    small = Architecture(blocks=1, channels=8)
    for number in range(3):
        torch.manual_seed(number)
        checkpoint.save(Network(small).eval(), folder / "generations" / f"{number:04d}")
    own, opp = words(boards(30, 7))
    concepts = concept_table(own, opp)
    split = Split.by_game(np.repeat(np.arange(10), 3), 0)
    found = over_generations(folder, own, opp, concepts, split)
    assert list(found) == ["0000", "0001", "0002"]
    assert all(set(one) == set(NAMES) for one in found.values())
    told = {name: {"r2": {"planes": Interval(0.5, 0.4, 0.6, 10)}} for name in NAMES}
    (drawn,) = concept_figures.over_time(found, told)
    text = grown({"generations": found, "run": {"name": "a-run", "untrained": True}}, told)
    assert "3 generations of the run a-run, 0 to 2" in text and "has seen no game" in text
    assert grown({"generations": {}}, told) == "" and concept_figures.over_time({}, told) == ()
    assert drawn.name == "generations" and "R²" in drawn.alt
    with pytest.raises(CheckpointError, match="no generations"):
        generations_of(tmp_path / "nothing")
    asked = ["experiments", "concepts", "--quick", "--out", str(tmp_path / "out")]
    assert command([*asked, "--run", str(tmp_path)]) == 2
    assert command(["experiments", "prior", "--run", str(folder)]) == 2


def test_the_shipped_run_has_ten_generations_of_the_agents_shape_that_verify(model: Model) -> None:
    folder = shipped()
    assert folder is not None
    generations = generations_of(folder)
    assert len(generations) >= 10 and untrained(generations[0]) and not untrained(generations[-1])
    for generation in generations:
        told = checkpoint.verify(generation)
        assert told["weights"]["precision"] == "float16"
        assert told["architecture"] == model.network.architecture.to_dict()
    shelf = sum(file.stat().st_size for file in folder.parent.rglob("*") if file.is_file())
    assert shelf <= 40e6


def test_a_long_run_is_looked_at_in_sixteen_places(tmp_path: Path) -> None:
    for number in range(40):
        folder = tmp_path / "generations" / f"{number:04d}"
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text("{}")
    names = [folder.name for folder in generations_of(tmp_path)]
    assert len(names) == 16 and (names[0], names[-1]) == ("0000", "0039")
