"""The base of games against a slow twin that replays every game and looks at every mirror image."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from othello.base.game_base import BaseMove, open_base
from othello.base.walk import key_of, keys_of
from othello.errors import ParseError
from othello.records.game import GameRecord, Ply
from othello.records.wthor import write_wthor
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, canonical, transform_action, transform_board
from tests.othello.positions import random_position

Twin = dict[Board, dict[Board, list[float]]]


def played_games(count: int, seed: int, plies: int = 60) -> list[GameRecord]:
    """Finished random games that begin alike, so that positions repeat, each turned by a random symmetry."""
    source = random.Random(seed)
    games = []
    for _ in range(count):
        symmetry = source.choice([s for s in SYMMETRIES if fits(s)])
        board, actions = Board.initial(), []
        while not board.is_over:
            few = sorted(board.legal_actions())[: 2 if board.empties > 50 else 60]
            action = source.choice(few)
            board = board.play(action)
            if action != 64:
                actions.append(transform_action(action, symmetry))
        games.append(GameRecord(plies=tuple(Ply(action) for action in _with_passes(actions))))
    return games


def fits(symmetry: int) -> bool:
    """Whether a symmetry leaves the first position as it is."""
    return transform_board(Board.initial(), symmetry) == Board.initial()


def _with_passes(actions: list[int]) -> list[int]:
    board, found = Board.initial(), []
    for action in actions:
        if board.must_pass:
            board = board.pass_turn()
            found.append(64)
        board = board.play(action)
        found.append(action)
    return found


def slow(games: list[GameRecord]) -> Twin:
    """Position, position after, both the smallest of their images and for the side to move -> results of the mover."""
    found: Twin = defaultdict(lambda: defaultdict(list))
    for game in games:
        score = game.final.score()
        boards = [named(board) for board in game.boards if not board.must_pass]
        movers = [board.side for board in game.boards if not board.must_pass]
        for before, after, side in zip(boards, boards[1:], movers):
            found[before][after].append(score if side == "X" else -score)
    return {before: after for before, after in found.items() if sum(map(len, after.values())) >= 2}


def named(board: Board) -> Board:
    """One name for a position of a side to move and its images: as if black were to move."""
    return canonical(Board(board.own, board.opp, "X"))[0]


@pytest.fixture(scope="module")
def games() -> list[GameRecord]:
    return played_games(60, seed=1)


def base_file(folder: Path, games: list[GameRecord]) -> Path:
    path = folder / "WTH_TEST.wtb"
    path.write_bytes(write_wthor(games).games)
    return path


def test_every_position_has_the_moves_of_the_slow_twin(
    games: list[GameRecord], tmp_path: Path
) -> None:
    base = open_base([base_file(tmp_path, games)], tmp_path)
    twin = slow(games)
    assert (base.games, base.skipped) == (60, 0) and len(twin) > 50
    for game in games[:20]:
        for board in game.boards[:30]:
            mover = board.pass_turn() if board.must_pass else board
            wanted = {}
            for move in mover.legal_moves():
                after = mover.play(move)
                after = after.pass_turn() if after.must_pass else after
                results = twin.get(named(mover), {}).get(named(after), [])
                if results:
                    wins, draws = sum(r > 0 for r in results), sum(r == 0 for r in results)
                    mean = sum(results) / len(results)
                    wanted[move] = BaseMove(len(results), wins, draws, mean)
            assert base.moves(board) == wanted
            counts = [one.games for one in base.moves(board).values()]
            assert counts == sorted(counts, reverse=True)


def test_images_have_one_key_and_other_positions_others() -> None:
    source = random.Random(3)
    seen: dict[int, Board] = {}
    for _ in range(300):
        board = random_position(source)
        keys = set()
        for symmetry in SYMMETRIES:
            image = transform_board(board, symmetry)
            keys.add(int(key_of(np.uint64(image.own), np.uint64(image.opp))))
        assert len(keys) == 1
        (key,) = keys
        assert 0 <= key < 2**63 and seen.setdefault(key, named(board)) == named(board)


def test_a_game_with_an_illegal_move_is_left_out(games: list[GameRecord], tmp_path: Path) -> None:
    data = bytearray(write_wthor(games).games)
    for game, byte in ((3, 11), (7, 99), (9, 19)):  # a1, no square, no column
        data[16 + 68 * game + 8 + 5] = byte
    path = tmp_path / "damaged.wtb"
    path.write_bytes(bytes(data))
    base = open_base([path], tmp_path)
    assert (base.games, base.skipped) == (57, 3)
    whole = open_base(
        [base_file(tmp_path, [g for n, g in enumerate(games) if n not in (3, 7, 9)])], tmp_path
    )
    assert base.moves(Board.initial()) == whole.moves(Board.initial()) and base.path != whole.path


def test_an_index_is_made_once_and_what_is_no_base_is_refused(
    games: list[GameRecord], tmp_path: Path
) -> None:
    path = base_file(tmp_path, games)
    said: list[str] = []
    first = open_base([path], tmp_path, lambda share, what: said.append(what))
    made = first.path.stat().st_mtime_ns
    assert "indexed" in said
    assert open_base([path], tmp_path).path.stat().st_mtime_ns == made
    assert (
        first.moves(Board.initial(6)) == {} == first.moves(random_position(random.Random(1), 8, 30))
    )
    for name, data in (("a.wtb", b"no base"), ("b.wtb", path.read_bytes()[:-5])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ParseError, match=f"{name}: WTHOR"):
            open_base([tmp_path / name], tmp_path)
    with pytest.raises(ParseError, match="at least one"):
        open_base([], tmp_path)
    assert len(list(tmp_path.glob("base-*"))) == 1


@pytest.mark.long
def test_a_base_of_127_000_games_is_indexed_within_a_minute(tmp_path: Path) -> None:
    few = played_games(12_700, seed=2)  # ten times each: all their positions are in the index
    data = bytearray(write_wthor(few).games)
    data[4:8] = (127_000).to_bytes(4, "little")
    path = tmp_path / "large.wtb"
    path.write_bytes(bytes(data[:16] + 10 * data[16:]))
    keys_of(np.full((1, 60), -1, np.int8))  # compiled
    began = time.monotonic()
    base = open_base([path], tmp_path)
    took = time.monotonic() - began
    times = []
    for game in few[:50]:
        for board in game.boards[::7]:
            start = time.monotonic()
            base.moves(board)
            times.append(time.monotonic() - start)
    size = base.path.stat().st_size / 1e6
    print(
        f"{base.games} games in {took:.1f} s, {size:.0f} MB, slowest of {len(times)} queries {1000 * max(times):.1f} ms"
    )
    assert took < 60 and max(times) < 0.05
