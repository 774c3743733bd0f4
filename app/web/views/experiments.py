"""The Experiments page: a gallery of cards, and each experiment's figures, numbers, reading and run with progress."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.experiments.catalogue import experiment, experiments
from app.experiments.results import stored
from app.experiments.runner import Request, durations, run
from app.web import jobs, record, state, thumbnail, widgets
from app.web.pages import WebPage
from app.web.views import tables

if TYPE_CHECKING:
    from app.experiments.record import Experiment

FOLDER = Path("runs/experiments")
_INSTALLED = Path(__file__).parents[2] / "experiments" / "shipped"
SHIPPED = (  # what the project's own run left
    _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3] / "docs" / "experiments"
)
SIZES = {"Quick": True, "Full": False}
_CARD = 394  # pixels of width: three in a row, each as wide as a phone, for which figures are drawn


def page() -> None:
    """Draw the page."""
    with state.drawing():
        record.follow("experiments")
        state.messages("link_error")
        if not st.session_state.get("e_open"):
            record.write("experiments")
            if jobs.current() is not None:
                _under_way()
            _ended()
            _gallery()
            return
        known = experiments()
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            widgets.button("All experiments", "grid_view", key="e_all", do=_close)
            chosen = widgets.select(
                "Experiment",
                list(known),
                key="e_name",
                format_func=lambda name: f"{known[name].number}. {known[name].title}",
                width=460,
            )
        record.write("experiments")
        _controls(known[chosen])
        _results(known[chosen])


def _gallery() -> None:
    """A card for every experiment: a small figure, one sentence, how long it last took, and the way to its detail."""
    took = durations(FOLDER)
    with st.container(horizontal=True, gap="small", key="e_cards"):
        for one in experiments().values():
            with st.container(border=True, width=_CARD, height="stretch", key=f"e_card_{one.name}"):
                _small_figure(one)
                st.markdown(state.plain(one.shows))
                if seconds := took.get(one.name, {}).get("wall_s"):
                    st.caption(f"The last run took {seconds:.0f} s.")
                label, looks = f"{one.number}. {state.plain(one.title)}", {"width": "stretch"}
                key = f"e_go_{one.name}"
                widgets.button(
                    label, "open_in_full", key=key, do=_choose, args=(one.name,), **looks
                )


def _small_figure(one: Experiment) -> None:
    found = _record(one.name)
    if found is None:
        st.caption("Not measured yet.")
        return
    figure, folder = found[0]["figures"][0], found[1]
    svg = thumbnail.first_row((folder / f"{figure['file']}.svg").read_text("utf-8"))
    style = "display: block; margin: auto; max-width: 100%; border-radius: 6px"
    picture = _image(svg.encode(), figure, style)
    st.html(f'<div style="margin: 0 -0.75rem">{picture}</div>')  # almost to the card's edge


def _controls(chosen: Experiment) -> None:
    quick, full = chosen.positions
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        size = widgets.segments("Size", SIZES, key="e_size", default="Quick")
        seed = widgets.number("Seed", 0, 10_000, key="e_seed", default=0, width=120)
        busy, icon = jobs.current() is not None, ":material/play_arrow:"
        if st.button("Run", icon=icon, type="primary", key="e_run", disabled=busy):
            _begin(chosen.name, SIZES[size], seed)
            st.rerun()  # with the button at rest
    unit = "" if full == 1 else f" Quick measures {quick}, full {full} positions, games or samples."
    st.caption(f"{state.plain(chosen.shows)}{unit}")
    if jobs.current() is not None:
        _under_way()
    _ended()


def _begin(name: str, quick: bool, seed: int) -> None:
    """Run an experiment beside the page, which may be left meanwhile."""
    request = Request(FOLDER, state.model(8).path, seed=seed, quick=quick)
    title = experiment(name).title
    st.session_state.e_job = jobs.begin(title, lambda report: _work(name, request, report))


def _work(name: str, request: Request, report: jobs.Report) -> str:
    _, before = run(name, request, report)
    return "The same settings and weights were measured before; the result was kept." * before


@st.fragment(run_every=0.5)
def _under_way() -> None:
    """The run that this server makes, whoever began it; the whole page is drawn again when it ends."""
    job = jobs.current()
    if job is None:
        st.rerun()
    tables.progress(job, key="e_cancel")
    st.caption("It goes on when you leave this page.")


def _ended() -> None:
    """How the last run that was begun here ended, once, where its figures do not say so."""
    job: jobs.Job | None = st.session_state.get("e_job")
    if job is None or job.running:
        return
    del st.session_state.e_job
    if job.said:
        st.caption(f"{state.plain(job.title)}: {job.said}")
    with state.error_box():
        if job.error is not None:
            raise job.error


def _record(name: str) -> tuple[dict[str, Any], Path] | None:
    """The newest result: of this folder, else the one that came with the project."""
    for folder in (FOLDER, SHIPPED):
        record = stored(folder, name)
        if record is not None:
            return record, folder
    return None


def _results(chosen: Experiment) -> None:
    found = _record(chosen.name)
    if found is None:
        st.info(
            "Not measured yet. Press Run, or use the command line: othello experiments "
            + chosen.name
        )
        return
    record, folder = found
    st.subheader(state.plain(record["title"]))
    for figure in record["figures"]:
        _figure(folder / f"{figure['file']}.svg", figure)
    st.markdown(state.plain(record["reading"]))
    for table in record["tables"]:
        st.markdown(f"**{state.plain(table['title'])}**")
        st.dataframe(
            dict(zip(table["header"], zip(*table["rows"]))), hide_index=True, width="stretch"
        )
    _origin(record, folder)


def _figure(file: Path, figure: dict[str, Any]) -> None:
    """A figure with its words for those who do not see it, which st.image cannot carry; narrow pages scroll it."""
    data = file.read_bytes()
    points = re.search(rb'<svg [^>]*width="([0-9.]+)pt"', data)
    wide = float(points[1]) * 4 / 3 if points else 0.0
    least = 680 if wide > 680 else 0  # narrow ones stay legible on a phone
    picture = _image(data, figure, f"max-width: 100%; min-width: {least}px; border-radius: 6px")
    look = "overflow-x: auto; max-width: 100%"
    st.html(f'<div role="group" aria-label="Figure" tabindex="0" style="{look}">{picture}</div>')
    st.caption(state.plain(figure["caption"]))


def _image(svg: bytes, figure: dict[str, Any], style: str) -> str:
    words, data = figure.get("alt", figure["caption"]), base64.b64encode(svg).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{html.escape(words)}" style="{style}">'
    )


def _origin(record: dict[str, Any], folder: Path) -> None:
    settings, weights = record["settings"], record["checkpoint"]
    of = f"weights {weights['sha256'][:12]} · " if weights else ""
    code = f" · code {record['code'][:12]}" if record.get("code") else ""
    st.caption(
        f"{of}positions {settings['positions']} · seed {settings['seed']} · key {record['key'][:12]}{code}"
    )
    if weights and weights["sha256"] != state.model(8).sha256:
        st.caption("These numbers are of other weights than the ones chosen in the app.")
    with st.container(horizontal=True, gap="small"):
        name = record["name"]
        st.download_button(
            "JSON", (folder / f"{name}.json").read_bytes(), f"{name}.json", key="e_json"
        )
        for number, figure in enumerate(record["figures"]):
            file = folder / f"{figure['file']}.svg"
            st.download_button("SVG", file.read_bytes(), file.name, key=f"e_svg{number}")
    with st.expander("Every number"):
        st.json(record["numbers"], expanded=1)


def _chosen() -> str:
    """The experiment whose detail is open; empty in the gallery."""
    return widgets.chosen("e_name", experiments(), "") if st.session_state.get("e_open") else ""


def _choose(name: str) -> None:
    if name in experiments():
        widgets.put("e_name", name)
        st.session_state.e_open = True


def _close() -> None:
    st.session_state.e_open = False


record.holds("experiments", record.Part("experiment", _chosen, _choose))
PAGE = WebPage(
    "Experiments",
    ":material/science:",
    5,
    page,
    "The figures of the blog post redone, and tests of whether the explanations are true. Numbers in brackets are "
    "95 % intervals.",
)
