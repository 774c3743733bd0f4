"""The pages as scripts, without a browser: every page runs, settings take effect, errors become boxes."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.explain.ask import explain
from app.explain.composites import DEFAULT_COMPOSITE
from app.game.session import Session
from app.present.film import frames, stands
from othello.network.checkpoint import info, locate
from othello.rules.board import Board
from othello.search.search import C_PUCT, Search, SearchResult
from othello.training.manifest import State, write_state
from othello.training.replay import write_samples
from othello.training.selfplay import Samples

pytest.importorskip("streamlit")
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from app.web import turns
from app.web.state import plain
from app.web.views.export import film
from app.web.views.inspect.save import as_command, as_csv, as_npz, as_python
from app.web.views.options import reading

ROOT = Path(__file__).parents[3]
MAIN = str(ROOT / "app" / "web" / "main.py")
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "f5" * 3000,
    "{{7*7}}",
    "![x](http://example.org/x.png)",
    "\x00\x01",
    "f5 d6 \u202e c3",
    "X" * 66,
    "-" * 63 + "Q",
    "'; DROP TABLE games; --",
    "../../etc/passwd",
    "${jndi:ldap://x}",
]


def view(module: str, **state: Any) -> AppTest:
    """A page run on its own, with session state."""
    source = f"from app.web.views import {module}\n{module}.page()\n"
    test = AppTest.from_string(source, default_timeout=240)
    for name, value in state.items():
        test.session_state[name] = value
    return test


def healthy(test: AppTest) -> AppTest:
    """The page after a run that raised nothing."""
    assert not test.exception, [error.value for error in test.exception]
    return test


def components(test: AppTest, name: str) -> int:
    """How many of the page's own components of that name there are."""
    return sum(name in str(getattr(element, "proto", "")) for element in _elements(test.main))


def _elements(block: Any) -> list[Any]:
    found = []
    for child in block.children.values():
        found.append(child)
        if hasattr(child, "children"):
            found.extend(_elements(child))
    return found


def test_the_entry_script_runs(model: Any) -> None:
    healthy(AppTest.from_file(MAIN, default_timeout=240).run())


def test_the_play_page_shows_a_board_a_graph_and_the_reveal_control(model: Any) -> None:
    test = healthy(view("play").run())
    assert components(test, "othello_board") >= 1 and components(test, "othello_graph") == 1
    assert not test.error and test.session_state["game"].board == Board.initial()


def test_an_explanation_with_ledger_and_bias_map_appears_after_the_reply(model: Any) -> None:
    test = healthy(view("play").run())
    game = test.session_state["game"]
    game.play("f5")
    healthy(test.run())
    assert game.length == 2 and game.human_to_move  # the agent has replied in the same run
    healthy(test.run())
    assert components(test, "othello_board") == 3 and components(test, "othello_ledger") == 1
    headline, account = (
        "\n".join(text.value for text in texts) for texts in (test.markdown, test.caption)
    )
    assert "Most weight" in headline and "biases" not in headline
    assert "biases that this board switches on" in account or "pull in opposite" in account


def test_never_hides_every_hint(model: Any) -> None:
    test = view("play", reveal="Never").run()
    game = healthy(test).session_state["game"]
    game.play("f5")
    healthy(test.run())
    healthy(test.run())
    assert components(test, "othello_ledger") == 0 and components(test, "othello_moves") == 0
    assert not any("%" in text.value for text in [*test.markdown, *test.caption])


@pytest.mark.parametrize("question", ["Value", "A move", "X rather than Y", "Q after search"])
@pytest.mark.parametrize("reveal", ["After my move", "Always"])
def test_every_question_has_an_answer(question: str, reveal: str, model: Any) -> None:
    test = view("play", reveal=reveal, question=question).run()
    healthy(test).session_state["game"].play("f5")
    healthy(test.run())
    healthy(test.run())
    assert not test.error and components(test, "othello_ledger") == 1


