"""Makes notebooks of pages: the same words, the pages' own code as cells, and what the cells print and show.

    python docs/notebook.py                      all of NOTEBOOKS
    python docs/notebook.py play_and_explain     one of them

After its sections the article gets cells that measure again: they ask the network that comes with the project and the
files in docs/experiments, and each refuses numbers that are not those of the files.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
POST = "post"
NOTEBOOKS = (POST, "play_and_explain", "explain_a_model")

BEGIN = '''
import json
import math
from pathlib import Path

import numpy as np
import torch

from app.experiments.catalogue import experiment
from app.experiments.record import Settings, silent
from app.experiments.results import rounded
from app.models import load_model

torch.set_num_threads(1)
DOCS = next(folder for folder in (Path("."), Path("docs")) if (folder / "experiments").is_dir())
model = load_model()


def stored(name):
    """What an experiment's file holds."""
    return json.loads((DOCS / "experiments" / f"{name}.json").read_text("utf-8"))


def pairs(here, there):
    """The numbers of two records of one shape, two by two."""
    if isinstance(there, dict):
        assert set(here) == set(there)
        for key in there:
            yield from pairs(here[key], there[key])
    elif isinstance(there, list):
        for left, right in zip(here, there, strict=True):
            yield from pairs(left, right)
    elif isinstance(there, int | float):
        yield here, there


def again(name):
    """Run an experiment of one position here; every number must be that of its file."""
    record = stored(name)
    assert record["checkpoint"]["sha256"] == model.sha256, "other weights than the files'"
    found = rounded(experiment(name).run(model, Settings(1), silent).numbers)
    both = list(pairs(found, record["numbers"]))
    for left, right in both:
        assert math.isclose(left, right, rel_tol=1e-3, abs_tol=1e-5), f"{name}: {left}, {right}"
    print(f"{name}: {len(both)} numbers measured again, all as in its file")
    return found


def mean_of(name, sample, column):
    """The mean of a column over the positions that an experiment exported."""
    with np.load(DOCS / "experiments" / f"{name}-{sample}.npz") as file:
        place = file["columns"].tolist().index(column)
        return float(np.nanmean(file["values"][:, place]))


