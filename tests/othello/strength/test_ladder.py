"""The ladder: every generation rated, no match played twice, damage noticed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from othello.errors import CheckpointError, ConfigError, ParseError
from othello.network import checkpoint
from othello.strength.ladder import LadderSettings, climb, read_ladder
from tests.othello.networks import lively_network

SETTINGS: dict[str, Any] = {"size": 4, "games": 4, "opening_plies": 2, "every": 2}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for number in range(4):
        network = lively_network(number, size=4, blocks=1, channels=8)
        checkpoint.save(network, tmp_path / "generations" / f"{number:04d}")
    return tmp_path


def test_a_ladder_rates_generations_and_fixed_opponents_and_plays_no_match_twice(run: Path) -> None:
    played: list[dict[str, Any]] = []
    rungs = climb(
        run, LadderSettings(opponents=("random", "alphabeta:2"), **SETTINGS), on_match=played.append
    )
    assert {rung.player for rung in rungs} == {
        "random",
        "alphabeta:2",
        "net 0000",
        "net 0002",
        "net 0003",
    }
    assert {rung.generation for rung in rungs} == {None, 0, 2, 3}
    assert len(played) == 1 + 3 * 2 + 1 + 2 and all(match["games"] == 4 for match in played)
    with open(run / "metrics" / "ladder.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["player"] for row in rows] == [rung.player for rung in rungs]
    assert next(row["elo"] for row in rows if row["player"] == "random") == "0"
    digest = checkpoint.load(run / "generations" / "0002").sha256
    assert next(row["checkpoint"] for row in rows if row["generation"] == "2") == digest
    climbers = [rung.generation for rung in rungs if rung.generation is not None]
    assert int((run / "best").read_text("utf-8")) == climbers[0]

    played.clear()
    assert (
        climb(
            run,
            LadderSettings(opponents=("random", "alphabeta:2"), **SETTINGS),
            on_match=played.append,
        )
        == rungs
        and not played
    )
    climb(
        run,
        LadderSettings(opponents=("random", "alphabeta:2"), generations=[1], **SETTINGS),
        on_match=played.append,
    )
    assert {match["first"] for match in played} == {"net 0001"}


def test_an_engine_that_is_not_installed_stays_away(run: Path) -> None:
    rungs = climb(
        run, LadderSettings(opponents=("random", "gtp:no-such-engine"), generations=[0], **SETTINGS)
    )
    assert {rung.player for rung in rungs} == {"random", "net 0000"}


def test_bad_ladders_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="random must be among"):
        climb(run, LadderSettings(opponents=("greedy",), **SETTINGS))
    with pytest.raises(ParseError, match="accepted are"):
        climb(run, LadderSettings(opponents=("random", "bob"), **SETTINGS))
    with pytest.raises(ConfigError, match="net, mcts:SIMS and gumbel"):
        climb(run, LadderSettings(kind="random", **SETTINGS))
    with pytest.raises(CheckpointError, match="no such generation"):
        climb(run, LadderSettings(generations=[9], **SETTINGS))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="has no generations"):
        climb(tmp_path / "empty", LadderSettings(**SETTINGS))
    (run / "metrics").mkdir(exist_ok=True)
    (run / "metrics" / "ladder.jsonl").write_text("{half")
    with pytest.raises(ConfigError, match="damaged"):
        climb(run, LadderSettings(opponents=("random",), **SETTINGS))


def test_a_ladder_reads_back_from_its_table(run: Path) -> None:
    rungs = climb(run, LadderSettings(opponents=("random",), **SETTINGS))
    read = read_ladder(run / "metrics" / "ladder.csv")
    assert [rung.row() for rung in read] == [rung.row() for rung in rungs]


@pytest.mark.parametrize(
    "line", ["net,1,good,1,2", "net,1,5", "net,one,5,1,2", "net,1,5,1,2,3", "net,1,inf,1,2", "\xff"]
)
def test_a_damaged_table_of_a_ladder_is_refused(line: str, tmp_path: Path) -> None:
    file = tmp_path / "ladder.csv"
    file.write_text(f"player,generation,elo,low,high\n{line}\n", encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"ladder\.csv: damaged"):
        read_ladder(file)


@pytest.mark.parametrize("text", ["", "x\n", "player,generation,elo,low,high\n"])
def test_a_file_without_players_is_no_ladder(text: str, tmp_path: Path) -> None:
    file = tmp_path / "ladder.csv"
    file.write_text(text)
    with pytest.raises(CheckpointError, match=r"ladder\.csv: no players"):
        read_ladder(file)