def test_undo_redo_and_a_new_game_by_the_buttons(model: Any) -> None:
    test = healthy(view("play").run())
    game = test.session_state["game"]
    game.play("f5")
    healthy(test.run())
    healthy(test.run())
    healthy(test.button(key="undo").click().run())
    assert game.cursor == 0
    healthy(test.button(key="redo").click().run())
    assert game.cursor == 2
    test.text_input(key="start_text").set_value("f5d6c3")
    healthy(test.button(key="start").click().run())
    assert game.transcript.startswith("f5d6c3")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_an_error_box_and_the_game_stays(text: str, model: Any) -> None:
    test = healthy(view("play").run())
    game = test.session_state["game"]
    game.open("f5d6", seat="both")
    test.text_input(key="start_text").set_value(text[:4000])
    healthy(test.button(key="start").click().run())
    assert game.transcript == "f5d6" and len(test.error) == 1
    shown = test.error[0].value
    assert "accepted" in shown or "illegal" in shown
    assert not re.search(
        r"(?<!\\)[<!\[]", shown
    )  # Markdown shows what a backslash precedes as it is


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_link_gives_an_error_box_and_a_new_game(text: str, model: Any) -> None:
    test = view("play")
    test.query_params["moves"] = text
    healthy(test.run())
    assert test.session_state["game"].transcript == "" and len(test.error) == 1


@pytest.mark.parametrize(
    "text", ["http://a.example", "www.a.example", "a@b.example", ":material/delete:", "-> --"]
)
def test_what_streamlit_rewrites_after_markdown_is_parted_by_a_letter_that_does_not_show(
    text: str,
) -> None:
    shown = plain(text).replace("\\", "")
    assert shown.replace("\u2060", "") == text and not re.search(r":[/a-z]|www\.|@\w|->|--", shown)


def test_a_link_reproduces_the_game(model: Any) -> None:
    test = view("play")
    test.query_params["moves"], test.query_params["seat"], test.query_params["ply"] = (
        "f5d6c3",
        "both",
        "1",
    )
    game = healthy(test.run()).session_state["game"]
    assert game.length == 3 and game.cursor == 1 and game.seat == "both"


def test_the_inspect_page_explains_the_gallery(model: Any) -> None:
    from app.web.gallery import GALLERY

    test = healthy(view("inspector").run())
    for name in GALLERY:
        healthy(test.selectbox(key="i_gallery").set_value(name).run())
        assert not test.error and str(test.session_state["inspected"]) == str(
            Board.parse(GALLERY[name])
        )
        with_change = bool(
            test.session_state["inspected"].legal_moves()
        )  # "Before and after" has one of its own
        assert components(test, "othello_ledger") == 1 + with_change


@pytest.mark.parametrize("tool", ["X", "O", "-"])
def test_editing_puts_what_the_tool_says(tool: str) -> None:
    from app.web.views.inspect.tools import with_content

    for square in range(64):
        changed = with_content(Board.initial(), square, tool)
        assert str(changed)[square] == tool
        assert with_content(changed, square, str(Board.initial())[square]) == Board.initial()


def test_a_map_can_be_pinned_and_compared(model: Any) -> None:
    test = healthy(view("inspector").run())
    before = components(test, "othello_board")
    healthy(test.button(key="i_pin").click().run())
    healthy(test.selectbox(key="i_composite").set_value("EpsilonPlusFlat").run())
    assert components(test, "othello_board") == before + 3


def test_a_pasted_game_file_can_be_walked_through(model: Any) -> None:
    test = healthy(view("inspector").run())
    test.text_area(key="i_paste").set_value("(;GM[2]FF[4]SZ[8]PB[<b>x</b>]PW[y];B[f5];W[d6];B[c3])")
    healthy(test.button(key="i_open").click().run())
    healthy(test.button(key="i_take").click().run())
    assert test.session_state["inspected"] == Board.parse("f5d6c3")
    assert not any("<b>" in text.value for text in test.caption)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_on_the_inspect_page_leaves_the_position(text: str, model: Any) -> None:
    test = healthy(view("inspector").run())
    test.text_area(key="i_paste").set_value(text)
    healthy(test.button(key="i_open").click().run())
    assert test.session_state["inspected"] == Board.initial() and len(test.error) == 1


