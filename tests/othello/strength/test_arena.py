"""Matches: pairs, seeds, games in step, records; engines that fail lose in time and leave nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othello.engines.gtp import GtpPlayer
from othello.engines.nboard import NBoardPlayer
from othello.engines.process import EngineFailure, EngineProcess, Failure
from othello.errors import ConfigError, ParseError
from othello.players.agent import PolicyPlayer, SearchPlayer
from othello.rules.board import Board, Outcome
from othello.rules.notation import format_moves, parse_moves
from othello.search.disc_count import DiscCount
from othello.solver.solver import solve
from othello.strength.arena import MatchSettings, play_match, random_openings
from othello.strength.rating import Decision, SequentialTest
from othello.strength.results import MatchGame, MatchResult
from tests.othello.engines.programs import bad_engine


def timeless(result: MatchResult) -> list[MatchGame]:
    return [replace(game, seconds=0.0) for game in result.games]


@settings(max_examples=25)
@given(st.sampled_from([4, 6, 8]), st.integers(0, 6), st.integers(1, 30), st.integers(0, 2**63))
def test_openings_are_legal_and_repeat_for_a_seed(
    size: int, plies: int, count: int, seed: int
) -> None:
    openings = random_openings(count, plies, seed, size)
    assert openings == random_openings(count, plies, seed, size) and len(openings) == count
    for opening in openings:
        board = Board.initial(size)
        for action in opening:
            board = board.play(action)
        assert len(opening) == plies and not board.is_over


def test_openings_differ_while_there_are_positions() -> None:
    positions = {
        tuple(Board.initial().replay(opening))[-1] for opening in random_openings(40, 4, seed=1)
    }
    assert len(positions) == 40
    assert len(random_openings(9, 1)) == 9  # there are four first moves
    assert random_openings(100, 0, size=6) == ((),) * 100  # and one start


def test_an_opening_that_cannot_be_is_an_error() -> None:
    with pytest.raises(ConfigError, match="opening plies"):
        play_match("random", "random", MatchSettings(2, opening_plies=61))


def test_openings_may_hold_a_pass() -> None:
    result = play_match("random", "random", MatchSettings(40, seed=2, opening_plies=52))
    assert all(
        game.termination == "score" and game.moves.startswith(game.opening) for game in result.games
    )
    assert {len(game.opening) // 2 for game in result.games} > {52}


def test_pairs_share_an_opening_and_swap_colours() -> None:
    result = play_match("greedy", "random", MatchSettings(11, seed=3, opening_plies=6))
    assert [game.number for game in result.games] == list(range(11))
    for game in result.games:
        assert game.black == ("a", "b")[game.number % 2] and game.moves.startswith(game.opening)
        assert game.opening == result.games[game.number // 2 * 2].opening
    assert len({game.opening for game in result.games}) == 6 == result.openings
    assert len({seed for game in result.games for seed in game.seeds.values()}) == 22


def test_openings_can_be_fewer_than_pairs() -> None:
    result = play_match("random", "random", MatchSettings(12, openings=2, seed=3))
    assert len({game.opening for game in result.games}) == 2
    assert len({game.moves for game in result.games}) == 12


@pytest.mark.parametrize("size", [4, 6, 8])
def test_every_record_replays_to_its_score_and_winner(size: int) -> None:
    result = play_match(
        "alphabeta:1", "random", MatchSettings(20, seed=size, size=size, opening_plies=2)
    )
    for game in result.games:
        *_, board = Board.initial(size).replay(parse_moves(game.moves, size))
        assert board.is_over and board.score() == game.score and game.termination == "score"
        black_won = {Outcome.BLACK_WINS: True, Outcome.WHITE_WINS: False, Outcome.DRAW: None}[
            board.outcome
        ]
        expected = None if black_won is None else "a" if black_won == (game.black == "a") else "b"
        assert game.winner == expected
        assert format_moves(parse_moves(game.opening, size), size) == game.opening
    assert result.wins + result.draws + result.losses == 20
    assert result.points == sum(game.points for game in result.games) == sum(result.pairs)


def test_a_match_repeats_for_its_seed_and_however_many_games_are_played_at_once() -> None:
    search = SearchPlayer(DiscCount(6), 6, solve_empties=6)
    for a, b in (
        ("random", "greedy"),
        (search, "random"),
        (PolicyPlayer(DiscCount(6)), "alphabeta:2"),
    ):
        together = play_match(a, b, MatchSettings(10, seed=5, size=6))
        alone = play_match(a, b, MatchSettings(10, seed=5, size=6, parallel=1))
        assert timeless(together) == timeless(alone)
        assert timeless(play_match(a, b, MatchSettings(10, seed=6, size=6))) != timeless(together)


def test_reports_are_json_with_seeds_hashes_and_games(tmp_path: Path) -> None:
    heard: list[MatchGame] = []
    player = SearchPlayer(DiscCount(4), 5, checkpoint="ab" * 32)
    result = play_match(player, "random", MatchSettings(6, seed=9, size=4), on_game=heard.append)
    assert sorted(game.number for game in heard) == list(range(6))
    report = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert report["checkpoints"] == {"a": "ab" * 32, "b": None} and report["seed"] == 9
    assert [record["number"] for record in report["records"]] == list(range(6))
    assert report["wins"] + report["draws"] + report["losses"] == report["games"] == 6
    result.write(tmp_path / "match.jsonl")
    head, *games = [
        json.loads(line) for line in (tmp_path / "match.jsonl").read_text("utf-8").splitlines()
    ]
    assert head["type"] == "match" and head["points"] == result.points and len(games) == 6
    assert all(game["type"] == "game" and set(game["seeds"]) == {"a", "b"} for game in games)


def test_a_clean_sweep_is_still_json() -> None:
    result = play_match("alphabeta:4", "random", MatchSettings(4, seed=2))
    assert result.points == 4
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["elo"] is None


@pytest.mark.parametrize(
    "settings",
    [
        {"games": 0},
        {"games": -1},
        {"games": 10**9},
        {"openings": 0},
        {"opening_plies": -1},
        {"parallel": 0},
        {"move_timeout": 0},
        {"adjudicate": 21},
        {"adjudicate": -1},
        {"move_timeout": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="accepted are"):
        play_match("random", "random", MatchSettings(**settings))  # type: ignore[arg-type]


def test_a_bad_spec_or_size_is_refused_before_any_game() -> None:
    with pytest.raises(ParseError):
        play_match("random", "nobody")
    with pytest.raises(ParseError, match="4, 6 and 8"):
        play_match("random", "random", MatchSettings(size=5))


def test_adjudicated_games_stop_early_with_the_score_of_best_play() -> None:
    result = play_match("greedy", "random", MatchSettings(6, seed=4, adjudicate=9))
    perfect = play_match(
        *(SearchPlayer(DiscCount(8), 1, solve_empties=9) for _ in "ab"),
        MatchSettings(games=2, seed=4, adjudicate=9),
    )
    for game in (*result.games, *perfect.games):
        *_, board = Board.initial().replay(parse_moves(game.moves))
        solution = solve(board.pass_turn() if board.must_pass else board)
        assert game.termination == "adjudicated" and solution is not None and board.empties == 9
        assert abs(game.score or 0) == abs(solution.score)
        while not board.is_over:
            answer = solve(board)
            assert answer is not None
            board = board.play(answer.best[0])
        assert board.score() == game.score
    assert result.forfeits == {"a": {}, "b": {}}


def test_a_sequential_test_ends_a_clear_match_early() -> None:
    result = play_match(
        "alphabeta:3",
        "random",
        MatchSettings(400, seed=1, parallel=20, sequential=SequentialTest(0, 50)),
    )
    assert result.decision is Decision.STRONGER and len(result.games) < 200


MISDEEDS = {
    "hang": "timeout", "deaf": "timeout", "unfinished": "timeout", "drip": "timeout", "parent": "timeout",
    "crash": "crash", "stillborn": "crash", "closed": "crash", "illegal": "illegal move", "pass": "illegal move",
    "nonsense": "protocol", "no sign": "protocol", "error": "protocol", "flood": "protocol", "one line": "protocol",
    "resign": "resigned",
}  # fmt: skip


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_an_engine_that_fails_loses_in_time_and_leaves_nothing_behind(
    misdeed: str, tmp_path: Path
) -> None:
    spec = bad_engine(tmp_path, misdeed)
    others = psutil.Process().children()  # of other tests: a web server, a browser
    timeout = 1.0 if MISDEEDS[misdeed] == "timeout" else 20.0
    result = play_match("random", spec, MatchSettings(2, move_timeout=timeout))
    assert result.wins == 2 and result.forfeits == {"a": {}, "b": {MISDEEDS[misdeed]: 2}}
    for game in result.games:
        assert (
            game.score is None
            and game.winner == "a"
            and 0 < len(game.reason) < 200
            and "\n" not in game.reason
        )
        answers = (
            1 if misdeed == "deaf" else 2
        )  # the others first start, which may take as long as an answer may
        assert game.seconds < answers * timeout + 0.5
    commands = [str(process.info["cmdline"]) for process in psutil.process_iter(["cmdline"])]
    assert not any(str(tmp_path) in command for command in commands)
    assert set(psutil.Process().children()) <= set(others)


def test_the_children_of_an_engine_die_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    process = EngineProcess(f"sh -c 'sleep 1000 & echo $! > {note}; echo; wait'")
    process.read_line(time.monotonic() + 5, "")
    child = int(note.read_text("utf-8"))
    process.close()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not process.alive


def test_a_dropped_engine_is_killed_by_the_garbage_collector() -> None:
    process = EngineProcess("sleep 1000")
    pid = process.pid
    del process
    assert not psutil.pid_exists(pid)


def test_an_engine_that_does_not_read_is_given_up_at_the_deadline() -> None:
    process = EngineProcess("sleep 1000")
    deadline = time.monotonic() + 0.3
    with pytest.raises(EngineFailure) as raised:
        for _ in range(100):
            process.send("x" * 10_000, deadline)
    assert raised.value.failure is Failure.TIMEOUT


def test_commands_never_meet_a_shell(tmp_path: Path) -> None:
    process = EngineProcess(f"echo $HOME; touch {tmp_path}/made `id` | cat")
    line = process.read_line(time.monotonic() + 5, "")
    assert line == f"$HOME; touch {tmp_path}/made `id` | cat"
    process.close()
    assert not (tmp_path / "made").exists()


def test_an_endless_line_costs_no_memory() -> None:
    own = psutil.Process()
    others = own.children()
    process = EngineProcess("head -c 1000000000 /dev/zero")
    before = own.memory_info().rss
    with pytest.raises(EngineFailure, match="65536 bytes"):
        process.read_line(time.monotonic() + 10, "genmove")
    assert own.memory_info().rss - before < 4 << 20 and set(own.children()) <= set(others)


def test_a_gtp_player_follows_games_move_by_move(tmp_path: Path) -> None:
    player = GtpPlayer(bad_engine(tmp_path, "none").removeprefix("gtp:"), 5.0)
    with pytest.raises(ValueError, match="new_game"):
        player.watch(19)
    player.new_game()
    with pytest.raises(ValueError, match="watch"):
        player.move(Board.initial().play("f5"))
    player.close()


def test_an_nboard_engine_that_dies_loses() -> None:
    player = NBoardPlayer("true", 5.0)
    with pytest.raises(EngineFailure) as raised:
        player.new_game()
    assert raised.value.failure is Failure.CRASH


def test_a_program_that_may_not_run_is_no_player(tmp_path: Path) -> None:
    (tmp_path / "engine").write_text("no program")
    os.chmod(tmp_path / "engine", 0o755)
    with pytest.raises((ParseError, EngineFailure)):
        play_match("random", f"gtp:{tmp_path}/engine", MatchSettings(2, move_timeout=1.0))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ParseError, match="no program"):
        play_match("random", f"gtp:{tmp_path}/folder", MatchSettings(2))


def test_the_arena_needs_neither_streamlit_nor_torch_for_simple_players() -> None:
    program = (
        "import sys; from othello.strength.arena import MatchSettings, play_match; "
        "play_match('greedy', 'random', MatchSettings(2));"
        "sys.exit(any(name in sys.modules for name in ('torch', 'streamlit', 'pygame')))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], timeout=120, cwd=Path(__file__).parents[3]
        ).returncode
        == 0
    )
