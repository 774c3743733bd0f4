"""The Bench of the Inspect page: one position in a matrix of rules, bias modes, targets, networks, planes or layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import streamlit as st

from app.experiments.maps.bench import alike, comparable, gains
from app.explain.ask import explain
from app.explain.composites import BIAS_MEANINGS, composite_names
from app.explain.explanation import Explanation, Map
from app.explain.targets import Target
from app.models import Model
from app.present.numbers import signed
from app.present.sentences import q_words
from app.web import record, state, widgets
from app.web.components import parts
from app.web.components.maps import Legend, Look
from app.web.views.inspect import bench_set
from app.web.views.question import Pin

MOST: Final = 8  # rows or columns


@dataclass(frozen=True)
class CellQuestion:
    """What one cell shows: an explanation by one network, and which part of it: all, a plane's or a layer's."""

    pin: Pin
    network: str
    part: str = ""

    def map_of(self, found: Explanation) -> Map | None:
        """The map of the part; None where a layer's units do not lie on squares."""
        if not self.part:
            return found.squares
        kind, _, name = self.part.partition(" ")
        return found.planes[name] if kind == "plane" else found.layers.get(name)


@dataclass(frozen=True)
class Axis:
    """What varies along one side of the matrix: the names of its steps, and what each makes of a cell."""

    names: Callable[[Model, Explanation], Sequence[str]]
    step: Callable[[CellQuestion, str], CellQuestion]


def _targets(model: Model, found: Explanation) -> list[str]:
    """The value, the policy's first moves, why the first rather than the others, and what it changes."""
    board = found.board
    if not board.legal_moves():
        return ["value"]
    first, *others = model.ranked(board)
    targets = [Target("value", size=board.size), Target("change", first, size=board.size)]
    targets += [Target("policy", move, size=board.size) for move in (first, *others)][:3]
    targets += [Target("policy", first, other, board.size) for other in others]
    return [str(target) for target in targets]


def _with_target(asked: CellQuestion, name: str) -> CellQuestion:
    return replace(asked, pin=replace(asked.pin, target=Target.parse(name, asked.pin.board.size)))


def _of_accounts(model: Model, found: Explanation) -> list[str]:
    return [f"layer {name}" for name in found.layers]


AXES: Final[dict[str, Axis]] = {
    "Rules": Axis(
        lambda model, found: composite_names(),
        lambda asked, name: replace(asked, pin=replace(asked.pin, composite=name)),
    ),
    "Bias modes": Axis(
        lambda model, found: list(BIAS_MEANINGS),
        lambda asked, name: replace(asked, pin=replace(asked.pin, bias=name)),
    ),
    "Targets": Axis(_targets, _with_target),
    "Networks": Axis(
        lambda model, found: state.checkpoint_paths(model.size),
        lambda asked, name: replace(asked, network=name),
    ),
    "Planes": Axis(
        lambda model, found: ["", *(f"plane {name}" for name in found.planes)],
        lambda asked, name: replace(asked, part=name),
    ),
    "Layers": Axis(_of_accounts, lambda asked, name: replace(asked, part=name)),
}
ROWS, COLUMNS = "Rules", "Bias modes"  # as the matrix begins