def test_the_search_page_explains_the_q_of_a_move(model: Any) -> None:
    test = healthy(view("search", s_simulations=50).run())
    assert components(test, "othello_moves") == 0  # nothing is searched unasked
    healthy(test.button(key="s_search").click().run())
    assert test.session_state["s_puct"] == C_PUCT  # the search as the agent makes it
    assert (
        not test.error
        and components(test, "othello_moves") == 1
        and components(test, "othello_ledger") == 1
    )


def test_what_q_rests_on_is_worked_out_once_and_ends_where_the_page_is_left(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, batches = DeltaGenerator.progress, []

    def heard(bar: DeltaGenerator, share: float, text: str) -> DeltaGenerator:
        if text.startswith("explaining"):
            batches.append(text)
            if len(batches) == 2:
                st.stop()  # as a click on another page does
        return told(bar, share, text)

    monkeypatch.setattr(DeltaGenerator, "progress", heard)
    test = healthy(view("search", s_simulations=400, s_puct=1.3).run())
    healthy(test.button(key="s_search").click().run())
    assert components(test, "othello_ledger") == 0 and len(batches) == 2  # cut short
    healthy(test.run())
    assert components(test, "othello_ledger") == 1
    assert batches[2:] == batches[:2] + batches[4:] and batches[0].startswith(
        "explaining position 1 of"
    )
    known = len(batches)
    healthy(test.slider(key="s_stage").set_value(3).run())
    healthy(test.button(key="s_play").click().run())  # sixteen runs of the page
    assert components(test, "othello_ledger") == 1 and len(batches) == known


def test_a_search_that_is_stopped_shows_what_it_had_and_one_that_is_left_goes_on(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ends = Search.run, [4, 6]

    def cut(search: Search, *positional: Any, **named: Any) -> SearchResult:
        ends[:] = [left - 1 for left in ends]
        if 0 in ends:
            st.stop()  # as a click does that comes while the page is drawn
        return run(search, *positional, **named)

    monkeypatch.setattr(Search, "run", cut)
    test = healthy(view("search", s_simulations=400).run())
    test.button(key="s_search").click().run()
    assert len(test.session_state["search_under_way"].stages) == 3
    test.run()
    assert len(test.session_state["search_under_way"].stages) == 4  # it went on where it was
    healthy(test.button(key="s_stop").click().run())
    assert "Stopped after 100 of 400 simulations." in [text.value for text in test.caption]
    assert components(test, "othello_moves") == 1 and test.session_state["s_stage"] == 3


@pytest.fixture
def run_on_disk(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of two iterations in runs/, with a game in its replay file and a ladder."""
    run = tmp_path / "runs" / "one"
    for name in ("metrics", "replay"):
        (run / name).mkdir(parents=True)
    state = State(2, 16, 900, 5000, 7200.0, "0" * 64)
    write_state(run / "state.json", state)
    (run / "metrics" / "metrics.csv").write_text(
        "iteration,games,seconds,train_policy,fresh_policy,train_value,fresh_value,fresh_value_error\n"
        "0,8,2.0,0,2.1,0,0.7,1.0\n1,8,2.0,1.9,1.8,0.6,0.6,0.9\n"
    )
    (run / "metrics" / "ladder.csv").write_text(
        "player,generation,elo,low,high,games,points\nnet,1,90,-10,190,20,11\nrandom,,0,,,20,9\n"
    )
    monkeypatch.chdir(tmp_path)
    return run


def test_the_training_page_reads_runs_on_disk(run_on_disk: Path) -> None:
    test = healthy(view("training").run())
    assert [metric.value for metric in test.metric] == ["2", "16", "900", "2.0"]
    assert not test.error


def test_the_training_page_shows_the_course_of_a_released_run_in_a_fresh_clone(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    test = healthy(view("training").run())
    assert not test.error
    run = test.selectbox(key="t_run")
    assert {"othello8-growth", "othello8-strong"} <= set(run.options)
    released = info(locate(run.value.name))
    shown = {metric.label: metric.value for metric in test.metric}
    assert shown["Generation"] == str(released["generation"])
    assert shown["Self-play games"] == f"{released['games']:,}"
    assert components(test, "othello_lines") == 5  # the ladder's is the last
    grown = [name for name in test.selectbox(key="t_b").options if "generations" in name]
    assert len(grown) >= 10 and "othello8-growth/generations/0000" in grown
    test = healthy(test.selectbox(key="t_run").select("othello8").run())
    assert not test.error and components(test, "othello_lines") == 0
    assert any("gtp-rhino" in text.value for text in test.markdown)
    test = healthy(test.selectbox(key="t_run").select("othello8-twin").run())
    assert not test.metric and any("othello8, generation 201" in t.value for t in test.markdown)


def test_two_checkpoints_are_compared_on_one_board(model: Any) -> None:
    test = healthy(view("training").run())
    first, second = test.selectbox(key="t_a"), test.selectbox(key="t_b")
    assert {"othello6", "othello8", "othello8-strong"} <= set(first.options)
    shelf = {name for name in second.options if "generations" not in name}
    assert shelf == {"othello8", "othello8-growth", "othello8-strong", "othello8-twin"}
    six = next(path for path in first.options if path == "othello6")
    test = healthy(first.select(six).run())
    assert test.selectbox(key="t_b").options == ["othello6"]


def test_a_match_of_two_checkpoints_waits_for_its_turn(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    @contextmanager
    def counted() -> Iterator[None]:
        taken.append(1)
        yield

    monkeypatch.setattr(turns, "searching", counted)
    test = healthy(view("training").run())
    test = healthy(test.selectbox(key="t_a").select("othello6").run())
    healthy(test.button(key="t_game").click().run())
    assert taken == [1] and any("50 simulations a move" in text.value for text in test.caption)


DAMAGED = {
    "state": ("state.json", b"{"),
    "state of nothing": ("state.json", b"[]"),
    "state of words": ("state.json", b'{"iteration": "many", "games": null}'),
    "metrics of words": ("metrics/metrics.csv", b"iteration,games\n0,many\n"),
    "metrics short": ("metrics/metrics.csv", b"iteration,games,seconds\n0,3\n"),
    "metrics of bytes": ("metrics/metrics.csv", bytes(range(128, 256))),
    "metrics empty": ("metrics/metrics.csv", b""),
    "ladder of words": ("metrics/ladder.csv", b"player,elo,low,high,games\nnet,good,1,2,3\n"),
    "ladder short": ("metrics/ladder.csv", b"player,elo,low,high,games\nnet,5\n"),
    "ladder of bytes": ("metrics/ladder.csv", bytes(range(128, 256))),
    "replay of bytes": ("replay/0001.npz", bytes(range(256))),
    "replay empty": ("replay/0001.npz", b""),
    "replay a folder": ("replay/0001.npz", None),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_bad_file_of_a_run_is_one_error_box_that_names_it(run_on_disk: Path, case: str) -> None:
    name, data = DAMAGED[case]
    if data is None:
        (run_on_disk / name).mkdir()
    else:
        (run_on_disk / name).write_bytes(data)
    test = healthy(view("training").run())
    assert len(test.error) == 1
    assert Path(name).name in test.error[0].value.replace("\\", "")


def test_a_replay_file_of_another_board_is_an_error_box(run_on_disk: Path) -> None:
    rows: dict[str, Any] = {name: np.zeros(2) for name in Samples._fields}
    types = zip(Samples._fields, ("u8", "u8", "f2", "i1", "i1", "f2", "i4"))
    columns = {name: rows[name].astype(kind) for name, kind in types}
    columns["policy"] = np.zeros((2, 50), np.float16)
    write_samples(run_on_disk / "replay" / "0001.npz", Samples(**columns))
    test = healthy(view("training").run())
    assert len(test.error) == 1 and "50 actions" in test.error[0].value


def test_what_is_copied_gives_the_explanation_again(model: Any, tmp_path: Path) -> None:
    board = Board.parse("f5d6c3d3")
    name = "EpsilonPlus,stem=Gamma:0.25/ignore"
    found = explain(model, board, "policy:c4", composite=name, bias="sink")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = shlex.split(as_command(found))
    assert words[0] == "othello"
    command = [
        sys.executable,
        "-c",
        "import sys; from app.cli import main; main(sys.argv[1:])",
        *words[1:],
    ]
    said = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout
    again = json.loads(said)
    assert again["target"] == pytest.approx(found.value, abs=1e-6)
    assert np.allclose(again["squares"], found.squares, atol=1e-6) and again["composite"] == name

    script = as_python(found) + "\nimport json; print('JSON' + json.dumps(found.to_dict()))"
    run = [sys.executable, "-c", script]
    said = subprocess.run(
        run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert np.allclose(json.loads(said.partition("JSON")[2])["squares"], found.squares, atol=1e-6)


def test_a_saved_archive_holds_what_is_shown_and_needs_no_pickle(model: Any) -> None:
    found = explain(model, Board.parse("f5d6c3"), "value")
    with np.load(io.BytesIO(as_npz(found)), allow_pickle=False) as stored:
        assert (
            np.array_equal(stored["squares"], found.squares)
            and float(stored["target"]) == found.value
        )
        assert np.allclose(
            sum(stored[f"plane/{name}"] for name in found.planes), found.squares, atol=1e-6
        )
        assert dict(zip(stored["bias_layers"].tolist(), stored["bias"].tolist())) == found.bias
        assert stored["of"].tolist()[:2] == ["value", str(found.board)]
    rows = as_csv(found).splitlines()
    assert len(rows) == 65 and rows[0].startswith("square,content,relevance,")
    assert sum(float(row.split(",")[2]) for row in rows[1:]) == pytest.approx(
        found.squares.sum(), abs=1e-6
    )


def test_a_link_with_layer_rules_reopens_them(model: Any) -> None:
    test = view("inspector")
    test.query_params["position"], test.query_params["target"] = str(Board.parse("f5d6c3")), "value"
    test.query_params["composite"], test.query_params["bias"] = (
        "EpsilonPlus,stem=Gamma:0.25/ignore",
        "uniform",
    )
    healthy(test.run())
    assert (
        not test.error
        and test.session_state["address"]["composite"] == "EpsilonPlus,stem=Gamma:0.25/ignore"
    )
    healthy(test.button(key="i_clear").click().run())
    assert test.session_state["address"]["composite"] == "EpsilonPlus" and not test.error


def test_a_link_with_a_layer_rule_that_is_none_gives_an_error_box(model: Any) -> None:
    for text in ("EpsilonPlus,stem=<b>x</b>", "EpsilonPlus,nolayer=Flat"):
        test = view("inspector")
        test.query_params["composite"] = text
        healthy(test.run())
        assert len(test.error) == 1 and not re.search(r"(?<!\\)[<\[]", test.error[0].value)


def test_a_layer_gets_its_own_rule_by_the_widgets(model: Any) -> None:
    test = healthy(view("inspector").run())
    healthy(test.selectbox(key="i_rule_stem").set_value("Gamma").run())
    assert test.session_state["address"]["composite"] == f"{DEFAULT_COMPOSITE},stem=Gamma:0.25"
    healthy(test.selectbox(key="i_mode_stem").set_value("ignore").run())
    composite = test.session_state["address"]["composite"]
    assert composite == f"{DEFAULT_COMPOSITE},stem=Gamma:0.25/ignore" and not test.error


@pytest.fixture
def small_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small random networks for 6×6 and 4×4, in which the page runs."""
    import streamlit as st
    import torch

    from othello.network import checkpoint
    from othello.network.architecture import Architecture, Network

    torch.manual_seed(1)
    for size in (6, 4):
        network = Network(Architecture(size=size, blocks=1, channels=8)).eval()
        checkpoint.save(network, tmp_path / "checkpoints" / f"small{size}", {"generation": 0})
    monkeypatch.chdir(tmp_path)
    st.cache_data.clear()
    return tmp_path


def test_small_boards_are_played_explained_and_linked_where_a_checkpoint_is_there(
    model: Any, small_boards: Path
) -> None:
    test = healthy(view("play").run())
    assert set(test.session_state["game"].model.meta) and test.session_state["game"].start.size == 8
    for size in (6, 4):
        test.session_state["size"] = size
        healthy(test.button(key="start").click().run())
        game = test.session_state["game"]
        assert game.board == Board.initial(size) and game.model.size == size and not test.error
        game.play(game.board.legal_moves()[0])
        healthy(test.run())
        assert (
            game.length >= 2
            and game.human_to_move
            and test.session_state["address"]["size"] == str(size)
        )
        assert components(test, "othello_ledger") == 1 and not test.error
    linked = view("play")
    linked.query_params["size"], linked.query_params["moves"] = "6", "e4"
    assert healthy(linked.run()).session_state["game"].transcript.startswith("e4")
    assert linked.session_state["game"].start == Board.initial(6)
    inspected = view("inspector")
    inspected.query_params["position"] = str(Board.initial(6))
    healthy(inspected.run())
    assert not inspected.error and inspected.session_state["inspected"] == Board.initial(6)
    assert components(inspected, "othello_ledger") == 2  # of the value and of what a move changes


def test_a_small_board_without_a_checkpoint_is_refused(model: Any) -> None:
    from app.web import state

    test = healthy(view("inspector").run())
    offered = state.sizes()
    for size in (4, 6):
        if size not in offered:
            test.text_area(key="i_paste").set_value(str(Board.initial(size)))
            healthy(test.button(key="i_open").click().run())
            assert len(test.error) == 1 and test.session_state["inspected"].size == 8


def test_a_program_that_dies_is_reported_and_the_agent_plays_on(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHELLO_ENGINES", "Shell=gtp:sh -c 'exit 3'")
    test = healthy(view("play", opponent="gtp:sh -c 'exit 3'").run())
    game = test.session_state["game"]
    assert game.opponent == "gtp:sh -c 'exit 3'"
    game.play("f5")
    healthy(test.run())
    assert len(test.error) == 1 and "Shell" not in game.opponent and game.opponent == "agent"
    assert "agent plays on" in test.error[0].value and game.length == 2 and game.human_to_move


def test_the_page_starts_no_program_that_the_operator_did_not_name(
    model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OTHELLO_ENGINES", raising=False)
    trace = tmp_path / "started"
    test = healthy(view("play", opponent=f"gtp:touch {trace}").run())
    test.query_params["opponent"] = f"gtp:touch {trace}"
    game = test.session_state["game"]
    game.play("f5")
    healthy(test.run())
    assert game.opponent == "agent" and game.length == 2 and not trace.exists()


def test_a_move_follows_settings_that_were_changed_in_the_same_moment(model: Any) -> None:
    test = healthy(view("play").run())
    test.session_state["opponent"], test.session_state["simulations"] = "greedy", 16
    game = test.session_state["game"]
    game.play("f5")
    healthy(test.run())
    assert (
        game.opponent == "greedy" and game.strength.simulations == 16 and game.search_of(1) is None
    )


def test_the_film_keeps_one_side_and_one_scale(model: Any) -> None:
    game = Session(model, seat="both")
    game.open("f5d6c3d3c4f4f6f3e6e7d7g6", seat="both")
    strip = Image.open(io.BytesIO(film(game, reading())))
    pictures = list(frames(game.line, "X", 4.8))
    assert strip.n_frames == len(pictures)
    for number, frame in enumerate(pictures):
        ply = frame.ply
        if frame.phase < 1 or not stands(game.board_at(ply), "X"):
            continue  # only what stands still is an explanation
        relevance = game.explain(ply).squares
        strip.seek(number)
        pixels = np.asarray(strip.convert("RGB"), int)
        board = game.board_at(ply)
        empty = [s for s in range(64) if str(board)[s] == "-"]
        square = max(empty, key=lambda s: abs(relevance.flat[s]))
        red, _, blue = pixels[20 + 40 * (square // 8) + 6, 20 + 40 * (square % 8) + 20]
        assert np.sign(red - blue) == np.sign(relevance.flat[square]), ply
