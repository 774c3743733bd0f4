"""Copy and save on the Inspect page: the view as a command, as Python, as files."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable

import numpy as np
import streamlit as st

from app.explain.explanation import Explanation
from app.present.picture import as_png, as_svg
from othello.rules.notation import square_name


def draw(found: Explanation, checkpoint: str | None = None) -> None:
    """The tool; `checkpoint` is the folder where it is not the one that comes with the project."""
    st.caption(
        "As a command"
    )  # code without colours: those of strings are too pale to be read on a light page
    st.code(as_command(found, checkpoint), language=None, wrap_lines=True)
    st.caption("As Python")
    st.code(as_python(found, checkpoint), language=None, wrap_lines=True)
    st.caption("The address of this page reproduces the view. Files:")
    files: tuple[tuple[str, str, Callable[[], str | bytes]], ...] = (
        ("JSON", "application/json", lambda: json.dumps(found.to_dict())),
        ("CSV", "text/csv", lambda: as_csv(found)),
        ("NPZ", "application/octet-stream", lambda: as_npz(found)),
        ("PNG", "image/png", lambda: as_png(found)),
        ("SVG", "image/svg+xml", lambda: as_svg(found)),
    )
    with st.container(horizontal=True):
        for name, kind, make in files:
            ending = name.lower()
            st.download_button(
                name, make, f"explanation.{ending}", kind, key=f"i_{ending}", on_click="ignore"
            )


def as_command(found: Explanation, checkpoint: str | None = None) -> str:
    """The command line that prints this explanation."""
    words = ["othello", "explain", str(found.board), "--target", str(found.target)]
    words += ["--composite", found.composite, "--bias", found.bias_mode]
    words += ["--checkpoint", checkpoint] if checkpoint else []
    return shlex.join([*words, "--json"])


def as_python(found: Explanation, checkpoint: str | None = None) -> str:
    """Python that makes this explanation and prints it."""
    size = "" if found.board.size == 8 else f"size={found.board.size}"
    model = repr(checkpoint) if checkpoint else size
    return (
        "from app.explain.ask import explain\nfrom app.models import load_model\nfrom othello import Board\n\n"
        f"found = explain(\n    load_model({model}), Board.parse({str(found.board)!r}), {str(found.target)!r},\n"
        f"    composite={found.composite!r}, bias={found.bias_mode!r},\n)\n"
        "print(found.value, found.squares, found.bias, found.stabilizer, found.closure, sep='\\n')\n"
    )


def as_csv(found: Explanation) -> str:
    """A line a square: its content, its relevance, the planes' shares, the bias that acts there."""
    names = list(found.planes)
    lines = [",".join(["square", "content", "relevance", *names, "bias"])]
    for square, letter in enumerate(str(found.board)[: found.board.size**2]):
        numbers = [found.squares.flat[square], *(found.planes[name].flat[square] for name in names)]
        row = [f"{float(number):.8g}" for number in [*numbers, found.bias_squares.flat[square]]]
        lines.append(",".join([square_name(square, found.board.size), letter, *row]))
    return "\n".join(lines) + "\n"


def as_npz(found: Explanation) -> bytes:
    """NumPy arrays, read without pickle: `squares`, `plane/NAME`, `bias_map/LAYER` [N, N], `bias` by `bias_layers`."""
    arrays = {
        "squares": found.squares,
        "bias_squares": found.bias_squares,
        "bias_layers": np.array(list(found.bias)),
        "bias": np.array(list(found.bias.values())),
        "target": np.array(found.value),
        "stabilizer": np.array(found.stabilizer),
        "exact": np.array(found.exact),
        "closure": np.array(found.closure),
        "of": np.array(
            [
                str(found.target),
                str(found.board),
                found.composite,
                found.bias_mode,
                found.checkpoint,
            ]
        ),
    }
    arrays |= {f"plane/{name}": plane for name, plane in found.planes.items()}
    arrays |= {f"bias_map/{name}": kept for name, kept in found.bias_maps.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
