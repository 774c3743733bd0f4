"""One table of every command: what it reports as JSON, reads from standard input, writes, and says while it works."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import run
from app.commands import analysis, progress
from app.commands import review as review_command
from app.commands.progress import ProgressLine
from app.examples import EXAMPLES
from othello.network import onnx_export
from othello.network.architecture import Architecture
from othello.strength.review import MoveReview
from othello.training.config import LearnerSettings, RunConfig
from othello.training.loop import train
from othello.training.selfplay import SelfPlaySettings
from tests.app.commands.test_every_command import of

ROOT = Path(__file__).parents[3]
GAME = "f5d6c3d3c4f4f6g5e6d7"
SOLVABLE = "-XO- ---- ---- ---- X"
TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "text": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "null": (type(None),),
}


@dataclass(frozen=True)
class Row:
    """What a command promises; `{file}` is a name in an empty folder, `{run}` a run of one generation."""

    words: str  # a quick call
    document: str = ""  # that --json writes
    stdin: str = ""  # the call that reads `given` from standard input
    given: str = GAME + "\n"
    writes: str = ""  # the name of the file or folder that is not written over unasked
    long: bool = False  # may take longer than 5 s: has --quiet


TABLE = {
    "perft": Row("perft 3", "perft", "perft 3 -p -", "start\n", long=True),
    "solve": Row(f'solve "{SOLVABLE}"', "solve", "solve -", SOLVABLE + "\n", long=True),
    "analyze": Row(f"analyze {GAME} -n 8", "analyze", "analyze - -n 8", long=True),
    "explore": Row(f"explore {GAME}", "explore", "explore -", long=True),
    "explain": Row(
        f"explain {GAME} --no-symmetry --png {{file}}.png",
        "explain",
        "explain - --no-symmetry",
        writes="file.png",
        long=True,
    ),
    "bench": Row(
        f"bench {GAME} --npz {{file}}.npz",
        "bench",
        "bench -",
        writes="file.npz",
        long=True,
    ),
    "match": Row("match random greedy --games 2 --out {file}", "match", writes="file", long=True),
    "engine": Row("", "", "engine gtp -n 1", "name\nquit\n"),
    "train": Row("train --config {tiny} --run {file} --iterations 1", "iteration", long=True),
    "app": Row(""),
    "desktop": Row(
        f"desktop --game {GAME} --heat off --png {{file}}.png",
        "desktop",
        "desktop --game - --heat off --png {file}.png --json",
        writes="file.png",
        long=True,
    ),
    "convert": Row(
        "convert {games} {file}.sgf",
        "convert",
        "convert - {file}.ggf --from transcript --json",
        writes="file.sgf",
        long=True,
    ),
    "review": Row(f"review {GAME} -n 4", "review", "review - -n 4", long=True),
    "ladder": Row("ladder {run} --games 2 --size 4 --every 1", "ladder", long=True),
    "release": Row("release {run} --out {file} --games 0", "release", writes="file", long=True),
    "warm": Row("warm", "warm", long=True),
    "experiments": Row("experiments", "experiment-entry", long=True),
    "checkpoint": Row(""),
    "checkpoint info": Row("checkpoint info", "checkpoint-info"),
    "checkpoint verify": Row("checkpoint verify othello6", "checkpoint-verify"),
    "checkpoint import": Row("", "checkpoint-info", long=True),
    "checkpoint export": Row("", "checkpoint-export", long=True),
}
PIPED = (
    "solve",
    "analyze",
    "explain",
)  # JSON without being asked where standard output is no terminal
RUNS = [name for name, row in TABLE.items() if row.words and name != "warm"]
EXTRA = {  # documents of further options
    "outcome": f'solve "{SOLVABLE}" --wld',
    "why": f"explain {GAME} --why -n 8",
    "report": f"review {GAME} -n 4 --html {{file}}.html",
}


def documented() -> dict[str, dict[str, str]]:
    """{document: {field: its type}} as docs/json.md has it; a field in parentheses may be missing."""
    found: dict[str, dict[str, str]] = {}
    for part in (ROOT / "docs" / "json.md").read_text("utf-8").split("\n## ")[1:]:
        rows = re.findall(r"^\| (\(?\w+\)?) \| ([\w ]+) \|", part, re.MULTILINE)
        found[part.split("\n")[0]] = dict(rows[1:])
    return found


DOCUMENTED = documented()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one generation on 4×4."""
    settings = RunConfig(
        games=6,
        chunk=6,
        workers=1,
        network=Architecture(size=4, blocks=0, channels=4),
        selfplay=SelfPlaySettings(
            simulations=4, slots=6, solve_empties=3, label_empties=1, leaf_empties=2
        ),
        learner=LearnerSettings(batch=16),
    )
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(folder, settings, iterations=1)
    return folder


