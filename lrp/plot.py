"""Relevance as pictures and as text: red speaks for the target, blue against it, white is 0.

Pictures need matplotlib (`pip install othello-lrp[plot]`), which is imported by the first picture.
"""

from __future__ import annotations

import html
import importlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lrp.errors import InvalidInput, LRPError
from lrp.result import Relevance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = "RdBu_r"
FOR, AGAINST = (214, 96, 77), (67, 147, 195)
"""Background of the strongest word for and against the target, 0 to 255; black on them can be read."""


def image(
    relevance: Relevance | Tensor,
    picture: Any = None,
    *,
    sample: int = 0,
    percentile: float = 99.0,
    overlay: float = 0.6,
    title: str = "",
    save: str | Path | None = None,
) -> Figure:
    """One map as a figure with a colour bar, on a scale symmetric about 0.

    relevance: a `Relevance` of inputs [B, H, W] or [B, C, H, W], of which `sample` is drawn, or a tensor [H, W] or
        [C, H, W]; channels are summed. picture: [H, W], [1, H, W] or [3, H, W], drawn in grey under the map.
    percentile: of |relevance|, in (0, 100]: where the colours end. overlay: the map's opacity over a picture, 0 to 1.
    save: a file whose ending names its format. Raises InvalidInput; LRPError without matplotlib.

    >>> import torch, lrp
    >>> lrp.plot.image(torch.randn(3, 8, 8), torch.rand(3, 8, 8)).axes[0].images[1].get_array().shape
    (8, 8)
    """
    drawn = [_map(relevance, sample)]
    figure = _figure((4.6, 4.0))
    axes = figure.subplots()
    limit = _limit(drawn, percentile)
    mesh = _draw(axes, drawn[0], picture, limit, overlay)
    axes.set_title(title)
    _colour_bar(figure, mesh, axes, drawn)
    return _saved(figure, save)


