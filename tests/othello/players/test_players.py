"""Players: specs, the simple players against slow programs, our agent against the solver."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othello.errors import CheckpointError, ParseError
from othello.network import checkpoint
from othello.network.evaluator import NetworkEvaluator
from othello.players.agent import PolicyPlayer, SearchPlayer, evaluate
from othello.players.alphabeta import best_moves, table
from othello.players.endgame import SOLVE_EMPTIES
from othello.players.simple import GreedyPlayer, ManyGames, RandomPlayer
from othello.players.specs import parse
from othello.rules.board import Board
from othello.search.disc_count import DiscCount
from othello.search.search import Gumbel, Puct, Search
from othello.solver.solver import Solver, exact_scores, solve
from tests.othello.networks import lively_network
from tests.othello.positions import boards, position_with_empties, random_position


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "net:work"  # a colon, to be awkward
    checkpoint.save(lively_network(size=6, blocks=1, channels=8), folder)
    return folder


@pytest.mark.parametrize(
    "spec", ["random", "greedy", " Random ", "alphabeta:1", "ALPHABETA:4", "alphabeta:2,solve=8"]
)
def test_a_spec_names_its_player(spec: str) -> None:
    player = parse(spec)
    assert player.name == spec.strip().lower() and player.checkpoint is None
    assert player.move(Board.initial()) in Board.initial().legal_moves()


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "bob",
        "random:1",
        "greedy:",
        "alphabeta",
        "alphabeta:",
        "alphabeta:0",
        "alphabeta:21",
        "alphabeta:x",
        "alphabeta:-3",
        "alphabeta:٣",
        "mcts",
        "mcts:",
        "mcts:0",
        "mcts:1.5",
        "mcts:10000000000",
        "mcts:10:",
        "net:",
        "gumbel",
        "gumbel:0",
        "gumbel:1000001",
        "mcts:10,",
        "mcts:10,solve",
        "mcts:10,solve=x",
        "mcts:10,solve=31",
        "mcts:10,leaf=1.5",
        "mcts:10,c=-1",
        "mcts:10,c=nan",
        "mcts:10,noise=1",
        "gumbel:10,c=1",
        "gumbel:9,considered=0",
        "gtp:",
        "gtp: ",
        "nboard:",
        "gtp:no-such-program",
        "gtp:sh 'x",
        "gtp:''",
        "nboard:\0",
        "x" * 10**6,
    ],
)
def test_a_bad_spec_is_refused_in_one_line(spec: str) -> None:
    with pytest.raises(ParseError) as raised:
        parse(spec)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300


def test_an_unknown_player_is_told_what_is_accepted() -> None:
    with pytest.raises(ParseError, match="accepted are random, greedy, alphabeta:D"):
        parse("stockfish")


def test_nboard_engines_play_8x8_only() -> None:
    with pytest.raises(ParseError, match="8×8 only"):
        parse("nboard:cat", size=6)


def test_a_checkpoint_can_be_named_in_the_spec_or_beside_it(weights: Path) -> None:
    digest = checkpoint.load(weights).sha256
    named = [(f"net:{weights}", None), (f"mcts:5:{weights}", None)]
    for spec, beside in [*named, ("net", weights), ("mcts:5", weights)]:
        player = parse(spec, size=6, checkpoint=beside)
        assert player.checkpoint == digest
        assert player.move(Board.initial(6)) in Board.initial(6).legal_moves()


def test_settings_stand_behind_the_simulations(weights: Path) -> None:
    plain, bare, gumbel = (
        parse(spec, size=6, checkpoint=weights)
        for spec in (
            "mcts:20",
            "mcts:20,solve=0,leaf=0,c=2.5,first=0",
            "gumbel:20,noise=0,considered=4,solve=3",
        )
    )
    assert all(isinstance(player, SearchPlayer) for player in (plain, bare, gumbel))
    assert (bare.solve_empties, gumbel.solve_empties, plain.solve_empties) == (0, 3, SOLVE_EMPTIES)
    assert (plain.root, gumbel.root) == (Puct(), Gumbel(considered=4, noise=0.0))
    assert bare.name == f"mcts:20,solve=0,leaf=0,c=2.5,first=0:{weights}"
    assert parse(bare.name, size=6).name == bare.name
    board = position_with_empties(random.Random(6), 20, 6)
    board = board.pass_turn() if board.must_pass else board
    told = bare.think(board)
    alone = Search(bare.evaluator, Puct(2.5, first_play=0.0, leaf_empties=0), batch=8).run(
        board, 20
    )
    assert told.moves == alone.moves != plain.think(board).moves
    assert gumbel.think(board).moves == Search(gumbel.evaluator, gumbel.root).run(board, 20).moves


def test_a_wrong_setting_is_told_which_there_are() -> None:
    with pytest.raises(ParseError, match="accepted are solve=, leaf=, c=, first="):
        parse("mcts:10,speed=3")
    with pytest.raises(ParseError, match=r"accepted are whole numbers 0\.\.30"):
        parse("gumbel:10,solve=31")


def test_an_only_move_costs_no_search() -> None:
    class Deaf(DiscCount):
        def __call__(self, own, opp):  # type: ignore[no-untyped-def]
            raise AssertionError("nothing to decide")

    generator = random.Random(9)
    while len((board := random_position(generator)).legal_moves()) != 1 or board.empties < 20:
        pass
    player = SearchPlayer(Deaf(8), 50)
    assert player.choose([board], [0])[0] == player.move(board) == board.legal_moves()[0]


def test_a_checkpoint_of_another_size_or_none_at_all_is_refused(weights: Path) -> None:
    with pytest.raises(CheckpointError, match="plays 6×6 boards, not 8×8"):
        parse(f"net:{weights}")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        parse("mcts:10:/nowhere")


@given(boards(), st.integers(0, 2**64))
def test_a_forced_pass_is_every_players_answer_and_else_the_move_is_legal(
    board: Board, seed: int
) -> None:
    for player in (RandomPlayer(), GreedyPlayer(), parse("alphabeta:2", board.size)):
        player.new_game(seed)
        if not board.is_over:
            assert player.move(board) in board.legal_actions()


def test_random_moves_repeat_for_a_seed_and_are_even_over_seeds() -> None:
    board, player = Board.initial(), RandomPlayer()
    drawn = [player.choose([board], [seed])[0] for seed in range(4000)]
    assert drawn == [player.choose([board], [seed])[0] for seed in range(4000)]
    assert set(drawn) == set(board.legal_moves()) and min(Counter(drawn).values()) > 850


@given(boards())
def test_greedy_turns_over_the_most_discs(board: Board) -> None:
    if board.legal_moves():
        gains = {
            s: board.opp.bit_count() - board.play(s).own.bit_count() for s in board.legal_moves()
        }
        assert gains[GreedyPlayer().choose([board], [0])[0]] == max(gains.values())


def slow_value(board: Board, depth: int) -> int:
    """Minimax without pruning, on boards and lists."""
    if board.is_over:
        return 10_000 * (board.score() if board.side == "X" else -board.score())
    if board.must_pass:
        return -slow_value(board.pass_turn(), depth)
    if depth == 0:
        masks, points = table(board.size)
        discs = [(board.own & int(m)).bit_count() - (board.opp & int(m)).bit_count() for m in masks]
        return sum(count * int(value) for count, value in zip(discs, points))
    return max(-slow_value(board.play(square), depth - 1) for square in board.legal_moves())


@settings(max_examples=60)
@given(boards(), st.integers(1, 3))
def test_alpha_beta_finds_every_best_move_of_plain_minimax(board: Board, depth: int) -> None:
    if board.legal_moves():
        values = {
            square: -slow_value(board.play(square), depth - 1) for square in board.legal_moves()
        }
        best = max(values.values())
        assert best_moves(board, depth) == (
            best,
            tuple(s for s in board.legal_moves() if values[s] == best),
        )


def test_square_values_are_symmetric_and_cover_the_board() -> None:
    for size in (4, 6, 8):
        masks, points = table(size)
        assert sum(int(mask).bit_count() for mask in masks) == size * size
        assert list(points) == sorted(set(points), reverse=True)
        corner = next(int(mask) for mask, value in zip(masks, points) if value == 100)
        assert corner == sum(1 << (8 * r + c) for r in (0, size - 1) for c in (0, size - 1))


def test_net_plays_the_legal_move_with_the_highest_logit() -> None:
    evaluator = NetworkEvaluator(lively_network(size=8, blocks=1, channels=8))
    generator = random.Random(1)
    positions = [b for b in (random_position(generator) for _ in range(50)) if b.legal_moves()]
    chosen = PolicyPlayer(evaluator).choose(positions, [0] * len(positions))
    logits, _ = evaluate(evaluator, positions)
    for board, move, row in zip(positions, chosen, logits):
        assert row[move] == max(row[square] for square in board.legal_moves())


def test_search_plays_the_exact_best_move_near_the_end() -> None:
    player = SearchPlayer(DiscCount(8), 4, solve_empties=10)
    generator = random.Random(2)
    positions = []
    while len(positions) < 12:
        board = position_with_empties(generator, 10)
        if board.legal_moves():
            positions.append(board)
    for board, together in zip(positions, player.choose(positions, [0] * len(positions))):
        scores = exact_scores(board)
        assert scores is not None
        best = max(scores.values())
        result = player.think(board)
        assert (
            scores[together]
            == scores[player.move(board)]
            == scores[result.moves[0].square]
            == best
            == result.exact
        )
        assert result.principal_variation[0] == result.moves[0].square
        assert {move.square for move in result.moves} == set(board.legal_moves())


def searched_positions(empties: int, count: int) -> list[Board]:
    generator, found = random.Random(empties), list[Board]()
    while len(found) < count:
        board = position_with_empties(generator, empties)
        if len(board.legal_moves()) > 1:
            found.append(board)
    return found


@pytest.mark.parametrize("root", [Puct(), Gumbel()])
def test_exact_play_begins_at_eighteen_empty_squares_where_the_budget_suffices(
    root: Puct | Gumbel,
) -> None:
    player, settled = SearchPlayer(DiscCount(8), 4, root), 0
    for board in searched_positions(SOLVE_EMPTIES, 3):
        result = player.think(board)
        if result.exact is not None:
            settled += 1
            scores = exact_scores(board)
            assert (
                scores is not None
                and result.exact == max(scores.values()) == scores[player.move(board)]
            )
    assert SOLVE_EMPTIES == 18 and settled
    assert all(player.solve(board) is None for board in searched_positions(SOLVE_EMPTIES + 1, 3))


@pytest.mark.parametrize("root", [Puct(), Gumbel()])
def test_a_position_that_takes_too_many_nodes_is_left_to_the_search(
    root: Puct | Gumbel,
) -> None:
    for board in searched_positions(16, 4):
        player, search = (
            SearchPlayer(DiscCount(8), 40, root, solve_empties=empties)
            for empties in (SOLVE_EMPTIES, 0)
        )
        needed = Solver(8).solve(board, every=False, line=False).nodes
        player.solve_nodes = needed // 2
        assert player.solve(board) is None and player.think(board).exact is None
        player.new_game()
        assert player.move(board) == search.move(board) == search.think(board).moves[0].square
        assert player.choose([board], [0]) == search.choose([board], [0])
        player.new_game()
        player.solve_nodes = needed + 1
        assert player.solve(board).nodes == needed


def test_a_game_leaves_nothing_that_the_solver_knows_in_the_next() -> None:
    player, (board,) = SearchPlayer(DiscCount(8), 4), searched_positions(15, 1)
    first, again = player.solve(board), player.solve(board)
    player.new_game()
    assert player.solve(board).nodes == first.nodes > again.nodes


def test_search_plays_legally_for_one_game_and_for_many() -> None:
    player: ManyGames = SearchPlayer(DiscCount(6), 12, solve_empties=4)
    generator = random.Random(3)
    positions = [b for b in (random_position(generator, 6) for _ in range(30)) if b.legal_moves()]
    for board, move in zip(positions, player.choose(positions, [0] * len(positions))):
        assert move in board.legal_moves() and player.move(board) in board.legal_moves()


def test_search_without_a_solver_never_solves() -> None:
    board = position_with_empties(random.Random(4), 5)
    board = board.pass_turn() if board.must_pass else board
    player = SearchPlayer(DiscCount(8), 30, solve_empties=0)
    assert player.solve(board) is None and player.think(board).exact is None


def test_a_search_with_no_time_still_moves() -> None:
    player = SearchPlayer(DiscCount(8), 10**6, solve_empties=14)
    board = position_with_empties(random.Random(5), 14)
    assert player.best(board, seconds=0.0) in board.legal_actions()


def test_alpha_beta_with_a_solver_plays_every_exact_best_move_and_no_other():
    exact, plain = parse("alphabeta:1,solve=8", 6), parse("alphabeta:1", 6)
    assert (exact.name, plain.name) == ("alphabeta:1,solve=8", "alphabeta:1")
    differs = 0
    for number in range(40):
        board = position_with_empties(random.Random(number), 8, 6)
        if board.is_over or board.must_pass:
            continue
        best = solve(board).best
        played = {exact.choose([board], [seed])[0] for seed in range(40)}
        assert played <= set(best)
        assert len(played) > 1 or len(best) == 1
        differs += plain.choose([board], [0])[0] not in best
    assert differs > 3