@pytest.fixture
def words(tmp_path: Path, trained: Path) -> Any:
    """Turns a line of the table into the words of a command."""
    (tmp_path / "games.txt").write_text(GAME + "\n")
    places = {
        "file": tmp_path / "file",
        "games": tmp_path / "games.txt",
        "run": trained,
        "tiny": trained / "config.toml",
    }
    return lambda line: [word.format(**places) for word in re.findall(r'"[^"]*"|\S+', line)]


def called(line: list[str]) -> int:
    return run([word.strip('"') for word in line])


def check(document: str, found: dict[str, Any]) -> None:
    """A document has the fields that docs/json.md lists, of their types, and no others."""
    fields = DOCUMENTED[document]
    assert found.pop("document") == document and found.pop("schema") == 1
    needed = {name for name in fields if not name.startswith("(")}
    allowed = {name.strip("()") for name in fields}
    assert needed <= found.keys()
    if not document.startswith("checkpoint-"):  # whose writer adds what it likes
        assert found.keys() <= allowed
    for name, value in found.items():
        kinds = fields.get(name) or fields.get(f"({name})")
        if kinds is not None:
            accepted = [_accepted(kind) for kind in kinds.split(" or ")]
            assert any(test(value) for test in accepted), (name, value)


def _accepted(kind: str) -> Any:
    """Whether a value is of a type as the page calls it."""
    if kind.startswith("array of "):
        inner = kind.removeprefix("array of ")
        each = (lambda value: isinstance(value, list)) if inner == "array" else _accepted(inner)
        return lambda value: isinstance(value, list) and all(x is None or each(x) for x in value)
    if kind in ("integer", "number"):  # of which a boolean is none
        return lambda value: isinstance(value, TYPES[kind]) and not isinstance(value, bool)
    return lambda value: isinstance(value, TYPES[kind])


def test_the_table_has_every_command_and_the_page_every_document() -> None:
    assert TABLE.keys() == EXAMPLES.keys()
    documents = {row.document for row in TABLE.values() if row.document} | EXTRA.keys()
    assert DOCUMENTED.keys() == documents | {"experiment", "experiments"}


@pytest.mark.parametrize("name", TABLE)
def test_the_help_lists_what_the_table_promises(name: str) -> None:
    row, options = TABLE[name], {option for each in of(name).params for option in each.opts}
    others = {option for each in of(name).params for option in each.secondary_opts}
    assert ("--json" in options) == ("--text" in others) == bool(row.document)
    assert ("--quiet" in options) == row.long
    assert "--force" in options or not row.writes


@pytest.mark.parametrize("name", RUNS)
def test_json_is_what_the_page_says_and_quiet_means_quiet(
    name: str, words: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    row = TABLE[name]
    assert called([*words(row.words), "--json", *(["--quiet"] if row.long else [])]) == 0
    out, err = capsys.readouterr()
    for line in out.splitlines():
        found = json.loads(line)
        for document in found if isinstance(found, list) else [found]:
            check(row.document, document)
    assert err == "" or (name == "train" and err == "done: 1 iterations, 6 games\n")


@pytest.mark.parametrize(
    "line", [*EXTRA.values(), *(TABLE[name].words for name in RUNS if TABLE[name].document)]
)
def test_text_is_text_where_nobody_watches(
    line: str, words: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called([*words(line), "--text"]) == 0
    assert capsys.readouterr().out[:1] not in ("{", "[", "")


@pytest.mark.parametrize("document", EXTRA)
def test_other_documents_are_what_the_page_says(
    document: str, words: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called([*words(EXTRA[document]), "--json"]) == 0
    check(document, json.loads(capsys.readouterr().out))


def test_an_exported_network_is_told_as_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "export", lambda loaded: (b"model", 1e-7))
    line = ["checkpoint", "export", "othello6", "--onnx", str(tmp_path / "agent.onnx"), "--json"]
    assert run(line) == 0
    check("checkpoint-export", json.loads(capsys.readouterr().out))
    assert run(line) == 2 and "--force" in capsys.readouterr().err
    assert run([*line, "--force"]) == 0


@pytest.mark.parametrize(
    "name", [name for name, row in TABLE.items() if row.stdin and name != "engine"]
)
def test_a_dash_is_standard_input(
    name: str, words: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = TABLE[name]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(row.given.encode())))
    assert called(words(row.stdin)) == 0
    out = capsys.readouterr().out
    assert out
    if name in ("review", "desktop"):
        assert all(GAME[place : place + 2] in out for place in range(0, len(GAME), 2))
    if name == "explain":
        assert json.loads(out)["position"].endswith(" X")
    assert out.startswith("{") == (name in PIPED or "--json" in row.stdin)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.writes])
