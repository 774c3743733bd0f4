"""A judged game as one HTML file: nothing is fetched, no script comes from elsewhere, every text is escaped.

The same game gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from app.game.judged import JudgedGame
from app.present import report_parts as parts
from app.present.colormap import MAPS
from app.present.numbers import unbroken
from app.present.report_graph import graph
from app.present.sentences import outcome_words
from othello.rules.board import Board
from othello.rules.openings import opening_of

_STOPS: Final = ",".join(f"rgb{stop}" for stop in MAPS["blue–red"])


@cache
def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def report(game: JudgedGame) -> str:
    """The game as an HTML document of some 200 kB that opens from a file, without a network.

    The view is black's throughout.  Marks: an inaccuracy from 2 discs of loss on, a mistake from 6, a blunder from 10;
    where the outcome is exact a win given away is a blunder and half of one at least a mistake, whatever the discs.
    """
    script = _read("report.js")
    black, white = (parts.side_name(game, side) for side in "XO")
    text = f"""{_head(game, script)}
<body>
<header>
<div><h1>{black} – {white}</h1><p>{_facts(game)}</p></div>
<div>{parts.summary(game)}</div>
</header>
<main>
<section class="game" aria-label="The game">
<div class="card viewer">{parts.viewer(game)}</div>
<div class="card right">{graph(game)}
<div class="list" role="region" aria-label="Moves" tabindex="0">{parts.moves(game)}</div></div>
</section>
<h2>Where the game turned</h2>
<p class="note">The board after the move that was played and after the better one. The colours show what the move
changed in the network’s value, in points of the chance in per cent, on one scale: red for black, blue for white.</p>
<div class="turns">
{parts.turns(game)}
</div>
</main>
<footer>{_footer(game)}</footer>
<script type="application/json" id="game">{parts.data(game)}</script>
<script>{script}</script>
</body>
</html>
"""
    return unbroken(text)


def _head(game: JudgedGame, script: str) -> str:
    """What stands before the body; its policy lets this style and this script in and nothing else."""
    style = f"{_read('report.css')}.legend i {{ background: linear-gradient(to right,{_STOPS}); }}"
    policy = f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_title(game)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>"""


def _digest(text: str) -> str:
    """What a content security policy calls an inline style or script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _title(game: JudgedGame) -> str:
    record = game.record
    return escape(f"{record.black or 'Black'} – {record.white or 'White'}, Othello")


def _facts(game: JudgedGame) -> str:
    """How the game ended, its opening, when and where it was played."""
    record = game.record
    ended = outcome_words(record.final) if record.final.is_over else "Not finished"
    opening = opening_of(record.actions) if record.start == Board.initial(8) else None
    found = [ended, opening.name if opening else "", record.date, record.place]
    return " · ".join(escape(fact) for fact in found if fact)


def _footer(game: JudgedGame) -> str:
    return (
        "<p><b>How to read it.</b> All values are for black; discs are black minus white at the end, "
        "empty squares to the winner. Arrow keys step through the game.</p>"
        f"<p>Positions with at most {game.solved} empty squares are solved: their discs are exact, and the line is "
        "full. Before that, ≈ and the dashed line are the estimate of a search of "
        f"{game.simulations} simulations by {escape(game.model)}, its value turned to discs.</p>"
        "<p>Lost is what the move was worth less than the best one. ?! inaccuracy: 2 discs or more; ? mistake: 6; "
        "?? blunder: 10. Where the outcome is exact, a move that turns a win into a loss is a blunder, and one that "
        "turns a win into a draw or a draw into a loss at least a mistake.</p>"
    )
