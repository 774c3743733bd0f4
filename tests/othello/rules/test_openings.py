"""Names of openings, whatever mirror image or order of moves a game uses."""

from __future__ import annotations

import pytest

from othello.rules.board import Board
from othello.rules.notation import parse_moves
from othello.rules.openings import OPENINGS, Opening, opening_at, opening_of
from othello.rules.symmetry import transform_action


@pytest.mark.parametrize("opening", OPENINGS, ids=lambda opening: opening.name)
def test_an_opening_is_recognised_in_its_four_images(opening: Opening) -> None:
    actions = parse_moves(opening.transcript)
    for symmetry in (0, 3, 4, 7):  # those that keep the first position
        image = [transform_action(action, symmetry) for action in actions]
        assert opening_of(image) == opening


def test_the_longest_name_wins_and_lasts() -> None:
    assert opening_of(parse_moves("f5")) is None
    assert opening_of(parse_moves("f5d6")).name == "Perpendicular"  # type: ignore[union-attr]
    tiger = opening_of(parse_moves("c4e3f6e6f5"))
    assert tiger is not None and tiger.name == "Tiger"
    assert opening_of(parse_moves("c4e3f6e6f5g4")) == tiger
    assert opening_at(Board.initial()) is None and opening_at(Board.initial(6)) is None


def test_every_name_leads_to_a_position_of_its_own() -> None:
    finals = [opening_at(Board.parse(opening.transcript)) for opening in OPENINGS]
    assert finals == list(OPENINGS)