def draw(model: Model, found: Explanation, here: Pin, look: Look) -> None:
    """The matrix, with what lies along its sides to choose above it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        down = widgets.select("Rows", AXES, key="i_rows", default=ROWS, width=170)
        others = [name for name in AXES if name != down]
        across = widgets.select(
            "Columns",
            others,
            key="i_columns",
            default=COLUMNS if down != COLUMNS else ROWS,
            width=170,
        )
    rows, columns = (list(AXES[name].names(model, found))[:MOST] for name in (down, across))
    start = CellQuestion(here, str(model.path))
    asked = []
    for row in rows:
        line = AXES[down].step(start, row)
        asked.append([AXES[across].step(line, column) for column in columns])
    _matrix(model, found, asked, (down, rows), (across, columns), look)
    bench_set.draw(model, here, look)


def _matrix(
    model: Model,
    found: Explanation,
    asked: list[list[CellQuestion]],
    down: tuple[str, Sequence[str]],
    across: tuple[str, Sequence[str]],
    look: Look,
) -> None:
    with st.spinner("explaining every cell"):
        maps = [[_map(one) for one in line] for line in asked]
    shown = [one for line in maps for one in line if one is not None]
    if not shown:
        st.caption("None of these has units that lie on squares.")
        return
    legend = Legend.of(found, look, *comparable(shown))
    faithful = _gains(model, found, asked, maps)
    pinned: Pin | None = st.session_state.get("pin")
    cells: list[list[parts.MatrixCell | None]] = []
    for line, row in zip(asked, maps):
        cells.append([])
        for one, relevance in zip(line, row):
            cells[-1].append(
                None
                if relevance is None
                else _cell(one, relevance, shown[0], faithful.get(one), legend, pinned)
            )
    st.session_state.i_bench = asked
    parts.matrix(
        [_name(down[0], name) for name in down[1]],
        [_name(across[0], name) for name in across[1]],
        cells,
        key="i_matrix",
        size=found.board.size,
        legend=legend.heat(shown[0])["legend"],
        title=f"{down[0]} by {across[0].lower()}",
        on_pick=_on_pick,
    )
    st.caption(
        "All maps have one scale; one that is far stronger than most is drawn in full colour.  "
        "r: correlation with the first map.  SRG: how much faster the answer falls when the discs that a map holds "
        "for most relevant are emptied first than when they are last; 0 is chance.  "
        "A click pins a map as A of *A against B*."
    )


def _cell(
    asked: CellQuestion,
    relevance: Map,
    first: Map,
    gain: float | None,
    legend: Legend,
    pinned: Pin | None,
) -> parts.MatrixCell:
    r = alike(relevance, first)
    numbers = [f"r {q_words(r)}", f"SRG {signed(gain)}" if gain is not None else "SRG –"]
    letters = str(asked.pin.board)[: relevance.size]
    held = not asked.part and asked.pin == pinned
    fills = legend.heat(relevance)["fills"]
    return parts.MatrixCell(letters, fills, numbers, ", ".join(numbers), held)


def _name(axis: str, name: str) -> str:
    if axis == "Networks":
        return state.checkpoint_label(name)
    return (name.partition(" ")[2] or "all") if axis in ("Planes", "Layers") else name


def _explained(asked: CellQuestion) -> Explanation:
    """The explanation that a cell is a part of, kept with its network."""
    pin, layers = asked.pin, asked.part.startswith("layer")
    model = state.network(asked.network)
    kept = st.session_state.setdefault("i_cells", {})
    key = (pin, model.sha256, layers)
    if key not in kept:
        while len(kept) >= 4 * MOST**2:
            kept.pop(next(iter(kept)))
        kept[key] = explain(
            model,
            pin.board,
            pin.target,
            composite=pin.composite,
            bias=pin.bias,
            simulations=pin.simulations,
            layers=layers,
        )
    found: Explanation = kept[key]
    return found


def _map(asked: CellQuestion) -> Map | None:
    return asked.map_of(_explained(asked))


def _gains(
    model: Model, found: Explanation, asked: list[list[CellQuestion]], maps: list[list[Map | None]]
) -> dict[CellQuestion, float]:
    """The SRG of every cell that has one, those of one target and network at once."""
    groups: dict[tuple[Target, str], list[tuple[CellQuestion, Map]]] = {}
    for line, row in zip(asked, maps):
        for one, relevance in zip(line, row):
            if relevance is not None:
                groups.setdefault((one.pin.target, one.network), []).append((one, relevance))
    answer: dict[CellQuestion, float] = {}
    for (target, network), group in groups.items():
        asker = state.network(network)
        got = gains(asker, found.board, target, [relevance for _, relevance in group])
        answer |= dict(zip([one for one, _ in group], got or []))
    return answer


def _on_pick() -> None:
    """Pin the cell that is clicked, or unpin it; of a plane or a layer what it is a part of."""
    row, column = (parts.picked("i_matrix", "pick", name) for name in ("row", "column"))
    asked: list[list[CellQuestion]] = st.session_state.get("i_bench", [])
    if not (isinstance(row, int) and isinstance(column, int) and 0 <= row < len(asked)):
        return
    if 0 <= column < len(asked[row]):
        pin = asked[row][column].pin
        st.session_state.pin = None if st.session_state.get("pin") == pin else pin


PARTS = (
    record.choice("rows", "i_rows", lambda: AXES, lambda: ROWS),
    record.choice("columns", "i_columns", lambda: AXES, lambda: COLUMNS),
)
