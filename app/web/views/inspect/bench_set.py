"""The Bench over a set: mean maps of many positions, how alike and how faithful, as a job beside the page."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import Final

import streamlit as st

from app.experiments.maps.bench import (
    QUESTIONS,
    Method,
    SetMaps,
    SetRun,
    alike,
    drawn,
    over_a_set,
    self_played,
)
from app.experiments.maps.map_clusters import MapClusters
from app.models import Model
from app.present.colormap import scale_of
from app.present.numbers import signed
from app.present.sentences import q_words
from app.web import jobs, state, widgets
from app.web.components import parts
from app.web.components.maps import Legend, Look
from app.web.views import tables
from app.web.views.inspect import files
from app.web.views.question import Pin
from othello.rules.board import Board

COUNTS: Final = (50, 100, 200, 500)  # positions of a set
SHOWN: Final = 4  # clusters that are drawn


@dataclass
class SetJob:
    """A run over a set under way or ended: its job, the command that does the same, what it found."""

    command: str
    job: jobs.Job | None = None
    found: SetRun | None = None


def draw(model: Model, here: Pin, look: Look) -> None:
    """The shown method and the pinned one over many positions: mean maps, how alike, how faithful, all as a file."""
    folder = st.expander(
        "Run over a set of positions", key="i_set", icon=":material/dataset:", on_change="rerun"
    )
    if not folder.open:
        return
    pinned: Pin | None = st.session_state.get("pin")
    pairs = [(pin.composite, pin.bias) for pin in (here, pinned) if pin is not None]
    methods = [Method(*pair) for pair in dict.fromkeys(pairs)]
    with folder, state.error_box():
        with st.container(horizontal=True, vertical_alignment="bottom"):
            sources = ["self-play", *(["the opened games"] if files.opened() else [])]
            source = widgets.select("Positions of", sources, key="i_source", width=170)
            count = widgets.select("How many", COUNTS, key="i_count", width=110)
            question = widgets.select("Target", QUESTIONS, key="i_set_target", width=140)
            names = ", ".join(str(method) for method in methods)
            if st.button("Run", key="i_set_run", disabled=jobs.current() is not None):
                _begin(model, methods, source, count, question)
        st.caption(f"Under {state.plain(names)}; what is pinned is compared with what is shown.")
        _result(look)


def _begin(model: Model, methods: list[Method], source: str, count: int, question: str) -> None:
    """Run over the set beside the page, which may be left meanwhile."""
    games = files.opened() if source != "self-play" else None
    words = ["othello", "bench", "GAMES" if games else f"selfplay:{count}", "--target", question]
    for name in dict.fromkeys(method.composite for method in methods):
        words += ["--composite", name]
    for name in dict.fromkeys(method.bias for method in methods):
        words += ["--bias", name]
    words += ["--most", str(count)] if games else []
    if (folder := state.checkpoint_argument(model)) is not None:
        words += ["--checkpoint", folder]

    def work(report: jobs.Report) -> str:
        if games is None:
            boards = self_played(model, count, progress=report)
        else:
            fitting = [game for game in games if game.start.size == model.size]
            every = [board for game in fitting for board in game.boards]
            boards = drawn([board for board in every if board.legal_moves()], count)
        run.found = over_a_set(model, boards, question, methods, report)
        return ""

    run = SetJob(shlex.join([*words, "--npz", "maps.npz"]))
    run.job = jobs.begin("Run over a set", work)
    st.session_state.i_set_job = run


def _result(look: Look) -> None:
    run: SetJob | None = st.session_state.get("i_set_job")
    if jobs.current() is not None:
        _under_way()
    if run is None or run.job is None or run.job.running:
        return
    if run.job.error is not None:
        raise run.job.error
    if run.found is None:
        st.caption("Cancelled.")
        return
    found = run.found
    means = [one.mean for one in found.methods]
    n, scale = means[0].shape[0], scale_of(*means)
    legend = Legend(("against the side to move", "for the side to move"), scale, look)
    empty = Board(0, 0, "X", n)
    for column, one, mean in zip(st.columns(max(3, len(means))), found.methods, means):
        with column:
            title = f"Mean: {one.method}"
            legend.picture(empty, mean, key=f"i_mean_{one.method}", title=title)
    rows = []
    for one in found.methods:
        cells = [_interval(one, column) for column in ("values", "biases", "gains")]
        r = q_words(alike(one.mean, means[0]))
        rows.append({"cells": [str(one.method), *cells, r], "value": str(one.method)})
    columns = ("method", "target", "of it biases", "SRG", "r")
    title = f"{len(found.boards)} positions, means with 95 % intervals"
    parts.moves(columns, rows, key="i_set_table", title=title)
    for one in found.methods:
        if one.clusters is not None:
            _clusters(found, one, one.clusters, look)
    st.code(run.command, language=None, wrap_lines=True)
    kind = "application/octet-stream"
    st.download_button("NPZ", found.as_npz, "maps.npz", kind, key="i_set_npz", on_click="ignore")


def _clusters(found: SetRun, one: SetMaps, kinds: MapClusters, look: Look) -> None:
    """The kinds of a method's maps: the most typical position of each of the largest, and how firm they all are."""
    st.markdown(f"**Kinds of maps under {state.plain(str(one.method))}**")
    places = kinds.typical[:SHOWN]
    scale = scale_of(*(one.maps[place] for place in places))
    legend = Legend(("against the side to move", "for the side to move"), scale, look)
    for number, (column, place) in enumerate(zip(st.columns(SHOWN), places)):
        with column:
            title = f"Typical of {kinds.sizes[number]}"
            key = f"i_kind_{one.method}_{number}"
            legend.picture(found.boards[place], one.maps[place], key=key, title=title)
    st.caption(kinds.words)


def _interval(one: SetMaps, column: str) -> str:
    mean, half = one.interval(column)
    if not math.isfinite(mean):
        return "–"
    return f"{signed(mean)} ± {half:.2g}" if math.isfinite(half) else signed(mean)


@st.fragment(run_every=0.5)
def _under_way() -> None:
    """The run that this server makes; what is around it is drawn again when it ends."""
    job = jobs.current()
    if job is None:
        st.rerun()
    tables.progress(job, key="i_cancel")
