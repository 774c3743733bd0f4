"""The experiments: identities that hold by mathematics, measures against slow twins, results that repeat."""

from __future__ import annotations

import copy
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.experiments import corruption, plots, rules_truth, runner, statistics
from app.experiments.attributions import TARGETS, readings, relevance_maps
from app.experiments.catalogue import experiments
from app.experiments.positions import BOARD_31, best_two, board_of, legal_table, states_of, words_of
from app.experiments.record import Settings, silent
from app.experiments.studies import prior
from app.experiments.studies.empty_board import identity, spread
from app.experiments.studies.ground_truth import owner_matters
from app.explain.composites import explainer_of
from app.explain.exploration_bonus import explain_bonus, prior_gains
from app.explain.network import VALUE
from app.explain.search import explain_tree
from app.explain.targets import Target
from app.models import Model
from lrp import LRP
from lrp.composites import ArchitecturePrior
from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork
from othello.network.architecture import Architecture, Network
from othello.rules.board import Board
from othello.search.search import Search
from othello.solver.solver import Solver
from tests.app.experiments.test_exports import PUBLISHED, check_exports

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENDGAME = "XXXXXXX-XXOOOOO-XXXOOXOOXXOXXOOOXXOOXOOOXOXXOXOOXXOOOOO--XXXXXO- X"


