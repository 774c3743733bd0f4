"""Our engine by Cassio's protocol: searches, exact values, passes, ends, stops, and one error for whatever is wrong."""

from __future__ import annotations

import random
import re
import shlex
import subprocess
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from othello.errors import ParseError
from othello.network import checkpoint
from othello.players.agent import SearchPlayer
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.disc_count import DiscCount
from othello.serve.cassio import CassioServer, main
from othello.solver.solver import solve
from tests.othello.engines.programs import our_engine
from tests.othello.networks import lively_network
from tests.othello.positions import position_with_empties

ANSWER = re.compile(
    r"([XO-]{64}[XO]), move (--|[a-h][1-8]|[A-H][1-8]|PA|pa), depth (\d+), @(73|100)%, "
    r"([BW])([+-]\d+\.\d\d) <= v <= ([BW])([+-]\d+\.\d\d), ([A-Ha-hPp1-8]*), node (\d+), time \d+\.\d{3}"
)


def cassio(simulations: int = 20) -> tuple[CassioServer, list[str]]:
    said: list[str] = []
    player = SearchPlayer(DiscCount(8), simulations, solve_empties=8)
    return CassioServer(player, said.append), said


def letters(board: Board) -> str:
    return str(board).replace(" ", "")


def asked(server: CassioServer, said: list[str], command: str) -> re.Match[str]:
    """The one answer to a search."""
    said.clear()
    server.handle(f"ENGINE-PROTOCOL {command}")
    assert len(said) == 2 and said[1] == "ready.", said
    found = ANSWER.fullmatch(said[0])
    assert found is not None, said[0]
    return found


def replayed(board: Board, line: str) -> Board:
    """Where a line leads; the letters' case must be that of its movers."""
    for at in range(0, len(line), 2):
        name = line[at : at + 2]
        if board.must_pass and name.lower() != "pa":
            board = board.pass_turn()
        assert name.isupper() == (board.side == "X")
        board = board.pass_turn() if name.lower() == "pa" else board.play(name.lower())
    return board


def test_a_session_of_small_commands() -> None:
    server, said = cassio()
    for command in ("init", "new-position", "stop", "get-search-infos"):
        server.handle(f"ENGINE-PROTOCOL {command}")
        assert said == ["ready."], command
        said.clear()
    server.handle("")
    server.handle("ENGINE-PROTOCOL get-version")
    assert said[0] == "ready." and said[1].startswith("version: Othello-LRP ") and len(said) == 3
    said.clear()
    for command in ("empty-hash", f"feed-hash {letters(Board.initial())} -2 2 10 73 F5d6"):
        server.handle(f"ENGINE-PROTOCOL {command}")
    assert said == [] and not server.done
    server.handle("ENGINE-PROTOCOL quit")
    assert said == ["bye bye."] and server.done


@pytest.mark.parametrize("between", ["", " "])
def test_a_midgame_search_names_its_position_move_and_line(between: str) -> None:
    server, said = cassio()
    board = Board.parse("f5d6c3")
    text = f"{letters(board)[:64]}{between}{board.side}"
    found = asked(server, said, f"midgame-search {text} -64.00 64.00 10 73")
    assert found[1] == letters(board) and found[3] == "10" and found[4] == "73"
    assert found[2].lower() in map(square_name, board.legal_moves()) and found[9].startswith(
        found[2]
    )
    assert found[5] == found[7] == "W" and found[6] == found[8]
    replayed(board, found[9])
    deeper = asked(server, said, f"midgame-search {text} -64 64 40 73")
    assert int(deeper[10]) >= int(found[10])


def test_endgames_are_exact_through_passes_and_to_the_end() -> None:
    server, said = cassio()
    source = random.Random(5)
    passes = 0
    for _ in range(60):
        board = position_with_empties(source, source.randrange(1, 9))
        solution = solve(board)
        for command in ("endgame-search {} -64 64 100", "midgame-search {} -64 64 20 100"):
            found = asked(server, said, command.format(letters(board)))
            sides = ("B", "W") if board.side == "X" else ("W", "B")
            assert float(found[6]) == float(found[8]) == solution.score
            assert found[5] == sides[0] and found[4] == "100" and int(found[3]) == board.empties
        end = replayed(board, asked(server, said, f"endgame-search {letters(board)} -64 64 100")[9])
        assert end.is_over and end.score() == (1 if board.side == "X" else -1) * solution.score
        passes += board.must_pass
    assert passes >= 1


@pytest.mark.parametrize(
    "line, words",
    [
        ("ENGINE-PROTOCOL", "unknown line"),
        ("ENGINE-PROTOCOL go", "unknown line"),
        ("ENGINE-PROTOCOL midgame-search", "accepted are 64"),
        ("ENGINE-PROTOCOL endgame-search ---X -64 64 100", "accepted are 64"),
        (f"ENGINE-PROTOCOL midgame-search {letters(Board.initial())} a b", "numbers"),
        (f"ENGINE-PROTOCOL midgame-search {letters(Board.initial())} -1 nan 3 73", "numbers"),
        (
            f"ENGINE-PROTOCOL midgame-search {letters(Board.initial())} -1 1 99 73",
            "accepted are 0..60",
        ),
        (f"ENGINE-PROTOCOL endgame-search {letters(Board.initial())} 1 2 3 4", "at most 3"),
    ],
)
def test_what_is_wrong_gets_one_error_and_the_engine_is_ready(line: str, words: str) -> None:
    server, said = cassio()
    server.handle(line)
    assert len(said) == 2 and said[0].startswith("ERROR: ") and words in said[0]
    assert said[1] == "ready."


@given(st.text(max_size=200))
def test_no_line_of_another_protocol_is_more_than_an_error(line: str) -> None:
    server, said = cassio()
    server.handle(line)
    assert said in (["ready."], said[:1]) and all("\n" not in word for word in said)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ParseError, match="8×8"):
        main(size=6)


def test_our_process_stops_a_search_of_hours_and_solver_and_tells_how_it_goes(
    tmp_path: Path,
) -> None:
    checkpoint.save(lively_network(size=8, blocks=1, channels=8), tmp_path / "weights")
    command = our_engine("cassio", tmp_path / "weights", 10**7)
    with subprocess.Popen(
        shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin and process.stdout

        def said(line: str) -> str:
            return _line(process.stdin, process.stdout, line)

        start = letters(Board.initial())
        assert said("init") == "ready."
        for search in (
            f"midgame-search {start} -64 64 10 73",
            f"endgame-search {start} -64 64 100",
        ):
            process.stdin.write(f"ENGINE-PROTOCOL {search}\n")
            while (told := said("get-search-infos")) == "ready.":  # it has not begun
                pass
            assert re.fullmatch(r"node \d+, time \d+\.\d{3}", told)
            process.stdin.write("\n")
            assert process.stdout.readline() == "ok.\n"
            assert said("stop") == "ready."
            assert said("get-version").startswith("version: ")
            assert process.stdout.readline() == "ready.\n"
        assert said("quit") == "bye bye."
        assert process.wait(20) == 0


def _line(sink: IO[str], source: IO[str], command: str) -> str:
    sink.write(f"ENGINE-PROTOCOL {command}\n")
    return source.readline().removesuffix("\n")