def grid(
    relevances: Relevance | Sequence[Relevance | Tensor] | Tensor,
    pictures: Sequence[Any] | Tensor | None = None,
    *,
    titles: Sequence[str] = (),
    columns: int = 4,
    percentile: float = 99.0,
    overlay: float = 0.6,
    save: str | Path | None = None,
) -> Figure:
    """Several maps side by side on one scale with one colour bar, so that their colours can be compared.

    relevances: what `image` takes, several times (of a `Relevance` in a list the first sample), or one `Relevance` or
        tensor [B, H, W] or [B, C, H, W], of which all samples are drawn. pictures and titles: as many, or none.
    Other arguments, and errors, as in `image`.
    """
    drawn = _maps(relevances)
    under = [None] * len(drawn) if pictures is None else list(pictures)
    if len(under) != len(drawn) or len(titles) not in (0, len(drawn)):
        raise InvalidInput(
            f"a grid of {len(drawn)} maps takes as many pictures and titles, or none, "
            f"not {len(under)} and {len(titles)}"
        )
    if columns < 1:
        raise InvalidInput(f"a grid has at least 1 column, not {columns}")
    wide = min(columns, len(drawn))
    high = -(-len(drawn) // wide)
    figure = _figure((2.4 * wide + 0.8, 2.5 * high))
    axes = list(figure.subplots(high, wide, squeeze=False).flat)
    limit = _limit(drawn, percentile)
    meshes = [_draw(a, m, p, limit, overlay) for a, m, p in zip(axes, drawn, under, strict=False)]
    for place, name in zip(axes, titles, strict=False):
        place.set_title(name)
    for place in axes[len(drawn) :]:
        place.set_axis_off()
    _colour_bar(figure, meshes[0], axes, drawn)
    return _saved(figure, save)


def text(
    tokens: Sequence[str],
    relevance: Relevance | Tensor,
    *,
    sample: int = 0,
    percentile: float = 100.0,
    save: str | Path | None = None,
) -> str:
    """Tokens as HTML, each on the colour of its relevance, which it shows as a number under the pointer.

    tokens: [L] strings; they are escaped. relevance: a `Relevance` of inputs [B, L] or [B, L, D], or a tensor [L] or
        [L, D]; vectors are summed. Other arguments, and errors, as in `image`; needs no matplotlib.

    >>> import torch, lrp
    >>> lrp.plot.text(["a", "<b>"], torch.tensor([0.0, 2.0]))[-74:]
    '<span title="+2" style="background:rgb(214,96,77)">&lt;b&gt;</span></div>\\n'
    """
    r = _sample(relevance, sample)
    r = r.sum(-1) if r.dim() == 2 else r
    if r.dim() != 1 or len(r) != len(tokens):
        raise InvalidInput(
            f"{len(tokens)} tokens take relevance [{len(tokens)}] or [{len(tokens)}, D], not {list(r.shape)}"
        )
    limit = _limit([_finite(r)], percentile)
    words = [_word(t, value / limit, value) for t, value in zip(tokens, r.tolist(), strict=True)]
    page = f'<div style="color:#000;background:#fff;line-height:1.8">{" ".join(words)}</div>\n'
    if save is not None:
        Path(save).write_text(page, encoding="utf-8")
    return page


def _word(
    token: str,
    strength: float,
    value: float,
) -> str:
    end = FOR if strength >= 0 else AGAINST
    colour = ",".join(str(round(255 + (c - 255) * min(abs(strength), 1.0))) for c in end)
    shown = html.escape(token)
    return f'<span title="{value:+.4g}" style="background:rgb({colour})">{shown}</span>'


def _sample(relevance: Relevance | Tensor, sample: int) -> Tensor:
    """What one sample's map is made of, in float64 on the CPU."""
    if isinstance(relevance, Relevance):
        if isinstance(relevance.input, tuple) or relevance.target.dim() != 1:
            raise InvalidInput(
                "a Relevance of several inputs or targets is several maps: give one tensor, such as .inputs[0][0]"
            )
        count = len(relevance.input)
        if not -count <= sample < count:
            raise InvalidInput(f"sample is 0 to {count - 1}, not {sample}")
        relevance = relevance.input[sample]
    if not isinstance(relevance, Tensor):
        raise InvalidInput(f"relevance is a Relevance or a tensor, not {type(relevance).__name__}")
    return relevance.detach().to("cpu", torch.float64)


def _map(relevance: Relevance | Tensor, sample: int = 0) -> Tensor:
    """[H, W]: the relevance of one sample's pixels."""
    r = _sample(relevance, sample)
    if r.dim() not in (2, 3) or not r.numel():
        raise InvalidInput(f"a map is [H, W] or [C, H, W], not {list(r.shape)}")
    return _finite(r.sum(0) if r.dim() == 3 else r)


def _maps(relevances: Relevance | Sequence[Relevance | Tensor] | Tensor) -> list[Tensor]:
    if isinstance(relevances, Relevance):
        found = [_map(relevances, i) for i in range(len(relevances.target))]
    else:
        found = [_map(r) for r in relevances]
    if not found:
        raise InvalidInput("there is no map to draw")
    return found


def _finite(r: Tensor) -> Tensor:
    if not bool(torch.isfinite(r).all()):
        raise InvalidInput("relevance contains NaN or Inf")
    return r


def _limit(maps: Sequence[Tensor], percentile: float) -> float:
    """Where the colours end: a percentile of |relevance|, the largest one where that is 0, else 1."""
    if not 0 < percentile <= 100:
        raise InvalidInput(f"percentile is above 0 and at most 100, not {percentile}")
    sizes = torch.cat([m.abs().flatten() for m in maps]).sort().values
    if not len(sizes):
        return 1.0
    place = max(-(-len(sizes) * percentile // 100), 1)
    return float(sizes[int(place) - 1]) or float(sizes[-1]) or 1.0


def _grey(picture: Any, wanted: Tensor) -> Tensor:
    """[H, W]: the picture's brightness. Raises InvalidInput unless it lies under the map."""
    p = torch.as_tensor(picture).detach().to("cpu", torch.float64)
    if p.dim() not in (2, 3) or (p.dim() == 3 and len(p) not in (1, 3)):
        raise InvalidInput(f"a picture is [H, W], [1, H, W] or [3, H, W], not {list(p.shape)}")
    if p.shape[-2:] != wanted.shape:
        raise InvalidInput(
            f"the picture is {list(p.shape[-2:])} and the map {list(wanted.shape)}: sizes must agree"
        )
    return p.mean(0) if p.dim() == 3 else p


def _draw(
    axes: Any,
    r: Tensor,
    picture: Any,
    limit: float,
    overlay: float,
) -> Any:
    if not 0 <= overlay <= 1:
        raise InvalidInput(f"overlay is 0 to 1, not {overlay}")
    if picture is not None:
        axes.imshow(_grey(picture, r).numpy(), cmap="gray")
    alpha = None if picture is None else overlay
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.imshow(r.numpy(), cmap=COLOURS, vmin=-limit, vmax=limit, alpha=alpha)


def _colour_bar(
    figure: Any,
    mesh: Any,
    axes: Any,
    drawn: Sequence[Tensor],
) -> None:
    limit = mesh.norm.vmax
    clipped = any(float(m.abs().max()) > limit for m in drawn)
    bar = figure.colorbar(mesh, ax=axes, extend="both" if clipped else "neither")
    ticks = [-limit, -limit / 2, 0.0, limit / 2, limit]
    bar.set_ticks(ticks, labels=[f"{t:+.3g}" if t else "0" for t in ticks])
    bar.set_label("relevance")


def _figure(size: tuple[float, float]) -> Any:
    """An empty figure without pyplot, so that none stays open. Raises LRPError without matplotlib."""
    try:
        module = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise LRPError("pictures need matplotlib: pip install othello-lrp[plot]") from error
    return module.Figure(figsize=size, layout="constrained")


def _saved(figure: Any, save: str | Path | None) -> Figure:
    if save is not None:
        ending = Path(save).suffix[1:].lower()
        known = figure.canvas.get_supported_filetypes()
        if ending not in known:
            raise InvalidInput(f"a picture's name ends in {', '.join(known)}, not {str(save)!r}")
        whole = io.BytesIO()
        figure.savefig(whole, format=ending, dpi=150)
        Path(save).write_bytes(whole.getvalue())
    return figure  # type: ignore[no-any-return]


__all__ = ["grid", "image", "text"]
