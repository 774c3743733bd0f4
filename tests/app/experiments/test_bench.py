"""The bench: each map is what `othello explain` prints, means and files agree, SRG tells true orders from false."""

from __future__ import annotations

import io
import json
import os
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli import run
from app.experiments.maps.bench import Method, alike, drawn, gains, over_a_set, self_played
from app.experiments.maps.map_clusters import map_clusters
from app.experiments.positions import BOARD_31
from app.explain.composites import BIAS_MEANINGS, composite_names
from app.explain.explanation import Explanation
from app.explain.targets import Target
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import parse_moves

MOVES = "f5d6c3d3c4f4f6g5e6d7"
TWO = [Method("EpsilonPlus", "sink"), Method("LRPZero", "project")]
SIZE = int(os.environ.get("OTHELLO_BENCH", "500"))


def printed(capsys: Any, *words: str) -> dict[str, Any]:
    """What a command writes as JSON."""
    assert run([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_each_method_says_of_a_position_what_explain_prints(capsys: Any, model: Any) -> None:
    found = printed(
        capsys, "bench", MOVES, "--composite", "EpsilonPlus", "--composite", "LRPZero",
        "--bias", "sink", "--bias", "project",
    )  # fmt: skip
    assert found["positions"] == 1 and found["methods"][0]["correlation"] == pytest.approx(1)
    pairs = [(row["composite"], row["bias"]) for row in found["methods"]]
    assert pairs == list(product(("EpsilonPlus", "LRPZero"), ("sink", "project")))
    for row in found["methods"]:
        method = ["--composite", row["composite"], "--bias", row["bias"]]
        one = printed(capsys, "explain", MOVES, *method)
        assert np.array(row["squares"]) == pytest.approx(np.array(one["squares"]), abs=1e-6)
        assert row["values"] == pytest.approx(one["target"], abs=1e-6)
        assert row["biases"] == pytest.approx(sum(one["bias"].values()), abs=1e-6)
        assert row["values_half"] is None


def test_a_file_gives_the_means_of_its_positions_and_the_maps_themselves(
    tmp_path: Path, capsys: Any, model: Any
) -> None:
    (tmp_path / "games.txt").write_text(f"{MOVES}\n", encoding="utf-8")
    file = tmp_path / "maps.npz"
    words = [str(tmp_path / "games.txt"), "--most", "6", "--target", "best", "--npz", str(file)]
    found = printed(capsys, "bench", *words)
    boards = drawn(list(Board.initial().replay(parse_moves(MOVES))), 6)
    with np.load(io.BytesIO(file.read_bytes())) as arrays:
        assert list(arrays["positions"]) == [str(board) for board in boards]
        assert arrays["maps"].shape == (1, 6, 8, 8)
        assert arrays["maps"].mean(1) == pytest.approx(arrays["mean"])
        assert arrays["mean"][0] == pytest.approx(np.array(found["methods"][0]["squares"]))
        target = Target("policy", model.ranked(boards[2])[0])
        one = printed(capsys, "explain", str(boards[2]), "--target", str(target))
        assert arrays["maps"][0, 2] == pytest.approx(np.array(one["squares"]), abs=1e-6)


def test_a_set_has_the_kinds_of_maps_that_are_in_it_and_says_so_everywhere(
    tmp_path: Path, capsys: Any
) -> None:
    random = np.random.default_rng(0)
    kinds = np.zeros((2, 8, 8))
    kinds[0, 0, :4], kinds[1, 3:5, 3:5] = 1, 1
    maps = kinds[[0] * 14 + [1] * 10] + 0.05 * random.standard_normal((24, 8, 8))
    found = map_clusters(maps)
    assert found is not None and found.sizes == [14, 10] and found.firm == 1
    assert found.typical[0] < 14 <= found.typical[1] and found.control < 0.5
    assert map_clusters(maps[:11]) is None

    file = tmp_path / "maps.npz"
    report = printed(capsys, "bench", "selfplay:14", "--npz", str(file))["methods"][0]["clusters"]
    with np.load(io.BytesIO(file.read_bytes())) as arrays:
        assert [one["positions"] for one in report["each"]] == np.bincount(
            arrays["clusters"][0]
        ).tolist()
        assert {one["typical"] for one in report["each"]} <= set(arrays["positions"])
    assert {"firm", "control"} < set(report)


def test_srg_is_high_for_the_effects_themselves_and_turns_round_with_the_map(model: Any) -> None:
    effects = np.zeros(64)
    letters = str(BOARD_31)
    whole, _ = model.evaluator(*_words(BOARD_31))[1], None
    for square in range(64):
        if letters[square] != "-":
            without = Board.parse(letters[:square] + "-" + letters[square + 1 :])
            effects[square] = float(whole[0] - model.evaluator(*_words(without))[1][0])
    map_ = effects.reshape(8, 8)
    found = gains(model, BOARD_31, Target("value"), [map_, -map_])
    assert found is not None
    assert found[0] > 0.1 and found[0] == pytest.approx(-found[1], abs=1e-9)
    assert gains(model, BOARD_31, Target("change", 3), [map_]) is None
    assert alike(map_, np.ones((8, 8))) is None


def _words(board: Board) -> tuple[Any, Any]:
    return np.array([board.own], np.uint64), np.array([board.opp], np.uint64)


def test_self_play_gives_so_many_different_positions_the_same_for_a_seed(model: Any) -> None:
    boards = self_played(model, 5, seed=3)
    assert len(set(boards)) == 5 == len(boards) and boards == self_played(model, 5, seed=3)


@pytest.mark.parametrize(
    "words",
    [
        ["bench", "selfplay:0"],
        ["bench", "selfplay:x"],
        ["bench", "start", "--target", "q:c4"],
        ["bench", "start", "--composite", "Nothing"],
        ["bench", "start", "--bias", "nothing"],
        ["bench", "no such file"],
    ],
)
def test_what_the_bench_does_not_take_is_exit_code_2(words: list[str], capsys: Any) -> None:
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and len(err.splitlines()) <= 2


def test_a_set_in_which_nobody_can_move_is_refused(model: Any) -> None:
    with pytest.raises(ParseError, match="none of 1 positions"):
        over_a_set(model, [Board.parse("X" * 64 + " X")], "value", TWO)


@pytest.mark.long
def test_a_matrix_takes_less_than_a_second_and_a_set_of_500_less_than_a_minute(model: Any) -> None:
    methods = [Method(*pair) for pair in product(composite_names()[:8], BIAS_MEANINGS)]
    spent = []
    for _ in range(3):  # the first compiles
        began = time.process_time()
        found = [_explained(model, method) for method in methods]
        spent.append(time.process_time() - began)
    boards = self_played(model, SIZE)
    began = time.process_time()
    run_ = over_a_set(model, boards, "value", TWO[:1])
    of_set = time.process_time() - began
    print(
        f"{len(found)} cells: {spent} s; {len(run_.boards)} positions: {of_set:.1f} s of processor time"
    )
    assert min(spent) < 1 and of_set < 60 * SIZE / 500


def _explained(model: Any, method: Method) -> Explanation:
    from app.explain.ask import explain

    return explain(model, BOARD_31, "value", composite=method.composite, bias=method.bias)