def words(*boards: Board) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Words [P] of some boards."""
    return np.array([b.own for b in boards], np.uint64), np.array(
        [b.opp for b in boards], np.uint64
    )


def random_boards(count: int, seed: int = 3) -> list[Board]:
    """Positions of random games with at least two moves."""
    random, found = np.random.default_rng(seed), []
    while len(found) < count:
        board = Board.initial()
        for _ in range(int(random.integers(4, 50))):
            if board.is_over:
                break
            board = board.play(int(random.choice(board.legal_actions())))
        if len(board.legal_moves()) > 1:
            found.append(board_of(board.own, board.opp))
    return found


def network_of(kind: str, seed: int = 5) -> torch.nn.Module:
    """A small untrained network whose every layer does something."""
    torch.manual_seed(seed)
    network: torch.nn.Module = (
        Network(
            Architecture(blocks=2, channels=6, policy_channels=3, value_channels=2, value_hidden=8)
        )
        if kind == "ours"
        else AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(8, 5, 12, 9))
    )
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            tensor.copy_(torch.randn_like(tensor) * 0.3 + ("norm" in name or "bn" in name) * 0.7)
    return network.eval()


def loaded(kind: str) -> Model:
    """The small network as the app holds one."""
    return Model(Path("small"), "0" * 64, {}, network_of(kind))


@pytest.mark.parametrize("kind", ["ours", "alpha-zero-general"])
def test_the_flat_map_of_the_empty_board_is_the_first_layers_bias_spread_by_the_flat_rule(
    kind: str,
) -> None:
    found = identity(loaded(kind))
    assert np.abs(found["map"]).max() > 1e-6
    assert found["difference"] <= 1e-10 * max(1.0, abs(found["target"]))
    assert found["input_relevance_without_flat"] == 0


def test_the_identity_holds_on_the_shipped_network(model: Model) -> None:
    found = identity(model)
    assert found["difference"] <= 1e-10 and found["difference"] <= 1e-8 * np.abs(found["map"]).max()


@given(st.integers(0, 2**32 - 1))
def test_spreading_keeps_the_sum(seed: int) -> None:
    bias = np.random.default_rng(seed).standard_normal((3, 8, 8))
    assert spread(bias).sum() == pytest.approx(bias.sum(), abs=1e-12)


@pytest.mark.parametrize("kind", ["ours", "alpha-zero-general"])
def test_the_architecture_prior_needs_no_weight_and_no_board(kind: str) -> None:
    network = copy.deepcopy(network_of(kind)).double()
    planes = torch.randn(2, 4 if kind == "ours" else 1, 8, 8).double()
    relevance = LRP(network, ArchitecturePrior(), planes).attribute(planes, None, output=VALUE)
    expected = prior.residual_prior(2) if kind == "ours" else prior.plain_prior()
    for maps, target in zip(relevance.inputs[0].sum(1), relevance.target):
        np.testing.assert_allclose((maps / target).numpy(), expected, rtol=0, atol=1e-12)
    assert expected.sum() == pytest.approx(1, abs=1e-12)


def test_the_prior_of_the_posts_network_has_the_published_shape() -> None:
    found = prior.landmarks(prior.plain_prior())
    assert (round(found["corner"], 3), round(found["edge"], 3), found["centre"]) == (
        0.080,
        0.283,
        1.0,
    )


def test_the_ledger_of_q_closes_for_trees_of_800_simulations(model: Model) -> None:
    for board in [BOARD_31, *random_boards(1)]:
        search = Search(model.evaluator, seed=0)
        moves = [move.square for move in search.run(board, simulations=800).moves if move.visits][
            :2
        ]
        for target in (Target("q", moves[0]), Target("q", *moves)):
            found = explain_tree(
                model, board, target, search.tree(), composite="EpsilonPlus", bias="sink"
            )
            assert abs(found.closure) <= 1e-4 * max(found.size, 1e-3)


def test_a_tree_is_explained_in_batches_of_64(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Search(model.evaluator, seed=0)
    result = search.run(Board.initial().play("f5"), simulations=1300)
    sizes: list[int] = []
    explainer = explainer_of(model, "EpsilonPlus", "sink")

    class Counting:
        def attribute(self, planes: Any, *arguments: Any, **options: Any) -> Any:
            sizes.append(len(planes))
            return explainer.attribute(planes, *arguments, **options)

    monkeypatch.setitem(model._made, ("EpsilonPlus", "sink"), Counting())
    target = Target("q", result.moves[0].square)
    found = explain_tree(
        model, result.board, target, search.tree(), composite="EpsilonPlus", bias="sink"
    )
    assert found.leaves >= 400 and sum(sizes) <= found.leaves
    assert len(sizes) <= 1.5 * found.leaves / 64


def test_u_is_the_uniform_share_plus_the_priors_relevance(model: Model) -> None:
    search = Search(model.evaluator, seed=0)
    result = search.run(BOARD_31, simulations=50)
    for move in result.moves:
        found = explain_bonus(
            model, BOARD_31, move.square, search.tree(), composite="EpsilonPlus", bias="sink"
        )
        assert found.value == pytest.approx(move.u, rel=2e-4, abs=1e-6)
        assert abs(found.closure) <= 1e-4 * found.size


@given(st.lists(st.floats(-12, 12), min_size=1, max_size=20))
def test_the_path_of_the_softmax_is_exact_and_blind_to_a_shift(logits: list[float]) -> None:
    z = np.array(logits)
    gains = prior_gains(z, 0)
    assert 1 / len(z) + gains @ z == pytest.approx(np.exp(z[0]) / np.exp(z).sum(), abs=1e-7)
    assert gains.sum() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(prior_gains(z + 3.0, 0), gains, atol=1e-12)


@settings(max_examples=30)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=12), st.data())
def test_detection_is_how_often_a_member_scores_above_a_stranger(
    scores: list[int], data: st.DataObject
) -> None:
    members = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    )
    pairs = [
        (a > b) + (a == b) / 2
        for a, m in zip(scores, members)
        for b, n in zip(scores, members)
        if m and not n
    ]
    found = statistics.area_under_roc(np.array(scores, float), members)
    assert found == pytest.approx(np.mean(pairs)) if pairs else np.isnan(found)


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_states_and_words_are_two_ways_to_write_a_position(seed: int) -> None:
    states = np.random.default_rng(seed).integers(-1, 2, (4, 64)).astype(np.int8)
    np.testing.assert_array_equal(states_of(*words_of(states)), states)


def test_the_rules_truth_agrees_with_playing_the_moves() -> None:
    boards = random_boards(12)
    moves = np.array([board.legal_moves()[-1] for board in boards])
    found = rules_truth.facts(*words(*boards), moves)
    for row, (board, move) in enumerate(zip(boards, moves)):
        after = board.play(int(move))
        turned = {s for s in range(64) if board.opp >> s & 1 and after.opp >> s & 1}
        assert set(np.flatnonzero(found.flipped[row])) == turned
        for square in range(64):
            bit = 1 << square
            if (board.black | board.white) & bit:
                without = Board(board.black & ~bit, board.white & ~bit, "X", 8)
                assert found.critical[row, square] == (move not in without.legal_moves())
        assert not (found.critical[row] & ~found.involved[row]).any()


def test_a_discs_exact_worth_is_what_swapping_it_costs() -> None:
    board = Board.parse(ENDGAME)
    assert board.empties <= 8 and board.legal_moves()
    solver = Solver(8, 12)
    worth = owner_matters(board, solver)
    assert (worth[states_of(*words(board))[0] == 0] == 0).all()
    square = int(np.abs(worth).argmax())
    other = Board(board.black ^ 1 << square, board.white ^ 1 << square, "X", 8)
    scores = [exhaustive(b) for b in (board, other)]
    assert worth[square] == scores[0] - scores[1] != 0


def exhaustive(board: Board) -> int:
    """The slow twin of the solver: the score for the side to move by trying every move."""
    if board.is_over:
        return board.score() if board.side == "X" else -board.score()
    return max(-exhaustive(board.play(action)) for action in board.legal_actions())


def test_relevance_gain_is_positive_for_the_true_order_and_zero_for_a_random_one(
    model: Model,
) -> None:
    """Reading: the number of own discs; the true order is own discs first."""
    boards = random_boards(60)
    own, opp = words(*boards)
    states = states_of(own, opp)
    change = corruption.corrupted(
        "empty", own, opp, np.zeros((65, 64, 3)), np.zeros((60, 2), int), 0
    )

    def read(mine: Any, theirs: Any, rows: Any) -> Any:
        return np.bitwise_count(mine)[None].astype(float)

    true, most, least = corruption.relevance_gain(
        states, change, (states == 1).astype(float), read, 8, 0
    )
    noise = corruption.relevance_gain(
        states, change, np.random.default_rng(1).random(states.shape), read, 8, 0
    )[0]
    assert (true >= 0).all() and true.mean() > 1 and (most <= least + 1e-9).all()
    assert abs(noise.mean()) < true.mean() / 5


def test_corruptions_touch_only_their_region_and_never_the_moves(model: Model) -> None:
    own, opp = words(*random_boards(20))
    moves = best_two(model.evaluator(own, opp)[0], legal_table(own, opp))
    shares = np.full((65, 64, 3), 1 / 3)
    states = states_of(own, opp)
    for kind in corruption.CORRUPTIONS:
        found = corruption.corrupted(kind, own, opp, shares, moves, 0)
        assert set(np.unique(found.states)) <= {-1, 0, 1}
        assert ((states != 0) == found.region).all() or "squares" in kind
        if "squares" in kind:
            assert (
                not found.region[states != 0].any()
                and not np.take_along_axis(found.region, moves, 1).any()
            )


def test_lrp_zero_is_gradient_times_input_and_occlusion_is_a_difference(model: Model) -> None:
    own, opp = words(*random_boards(3))
    moves = best_two(model.evaluator(own, opp)[0], legal_table(own, opp))
    maps = {
        name: relevance_maps(model, name, own, opp, moves)
        for name in ("LRP-0", "gradient × input", "occlusion")
    }
    for target in range(len(TARGETS)):
        for row in range(3):
            pair = maps["LRP-0"][target, row], maps["gradient × input"][target, row]
            assert statistics.cosine(*pair) > 1 - 1e-5
    states = states_of(own, opp)
    square = int(np.flatnonzero(states[1])[4])
    states[1, square] = 0
    before, after = (readings(model, *pair, moves)[:, 1] for pair in ((own, opp), words_of(states)))
    np.testing.assert_allclose(maps["occlusion"][:, 1, square], before - after, atol=1e-5)


def test_intervals_contain_the_mean_and_shrink_with_more_units() -> None:
    random = np.random.default_rng(0)
    few, many = (statistics.bootstrap(random.standard_normal(n) + 2) for n in (20, 2000))
    for found in (few, many):
        assert found.low < found.mean < found.high and found.low < 2.3 and found.high > 1.7
    assert many.high - many.low < (few.high - few.low) / 4
    assert (
        statistics.proportion(10, 10).high == pytest.approx(1)
        and 0.6 < statistics.proportion(10, 10).low < 0.8
    )


def test_the_study_compares_positions_that_are_the_same_for_every_method(
    model: Model, tmp_path: Path
) -> None:
    record, known = runner.run("faithfulness", runner.Request(tmp_path, positions=2, quick=True))
    numbers = record["numbers"]
    assert (
        not known
        and set(numbers["srg"]) == set(numbers["sensitivity_n"])
        and len(numbers["srg"]) == 15
    )
    assert numbers["winner"] in numbers["ranking"] and numbers["winner"] in record["reading"]
    assert numbers["sensitivity_n"]["occlusion"]["value"]["1"]["mean"] == pytest.approx(1, abs=1e-4)
    assert sum(numbers["choice"]["first_in_resamples"].values()) == pytest.approx(1)
    check_exports(record, tmp_path)


@pytest.mark.parametrize("name", [name for name in experiments() if name != "faithfulness"])
def test_every_experiment_runs_small_and_writes_its_files(
    name: str, model: Model, tmp_path: Path
) -> None:
    record, known = runner.run(name, runner.Request(tmp_path, positions=2, quick=True))
    assert not known and len(record["reading"]) > 100 and record["figures"]
    stored = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
    assert stored == record
    for figure in record["figures"]:
        assert "<svg" in (tmp_path / f"{figure['file']}.svg").read_text("utf-8")
    if name in PUBLISHED:
        check_exports(record, tmp_path)


def test_self_play_is_read_back_from_the_cache_and_a_damaged_cache_is_made_again(
    model: Model, tmp_path: Path
) -> None:
    from app.experiments.positions import self_play

    wanted = Settings(2, 0, True, 8, tmp_path)
    made = self_play(model, wanted)
    file = next(tmp_path.glob("games-*.npz"))
    np.testing.assert_array_equal(self_play(model, wanted).own, made.own)
    file.write_bytes(b"no archive")
    np.testing.assert_array_equal(self_play(model, wanted, silent).own, made.own)


def test_a_map_has_a_colour_bar_with_its_ends_and_its_sides_below_the_board() -> None:
    figure, (axes, beside) = plots.canvas(2, width=2.6, height=2.9)
    for cell in (axes, beside):
        plots.board_map(cell, BOARD_31, np.linspace(-0.25, 0.5, 64).reshape(8, 8), "value")
    plots.svg(figure)  # lays it out
    bar = figure.axes[2]
    assert [text.get_text() for text in bar.get_xticklabels()] == ["−0.5 against", "0", "for +0.5"]
    assert figure.get_size_inches().tolist() == [5.2, 2.9]
    boxes = [one.get_tightbbox() for one in figure.axes]
    assert boxes[2].y1 < boxes[0].y0 + 1 and boxes[2].y0 > 0, "neither cut nor over the board"
    assert boxes[0].x1 < boxes[1].x0 and boxes[0].y1 <= figure.bbox.height


def test_names_of_levels_stand_beside_their_lines_and_none_over_another() -> None:
    figure, (axes,) = plots.canvas(1, width=5.4, height=3.6)
    axes.plot([0, 1], [0, 1000])
    plots.levels(axes, {"one": 500.0, "far": 900.0, "two": 503.0, "three": 505.0})
    plots.svg(figure)
    names = {text.get_text(): text.get_window_extent() for text in axes.texts}
    heights = [names[name].y0 for name in ("one", "two", "three", "far")]
    assert all(high - low > 9 * figure.dpi / 72 for low, high in pairwise(heights))
    assert all(
        axes.bbox.x1 < box.x0 and box.x1 < figure.bbox.x1 and box.y1 < figure.bbox.y1
        for box in names.values()
    )
    middle = names["far"].y0 / 2 + names["far"].y1 / 2
    assert abs(middle - axes.transData.transform((0, 900))[1]) < 3


def drawn_map() -> bytes:
    """A figure of a map and of a table of colours."""
    figure, (board, table) = plots.canvas(2, width=2.6, height=2.9)
    plots.board_map(board, BOARD_31, np.linspace(-0.25, 0.625, 64).reshape(8, 8), "value -0.5")
    plots.heat_table(table, np.array([[1.0, -0.1]]), ["row"], ["a", "b"], "table")
    return plots.svg(figure)


def test_a_figure_is_the_same_twice_and_turns_dark_all_but_what_stands_for_numbers() -> None:
    figure = drawn_map()
    assert figure == drawn_map() and b"<dc:date>" not in figure
    light, _, dark = figure.decode().partition("@media (prefers-color-scheme: dark)")
    dark, _, body = dark.partition("</style>")
    turned = set(re.findall(r'\[style\*="(?:fill|stroke): (#\w+)"', dark))
    assert (
        f"text{{fill: {plots.INK}}}" in light and f"text{{fill: {plots.DARK[plots.INK]}}}" in dark
    )
    cells = body[body.index("QuadMesh") : body.index("matplotlib.axis")]
    kept = set(re.findall(r"(?:fill|stroke): (#\w+)", cells))
    assert len(kept) > 30 and not kept & turned, "squares and discs keep their colours"
    words = re.findall(r"<text style=\"([^\"]*)\"[^>]*>([^<]*)", body)
    fixed = {
        text
        for style, text in words
        if (found := re.search(r"fill: (#\w+)", style)) and found[1] not in turned
    }
    assert fixed == {"1.00", "−0.10"}, "numbers on coloured squares"
    assert ">−0.625 against<" in body, "numbers are not cut with the paths"
    assert ">value −0.5<" in body, "and have minus signs"


def test_what_is_wider_than_a_phone_is_turned_or_flows_into_rows() -> None:
    for asked, made in (((6, 1), (2, 3)), ((5, 2), (2, 5)), ((4, 4), (2, 8)), ((2, 3), (2, 3))):
        figure, axes = plots.canvas(*asked, width=2.6, height=3.0)
        assert len(axes) == asked[0] * asked[1]
        assert figure.get_size_inches().tolist() == [2.6 * made[0], 3.0 * made[1]]
    _, axes = plots.canvas(5, 2, width=2.6, height=3.0)
    first, last = axes[0].get_subplotspec(), axes[4].get_subplotspec()
    assert first.colspan.start == last.colspan.start == 0 and last.rowspan.start == 4
