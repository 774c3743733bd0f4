"""Facts of a move against slow and obvious twins over random positions, and positions set up by hand."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from app.explain.reasons.facts import KINDS, facts_of, region_kind, stable_discs
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name

SIDES = {"X": "O", "O": "X"}
STEPS = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]


class Grid:
    """A position as letters on (row, column): the rules once more, slowly."""

    def __init__(self, letters: str, size: int) -> None:
        self.size = size
        self.at = {(i // size, i % size): letter for i, letter in enumerate(letters)}

    def turned(self, side: str, place: tuple[int, int]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for down, right in STEPS:
            line, (row, column) = [], (place[0] + down, place[1] + right)
            while self.at.get((row, column)) == SIDES[side]:
                line.append((row, column))
                row, column = row + down, column + right
            if self.at.get((row, column)) == side:
                found += line
        return found if self.at[place] == "-" else []

    def moves(self, side: str) -> list[tuple[int, int]]:
        return [place for place in self.at if self.turned(side, place)]

    def play(self, side: str, place: tuple[int, int]) -> Grid:
        letters = dict(self.at)
        for turned in [*self.turned(side, place), place]:
            letters[turned] = side
        return Grid("".join(letters.values()), self.size)

    def corners(self) -> list[tuple[int, int]]:
        return [(r, c) for r in (0, self.size - 1) for c in (0, self.size - 1)]

    def around(self, place: tuple[int, int]) -> list[str]:
        return [self.at.get((place[0] + r, place[1] + c), "") for r, c in STEPS]

    def discs(self, side: str) -> list[tuple[int, int]]:
        return [place for place, letter in self.at.items() if letter == side]

    def region(self, place: tuple[int, int]) -> list[tuple[int, int]]:
        group = {place}
        for _ in self.at:
            group |= {
                p
                for p in self.at
                if self.at[p] == "-"
                and any(max(abs(p[0] - q[0]), abs(p[1] - q[1])) == 1 for q in group)
            }
        return sorted(group)

    def stable(self, side: str) -> list[tuple[int, int]]:
        safe: set[tuple[int, int]] = set()
        for _ in self.at:
            safe = {p for p in self.discs(side) if all(self.held(p, a, safe) for a in STEPS[4:])}
        return sorted(safe)

    def held(
        self, place: tuple[int, int], axis: tuple[int, int], safe: set[tuple[int, int]]
    ) -> bool:
        line = [
            (place[0] + k * axis[0], place[1] + k * axis[1]) for k in range(-self.size, self.size)
        ]
        full = all(self.at.get(p, "X") != "-" for p in line)
        ends = [line[self.size - 1], line[self.size + 1]]
        return full or any(p not in self.at or p in safe for p in ends)


def twins(board: Board, move: int) -> dict[str, tuple[int, list[tuple[int, int]]]]:
    """Every fact by the definitions, from letters."""
    size, side, other = board.size, board.side, SIDES[board.side]
    before, place = Grid(str(board)[: size * size], size), divmod(move, size)
    after = before.play(side, place)
    corners, (row, column) = before.corners(), place
    opened = [c for c in corners if c in after.moves(other) and c not in before.moves(other)]
    closed = [
        c
        for c in corners
        if c in before.moves(other) and c not in after.moves(other) and c != place
    ]
    threats = [c for c in corners if c in after.moves(side) and c not in before.moves(side)]
    along = [(row, column - 1), (row, column + 1)]
    if column in (0, size - 1) and row not in (0, size - 1):
        along = [(row - 1, column), (row + 1, column)]
    on_edge = (row in (0, size - 1)) != (column in (0, size - 1))
    wedged = on_edge and all(before.at.get(p) == other for p in along)
    edges = [p for p in before.at if p not in corners and set(p) & {0, size - 1}]
    held, holds = before.stable(side), after.stable(side)
    anchored = [p for p in edges if p in holds and p not in held]
    broken = [p for p in edges if p in before.turned(side, place)]
    region = before.region(place)
    deaths = [r for r in after.moves(other) if not after.play(other, r).discs(side)]
    near = [c for c in corners if max(abs(c[0] - row), abs(c[1] - column)) == 1]
    risky = bool(near) and before.at[near[0]] == "-"
    diagonal = risky and near[0][0] != row and near[0][1] != column
    front = [p for p in after.discs(side) if "-" in after.around(p)]
    passes = not after.moves(other) and bool(after.moves(side))
    here = [place]
    return {
        "takes_corner": (int(place in corners), here if place in corners else []),
        "gives_corner": (len(opened), opened),
        "closes_corner": (len(closed), closed),
        "threatens": (len(threats), threats),
        "mobility": (len(after.moves(other)), after.moves(other)),
        "own_mobility": (len(after.moves(side)), after.moves(side)),
        "frontier": (len(front), front),
        "stable": (len(after.stable(side)), after.stable(side)),
        "wedge": (int(wedged), here if wedged else []),
        "anchors_edge": (len(anchored), anchored),
        "breaks_edge": (len(broken), broken),
        "parity": (len(region) % 2, region if len(region) % 2 else []),
        "pass": (int(passes), []),
        "wipe_out": (int(bool(deaths)), deaths),
        "x_square": (int(diagonal), here if diagonal else []),
        "c_square": (int(risky and not diagonal), here if risky and not diagonal else []),
    }


def random_positions(count: int, size: int, seed: int) -> Iterator[Board]:
    source = random.Random(seed)
    made = 0
    while made < count:
        board = Board.initial(size)
        for _ in range(source.randrange(size * size - 4)):
            if board.is_over:
                break
            board = board.play(source.choice(board.legal_actions()))
        if board.legal_moves():
            made += 1
            yield board


@pytest.mark.parametrize(("size", "count"), [(4, 400), (6, 300), (8, 300)])
def test_facts_equal_their_slow_twins(size: int, count: int) -> None:
    source = random.Random(size)
    seen: dict[str, int] = dict.fromkeys((kind.name for kind in KINDS), 0)
    for board in random_positions(count, size, seed=size):
        move = source.choice(board.legal_moves())
        slow = twins(board, move)
        for name, fact in facts_of(board, move).items():
            value, places = slow[name]
            squares = tuple(r * size + c for r, c in places)
            assert (fact.value, fact.squares) == (value, squares), f"{name} of {board}, {move}"
            seen[name] += bool(value)
    assert size < 8 or all(seen[name] for name in seen if name != "wipe_out"), seen


def at(*names: str) -> tuple[int, ...]:
    return tuple(parse_square(name, 8) for name in names)


def facts(rows: str, move: str) -> dict[str, tuple[int | None, tuple[str, ...]]]:
    board = Board.parse(rows + " X")
    found = facts_of(board, at(move)[0])
    return {n: (f.value, tuple(square_name(s, 8) for s in f.squares)) for n, f in found.items()}


EMPTY = "--------"


def test_an_x_square_gives_the_corner_that_it_opens() -> None:
    rows = EMPTY + "--------" + "--O-----" + "---X----" + EMPTY * 4
    found = facts(rows, "b2")
    assert found["x_square"] == (1, ("b2",))
    assert found["gives_corner"] == (0, ())
    rows = EMPTY + "--------" + "--O-----" + "---X----" + "----O---" + EMPTY * 3
    assert facts(rows, "b2")["gives_corner"] == (1, ("a1",))


def test_a_corner_anchors_the_discs_beside_it() -> None:
    rows = "-OOX----" + EMPTY * 7
    found = facts(rows, "a1")
    assert found["takes_corner"] == (1, ("a1",))
    assert found["stable"] == (4, ("a1", "b1", "c1", "d1"))
    assert stable_discs(Board.parse("X" * 64)) == tuple(range(64))


def test_a_wedge_lies_between_two_discs_of_the_other_side() -> None:
    rows = "--O-O---" + "---O----" + "---X----" + EMPTY * 5
    assert facts(rows, "d1")["wedge"] == (1, ("d1",))
    rows = "--O-X---" + "---O----" + "---X----" + EMPTY * 5
    assert facts(rows, "d1")["wedge"] == (0, ())


def test_an_edge_is_anchored_to_a_corner_or_complete() -> None:
    rows = "-OOX----" + EMPTY * 7
    assert facts(rows, "a1")["anchors_edge"] == (3, ("b1", "c1", "d1"))
    rows = "X-OX----" + EMPTY * 7
    assert facts(rows, "b1")["anchors_edge"] == (3, ("b1", "c1", "d1"))
    rows = "-X-OX---" + EMPTY * 7
    assert facts(rows, "c1")["anchors_edge"] == (0, ())
    rows = "OXX-OOXO" + EMPTY * 7
    assert facts(rows, "d1")["anchors_edge"] == (6, ("b1", "c1", "d1", "e1", "f1", "g1"))
    rows = "XXX-----" + "--------" + "--O-----" + "---X----" + EMPTY * 4
    assert facts(rows, "b2")["anchors_edge"] == (0, ())


def test_an_edge_is_broken_where_its_discs_are_turned() -> None:
    rows = "--OOX---" + EMPTY * 7
    assert facts(rows, "b1")["breaks_edge"] == (2, ("c1", "d1"))
    assert facts(rows, "b1")["anchors_edge"] == (0, ())
    rows = "--O-O---" + "---O----" + "---X----" + EMPTY * 5
    assert facts(rows, "d1")["breaks_edge"] == (0, ())
    rows = EMPTY * 3 + "X-------" + "O-------" + "O-------" + EMPTY * 2
    assert facts(rows, "a7")["breaks_edge"] == (2, ("a5", "a6"))


def test_a_reply_may_wipe_out_and_a_move_may_force_a_pass() -> None:
    rows = EMPTY * 3 + "XO------" + EMPTY * 4
    found = facts(rows, "c4")
    assert found["pass"] == (0, ())
    assert found["mobility"] == (0, ())
    rows = EMPTY * 3 + "XO------" + "--------" + "XOO-----" + EMPTY * 2
    assert facts(rows, "c4")["pass"] == (1, ())
    rows = EMPTY * 3 + "--XO----" + "--O-----" + EMPTY * 3
    assert facts(rows, "e4")["wipe_out"][0] == 0
    rows = EMPTY * 3 + "-OXO----" + EMPTY * 4
    assert facts(rows, "e4")["wipe_out"] == (1, ("f4",))


def test_a_region_of_odd_size_is_named_whole() -> None:
    board = Board.parse("-" * 3 + "X" * 5 + "O" * 8 + "X" * 48 + " X")
    assert facts_of(board, 0)["parity"].value == 1 if 0 in board.legal_moves() else True
    rows = "OXX-----" + "XXX-----" + "X" * 48
    board = Board.parse(rows[:64].ljust(64, "X") + " O")
    found = facts_of(board, 3)["parity"]
    assert (found.value, found.squares) == (0, ())


@pytest.mark.parametrize(
    ("square", "kind"),
    [("a1", "corner"), ("b2", "X"), ("a2", "C"), ("b1", "C"), ("c1", "edge"), ("c3", "inside")],
)
def test_squares_have_their_usual_names(square: str, kind: str) -> None:
    assert region_kind(at(square)[0], 8) == kind