print(f"weights {model.sha256[:12]}, {model.network.architecture}")
'''

CELLS = {  # heading -> the cell behind its section
    "What each block holds": """
found = again("value-plus")
for stage, account in found["stages"].items():
    print(f"{stage:12} relevance {account['relevance']:+.2f}  biases {account['bias']:+.2f}")
""",
    "Reading the pictures": """
flat, empty = again("value-flat"), again("empty-board")
again("policy")
print(f"flat first: {flat['share_on_empty_squares']:.0%} of the relevance lies on empty squares")
print(f"the empty board's map sums to {empty['map_total']:+.3f} of {empty['target']:+.3f}")
""",
    "Through the search": """
from app.experiments.positions import BOARD_31
from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.explain.search import explain_tree
from app.explain.targets import Target
from othello.search.search import Search

search = Search(model.evaluator, seed=0)
result = search.run(BOARD_31, simulations=200)
best = max(result.moves, key=lambda move: move.visits).square
map_of_q = explain_tree(
    model,
    BOARD_31,
    Target("q", best),
    search.tree(),
    composite=DEFAULT_COMPOSITE,
    bias=DEFAULT_BIAS,
)
assert abs(map_of_q.closure) <= 1e-4 * abs(map_of_q.value)
squares = map_of_q.squares.sum()
print(f"{map_of_q.leaves} positions, Q {map_of_q.value:+.3f}, squares {squares:+.3f}")
""",
    "Are the maps right?": """
truth, faith = stored("ground-truth")["numbers"], stored("faithfulness")["numbers"]
default = faith["srg"]["EpsilonGammaBox"]["empty"]["value"]["mean"]
methods = truth["by_rule"]["methods"]
turned = {}
for name in ("EpsilonGammaBox", "nearness"):
    turned[name] = methods[name]["flipped"]["detection"]["mean"]
    there = mean_of("ground-truth", "positions", f"{name} | flipped | detection")
    assert math.isclose(there, turned[name], rel_tol=1e-5)
measured = mean_of("faithfulness", "positions", "EpsilonGammaBox | empty | value")
assert math.isclose(measured, default, rel_tol=1e-5)
worth = mean_of("ground-truth", "endgames", "owner swap | signed_rank_correlation")
print(f"faster by {measured:.2f}; a disc's worth, by owner swap: {worth:.3f}")
print(f"turned discs: {turned['EpsilonGammaBox']:.3f}, nearness {turned['nearness']:.3f}")
""",
    "Reasons": """
from app.explain.reasons.sentence import why

reasons = why(model, Search(model.evaluator, seed=0).run(BOARD_31, simulations=100))
print(reasons.sentence)
""",
    "Inside the network": """
from app.experiments.studies.inside.channels import channels_of

own, opp = (np.array([word], np.uint64) for word in (BOARD_31.own, BOARD_31.opp))
ledger = channels_of(model, own, opp).ledger()
assert ledger["difference"] <= 1e-6
print(f"board 31 by its last channels: {ledger['parts']:+.3f} + biases {ledger['bias']:+.3f}")
concepts = stored("concepts")["numbers"]
for name, found in concepts["concepts"].items():
    effect = concepts["effects"][name]
    if found["learned"] and effect["listens"] and effect["theory"]:
        best, planes = found["r2"][found["best"]]["mean"], found["r2"]["planes"]["mean"]
        print(f"{name:38} R² {planes:.2f} → {best:.2f}, effect {effect['sizes']:+.1f} sd")
""",
}

END = """
import re

text = (DOCS / "post.md").read_text("utf-8")
shown_as = r"\\[((?:[^\\[\\]]|\\[[^\\[\\]]*\\])+)\\]"
cited = re.findall(shown_as + r'\\(experiments/([\\w-]+)\\.json\\s+"([^"]+)"\\)', text)
for shown, name, path in cited:
    value = stored(name)
    for key in path.split(" > "):
        value = value[int(key)] if isinstance(value, list) else value[key]
    value = value["mean"] if isinstance(value, dict) else value
    first = re.search(r"[−+]?\\d+(?:\\.\\d+)?(?:e[−+]?\\d+)?", shown).group().replace("−", "-")
    size = abs(float(first)) if "e" in first else 10.0 ** -len(first.partition(".")[2])
    assert abs(float(first) - value * (100 if "%" in shown else 1)) <= 0.5001 * size, (shown, value)
print(f"{len(cited)} numbers of the article are those of the files")
"""


def cells_of(name: str) -> list[dict[str, Any]]:
    """The cells of a page's notebook, in order: text, the page's own code and, of the article, the cells above."""
    page = (DOCS / f"{name}.md").read_text("utf-8")
    parts = re.split(r"(?m)^(?=#{2,3} )", page)
    cells = [_text(parts[0])]
    if name == POST:
        cells.append(_code(BEGIN))
    for part in parts[1:]:
        heading = part.partition("\n")[0].lstrip("# ").strip()
        if name == POST and heading == "References":
            cells.append(_code(END))
        pieces = re.split(r"```python\n(.*?)```\n", part, flags=re.DOTALL)
        for place, piece in enumerate(pieces):
            if piece.strip():
                cells.append(_code(piece) if place % 2 else _text(piece))
        if name == POST and heading in CELLS:
            cells.append(_code(CELLS[heading]))
    return cells


def _text(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": _name(text), "metadata": {}, "source": _lines(text)}


def _code(text: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": _name(text),
        "metadata": {},
        "outputs": [],
        "source": _lines(text),
    }


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _lines(text: str) -> list[str]:
    return text.strip("\n").splitlines(keepends=True)


def executed(cells: list[dict[str, Any]]) -> None:
    """Run the code cells in order in one namespace; each keeps what it prints and what it ends with."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for count, cell in enumerate((cell for cell in cells if cell["cell_type"] == "code"), 1):
        printed = io.StringIO()
        with redirect_stdout(printed):
            last = _run("".join(cell["source"]), f"cell {count}", namespace)
        cell["execution_count"] = count
        text = printed.getvalue()
        if text:
            stream = {"name": "stdout", "output_type": "stream", "text": _lines(text)}
            cell["outputs"].append(stream)
        if last is not None:
            shown = {"output_type": "execute_result", "execution_count": count, "metadata": {}}
            cell["outputs"].append(shown | {"data": _shown(last)})


def _run(source: str, name: str, namespace: dict[str, Any]) -> Any:
    """Run a cell; the value of the expression that it ends with, if it ends with one."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), name, "eval"), namespace)


def _shown(value: Any) -> dict[str, Any]:
    """A value as notebooks keep it: by its picture, if it has one."""
    if hasattr(value, "_repr_svg_"):
        return {"image/svg+xml": _lines(value._repr_svg_())}
    if hasattr(value, "_repr_png_"):
        return {"image/png": base64.b64encode(value._repr_png_()).decode()}
    return {"text/plain": _lines(repr(value))}


def notebook(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The notebook, format 4.5."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def main() -> None:
    """Make, run and write those that are asked for."""
    for name in sys.argv[1:] or NOTEBOOKS:
        executed(cells := cells_of(name))
        text = json.dumps(notebook(cells), ensure_ascii=False, indent=1)
        (DOCS / f"{name}.ipynb").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
