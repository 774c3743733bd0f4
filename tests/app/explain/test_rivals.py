"""Integrated gradients and the owner swap beside the composites: their maps by another way, and accounts that close."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.commands.bench import BenchOptions
from app.experiments.attributions import relevance_maps
from app.explain.ask import explain
from app.explain.composites import composite_names
from app.explain.network import POLICY, planes_of
from app.explain.rivals import INTEGRATED, NOTHING, RIVALS, SWAP, TOGETHER
from app.models import Model, load_model
from app.present.sentences import account_words
from lrp.baselines import IntegratedGradients
from lrp.errors import LRPError
from othello.rules.board import Board
from othello.rules.notation import square_name

BOARD = Board.parse("f5d6c3d3c4f4c5b3c2")
TARGETS = ("value", "policy:d2", "policy:d2-e3", "change:d2", "q:e6")


def test_the_owner_swap_of_a_move_is_that_of_the_experiments(model: Model) -> None:
    first, second = BOARD.legal_moves()[:2]
    own, opp = (np.array([word], np.uint64) for word in (BOARD.own, BOARD.opp))
    known = relevance_maps(model, "owner swap", own, opp, np.array([[first, second]]))
    one, other = (square_name(move) for move in (first, second))
    for number, target in ((1, f"policy:{one}"), (2, f"policy:{one}-{other}")):
        found = explain(model, BOARD, target, composite=SWAP, symmetric=False)
        assert np.allclose(found.squares, known[number, 0].reshape(8, 8), atol=2e-5)


def test_integrated_gradients_are_those_of_captum(model: Model) -> None:
    pytest.importorskip("captum")
    move = BOARD.legal_moves()[0]
    found = explain(
        model, BOARD, f"policy:{square_name(move)}", composite=INTEGRATED, symmetric=False
    )
    planes = planes_of(model, [BOARD])
    method = IntegratedGradients(model.network, planes.repeat(2, 1, 1, 1), steps=200)
    theirs = method.attribute(planes, torch.tensor([move]), output=POLICY).input[0].sum(0).numpy()
    assert np.abs(found.squares - theirs).max() < 0.05 * np.abs(theirs).max()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", RIVALS)
def test_the_account_of_a_rival_closes(name: str, target: str, model: Model) -> None:
    found = explain(model, BOARD, target, composite=name, simulations=20)
    assert not found.bias and abs(found.closure) < 1e-5 * found.size
    assert np.allclose(sum(found.planes.values()), found.squares)
    part = NOTHING if name == INTEGRATED else TOGETHER
    assert found.to_dict()["given"][part] == found.given[part] != 0
    assert "biases" not in account_words(found)
    occupied = np.array([letter != "-" for letter in str(BOARD)[:64]]).reshape(8, 8)
    if name == SWAP and target.startswith(("value", "policy")):
        assert not found.squares[~occupied].any() and found.squares[occupied].all()
    assert abs(found.stabilizer) < 0.05 * found.size


def test_a_rival_knows_symmetry_and_the_other_sizes() -> None:
    small = load_model(size=6)
    for name in RIVALS:
        found = explain(small, Board.initial(6), composite=name)
        assert np.allclose(found.squares, found.squares.T, atol=1e-6) and found.squares.any()


def test_rivals_are_offered_last_and_take_no_overrides_and_no_wrong_mode(model: Model) -> None:
    assert composite_names()[-len(RIVALS) :] == tuple(RIVALS)
    assert len(BenchOptions(composites=[*RIVALS]).methods) == len(RIVALS)
    for name, bias in ((SWAP, "nowhere"), (f"{SWAP},stem=Gamma:0.25", "sink")):
        with pytest.raises(LRPError):
            explain(model, BOARD, composite=name, bias=bias)
