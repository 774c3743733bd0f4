"""The colours of the desktop: the board's themes are those of the SVG board, the panel is paper or slate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """The panel's colours as "#rrggbb"."""

    page: str
    card: str
    edge: str
    ink: str
    soft: str  # second-rank text
    accent: str
    on_accent: str
    track: str  # behind bars
    graph: str  # behind the value graph
    black: str  # black's bars in the graph
    white: str  # white's bars
    up: str = "#b2182b"  # for the target, as on the board
    down: str = "#2166ac"


PAPER = Palette(
    page="#f1f0ea",
    card="#fbfaf6",
    edge="#d9d7cd",
    ink="#1d2520",
    soft="#5f6963",
    accent="#2c7a58",
    on_accent="#ffffff",
    track="#e2e1d8",
    graph="#cdd2c8",
    black="#1f2428",
    white="#ffffff",
)
SLATE = Palette(
    page="#171c1a",
    card="#212825",
    edge="#39423d",
    ink="#eef2ee",
    soft="#a4b0a9",
    accent="#4fae86",
    on_accent="#0d1512",
    track="#343d39",
    graph="#5d6964",
    black="#050606",
    white="#e9ece8",
    up="#e0705f",
    down="#5b9bd5",
)