def test_what_is_there_is_written_over_only_with_force(
    name: str, words: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = TABLE[name]
    file = tmp_path / row.writes
    mine = file if file.suffix or name == "match" else file / "meta.json"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    assert called(words(row.words)) == 2
    assert "--force writes over it" in capsys.readouterr().err and mine.read_text("utf-8") == "mine"
    assert called([*words(row.words), "--force"]) == 0
    assert mine.read_bytes() != b"mine"


class Terminal(io.StringIO):
    """Standard error or output that a person watches."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("colours", [True, False])
def test_no_color_is_heeded(colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", shown := Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    assert run(["explain", GAME, "--no-symmetry"]) == 0
    assert ("\x1b[" in shown.getvalue() and "48;" in shown.getvalue()) == colours
    assert "squares" in shown.getvalue()


def test_a_line_of_progress_says_how_much_is_left_and_goes_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr", shown := Terminal())
    monkeypatch.setattr(progress, "SILENT", 0.01)
    with ProgressLine("playing", 8, "games") as line:
        line.at(2, "1.5 points")
        while not shown.getvalue():
            time.sleep(0.01)
    text = shown.getvalue()
    assert re.match(r"\rplaying, 2 of 8 games, 1\.5 points, 0 s so far, 0 s left; Ctrl-C", text)
    assert text.endswith("\r" + " " * 79 + "\r")


def test_quiet_work_and_quick_work_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", shown := Terminal())
    with ProgressLine("playing", 8, quiet=True, silent=0.0) as line:
        line.say("a note")
        time.sleep(0.05)
    with ProgressLine("playing", 8) as line:
        line.at(8)
    assert shown.getvalue() == ""


def test_an_interrupted_search_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(line: ProgressLine, share: float) -> None:
        if share > 0 and not line.note:
            line.note = "once"
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ProgressLine, "within", stop)
    monkeypatch.setattr(analysis, "compiling", lambda: False)
    before = signal.getsignal(signal.SIGINT)
    assert run(["analyze", GAME, "-n", "4000", "--json"]) == 130
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert 0 < found["simulations"] < 4000
    assert err == f"error: interrupted after {found['simulations']} of 4000 simulations\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupted_review_shows_the_moves_so_far(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_moves = review_command.judge_moves

    def stopping(*given: Any) -> Any:
        def stop_at_three(move: MoveReview) -> None:
            given[-1](move)
            if move.number == 3:
                raise KeyboardInterrupt

        return judge_moves(*given[:-1], stop_at_three)

    monkeypatch.setattr(review_command, "judge_moves", stopping)
    assert run(["review", GAME, "-n", "4", "--json"]) == 130
    out, err = capsys.readouterr()
    assert len(json.loads(out)["moves"]) == 3
    assert err == "error: interrupted after 3 of 10 moves\n"


def test_an_interrupted_count_shows_the_moves_so_far(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(line: ProgressLine, done: float, note: str = "") -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "at", stop)
    assert run(["perft", "3", "--divide"]) == 130
    assert capsys.readouterr() == (
        "d3: 14\nc4: 14\n",
        "error: interrupted after 2 of 4 moves\n",
    )


def test_an_interrupted_ladder_keeps_its_matches(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ProgressLine.at

    def stop(line: ProgressLine, done: float, note: str = "") -> None:
        at(line, done, note)
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "at", stop)
    line = ["ladder", str(trained), "--games", "4", "--size", "4", "--every", "1", "--json"]
    assert run(line) == 130
    out, err = capsys.readouterr()
    assert out == "" and "interrupted; 1 matches are kept" in err and err.count("\n") == 1
    assert (trained / "metrics" / "ladder.jsonl").read_text("utf-8").count('"games": 4') == 1


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "othello", "perft", "2"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "12\n")
