"""Maps of relevance on boards, under each what its colours mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.explain.explanation import Explanation, Map
from app.present.colormap import MAPS, fills, ink, numbers, scale_of
from app.present.sentences import poles
from app.web.components import parts
from othello.rules.board import Board


@dataclass(frozen=True)
class Look:
    """How maps are painted: the name of their colours, and whether squares carry their numbers."""

    colours: str = "blue–red"
    numbers: bool = False


USUAL: Final = Look()


@dataclass(frozen=True)
class Legend:
    """What colours mean: whom the lowest and the highest speak for, and the |R| at which they are full.

    Maps that stand beside each other share one.
    """

    poles: tuple[str, str]
    scale: float
    look: Look = USUAL
    unit: str = ""  # of the numbers, where they are not on the network's own scale

    @classmethod
    def of(cls, found: Explanation, look: Look = USUAL, *maps: Map, unit: str = "") -> Legend:
        """The legend of an explanation for `maps`, else for its squares and its biases."""
        shown = maps or (found.squares, found.bias_squares)
        return cls(poles(found.target, found.board.side), scale_of(*shown), look, unit)

    def heat(self, relevance: Map) -> parts.Over:
        """What the board needs to show a map [N, N]."""
        paint = list(fills(relevance, self.scale, self.look.colours).values())
        full = _with_unit(f"{self.scale:.3g}", self.unit)
        names = self.look.colours.split("–")
        return {
            "fills": paint,
            "inks": [ink(colour) for colour in paint],
            "numbers": list(numbers(relevance, self.scale).values()) if self.look.numbers else None,
            "notes": [_note(float(value), self.unit) for value in relevance.flat],
            "legend": {
                "numbers": [f"−{full}", "0", f"+{full}"] if self.scale else ["0"],
                "sides": [f"{name}: {words}" for name, words in zip(names, self.poles)],
                "colours": [f"rgb{stop}" for stop in MAPS[self.look.colours]],
            },
        }

    def picture(
        self,
        position: Board,
        relevance: Map,
        *,
        key: str,
        title: str,
        label: str = "",
        last: int | None = None,
    ) -> None:
        """A position with a map [N, N] and this legend."""
        parts.picture(
            position,
            key=key,
            title=title,
            label=label or title,
            last=last,
            over=self.heat(relevance),
        )


def _note(value: float, unit: str) -> str:
    return _with_unit(f"relevance {value:+.3g}", unit) if abs(value) > 1e-12 else ""


def _with_unit(number: str, unit: str) -> str:
    return f"{number} {unit}".rstrip()
